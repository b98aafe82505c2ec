"""The exported operations of a model with smaller parameters, for a `forward` with fixed sizes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from tasks.nn.sparsity.cutting import Cuts, shrink
from tasks.nn.sparsity.graphs import Example, argument, example_batch, exported, operation
from tasks.nn.sparsity.labels import Value
from tasks.nn.sparsity.operations import walked
from tasks.nn.sparsity.walk import Walk
from tasks.records import InputError

_SIZED = ("view", "reshape", "_unsafe_view", "expand")
_MODES = ("train", "training", "use_input_stats")


class CutGraph(nn.Module):
    """A model as its operations, with smaller parameters; these keep their names below `network`.

    It trains, and `train` and `eval` switch dropout and normalization.  What Python decides on is
    frozen as it was in evaluation: branches on `self.training`, dropout inside of
    `scaled_dot_product_attention`; so are all sizes but that of the batch, where the model allows
    it.  Its layers are not modules, so single weights of it cannot be pruned further.
    """

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__()
        self.network = network
        modes = {node.name: _mode_of(node) for node in network.graph.nodes}
        self._switches = {name: mode for name, mode in modes.items() if mode is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        # A stored graph is traced again: what follows the mode is found again at rest.
        network = copy.deepcopy(self.network)
        _switch(network, self._switches, False)
        return _restored, (network, self.training)

    def forward(self, *inputs: Tensor) -> Any:
        """What the model computes."""
        return self.network(*inputs)

    def train(self, mode: bool = True) -> CutGraph:
        """Switch dropout and normalization."""
        super().train(mode)
        _switch(self.network, self._switches, mode)
        return self


def cut_graph(model: nn.Module, cuts: Cuts, example: Example) -> CutGraph:
    """Graph of a model with smaller parameters and buffers.

    Raises
    ------
    InputError
        If an operation cannot be rewritten for other sizes.
    """
    graph = exported(model, example_batch(model, example), any_batch=True)
    rewriting = _Rewriting(walked(graph), cuts)
    for node in list(graph.module.graph.nodes):
        rewriting.visit(node)
    graph.module.graph._tracer_cls = None  # That of the exporter cannot be stored.
    with warnings.catch_warnings():
        # PyTorch's description of inputs warns about itself when it is copied.
        warnings.simplefilter("ignore", FutureWarning)
        network = copy.deepcopy(fx.GraphModule(graph.module, graph.module.graph))
    shrink(network, cuts, graph.names)
    return CutGraph(network).train(model.training)


def _restored(network: fx.GraphModule, mode: bool) -> CutGraph:
    return CutGraph(network).train(mode)


def _switch(network: fx.GraphModule, switches: Mapping[str, str], mode: bool) -> None:
    for node in network.graph.nodes:
        if node.name in switches:
            put(node, switches[node.name], mode)
    network.recompile()


class _Rewriting:
    """Sizes of operations after some labels have gone."""

    def __init__(self, walk: Walk, cuts: Cuts) -> None:
        self.walk = walk
        gone = [
            walk.labels.roots(walk.ids[name, dim])[~stay.cpu()]
            for name, lines in cuts.items()
            for dim, stay in lines.items()
        ]
        self.gone = torch.cat(gone)

    def visit(self, node: fx.Node) -> None:
        """Rewrite the sizes in one operation, if any change."""
        name = operation(node) if node.op == "call_function" else ""
        if name in _SIZED:
            self._set(node, "shape" if name == "reshape" else "size", 0)
        elif name == "unflatten":
            dim = argument(node, "dim")
            source = self.walk.value(node.args[0]).shape
            self._set(node, "sizes", dim % len(source))
        elif name in ("split", "chunk", "split_with_sizes"):
            self._split(node)
        elif name in ("slice", "select", "narrow"):
            self._shift(node, name)
        elif name.startswith("conv") and argument(node, "groups", 1) > 1:
            self._regroup(node, name)

    def stay(self, value: Value, dim: int) -> Tensor | None:
        """Positions of a tensor that stay along a dimension; None if all do."""
        dim %= len(value.shape)
        for part in value.parts:
            ids = self.walk.labels.compressed(part.ids)
            if ids.shape[dim] > 1:
                stay = ~torch.isin(ids, self.gone).movedim(dim, 0).reshape(ids.shape[dim], -1)[:, 0]
                return None if bool(stay.all()) else stay
        return None

    def _set(self, node: fx.Node, name: str, start: int) -> None:
        """New sizes of the dimensions of a result, from `start` on; -1 for one that depends."""
        sizes = list(argument(node, name))
        for place, size in enumerate(sizes):
            stay = self.stay(self.walk.value(node), start + place)
            if stay is not None and size != -1:
                sizes[place] = int(stay.sum()) if isinstance(size, int) else -1
        if sizes.count(-1) > 1 and operation(node) != "expand":
            raise InputError(f"the sizes of {node.name} cannot be rewritten for fewer channels")
        put(node, name, sizes)

    def _split(self, node: fx.Node) -> None:
        dim = argument(node, "dim", 0)
        parts = self.walk.values[node]
        stays = [self.stay(value, dim) for value in parts]  # pyrefly: ignore[not-iterable]
        if all(stay is None for stay in stays):
            return
        sizes = [
            value.shape[dim] if stay is None else int(stay.sum())
            for value, stay in zip(parts, stays, strict=True)  # pyrefly: ignore
        ]
        node.target = torch.ops.aten.split_with_sizes.default
        node.args, node.kwargs = (node.args[0], sizes, dim), {}

    def _shift(self, node: fx.Node, name: str) -> None:
        """New positions along a dimension that has become shorter."""
        dim = argument(node, "dim", 0)
        stay = self.stay(self.walk.value(node.args[0]), dim)
        if stay is None:
            return
        if argument(node, "step", 1) != 1:
            raise InputError(f"{node.name} takes channels in steps, which cannot be rewritten")
        for given in ("start", "end", "index"):
            place = argument(node, given)
            if isinstance(place, int):
                put(node, given, _new_place(stay, place))
        if name == "narrow":
            start = argument(node, "start") % len(stay)
            put(node, "length", int(stay[start : start + argument(node, "length")].sum()))

    def _regroup(self, node: fx.Node, name: str) -> None:
        value, groups = self.walk.value(node.args[0]), argument(node, "groups")
        stay = self.stay(value, 1)
        if stay is not None and groups == value.shape[1]:
            put(node, "groups", int(stay.sum()))


def put(node: fx.Node, name: str, value: Any) -> None:
    """Set an argument of an ATen operation by its name."""
    if name in node.kwargs:
        node.kwargs = {**node.kwargs, name: value}
        return
    schema = node.target._schema.arguments  # pyrefly: ignore[missing-attribute]
    place = next(n for n, each in enumerate(schema) if each.name == name)
    if place < len(node.args):
        node.args = (*node.args[:place], value, *node.args[place + 1 :])
    else:
        node.kwargs = {**node.kwargs, name: value}


def _new_place(stay: Tensor, place: int) -> int:
    """How many positions before a place stay; counted from the end if it is negative."""
    if place < 0:
        return -int(stay[place:].sum())
    return int(stay[:place].sum()) if place < len(stay) else place


def _mode_of(node: fx.Node) -> str | None:
    """The argument by which an operation knows that it trains, if it follows the mode."""
    if node.op != "call_function" or not operation(node):
        return None
    names = (each.name for each in node.target._schema.arguments)  # pyrefly: ignore
    found = next((name for name in names if name in _MODES), None)
    return found if found and argument(node, found) is False else None
