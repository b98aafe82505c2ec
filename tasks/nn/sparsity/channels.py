"""Groups of channels that can only be pruned together.

The model is traced into a graph of operations.  Every tensor's dimension 1 is a *space* of
channels: a convolution or linear layer makes a new one, a sum makes its operands' spaces one,
normalization, pooling and activations with f(0) = 0 keep it, flattening repeats each channel for
its pixels.  What the analysis does not know fixes the spaces it touches (input, output, grouped
convolutions, padding of channels, a sigmoid, normalization without weights): they are never
pruned.

A group is a space that is not fixed, with the layers that produce it, the normalizations on it and
the layers that consume it.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from tasks.nn.evaluation import evaluating
from tasks.records import InputError

_PASSING = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Identity,
    nn.Dropout, nn.Dropout2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten,
)  # fmt: skip
"""Modules that map channels to channels and 0 to 0."""
_PASSING_FUNCTIONS = frozenset(
    [torch.relu, functional.relu, functional.gelu, functional.silu, torch.tanh, torch.flatten]
)
_PASSING_METHODS = frozenset(["relu", "flatten", "contiguous"])
_SUMS: frozenset[Callable[..., Any]] = frozenset([operator.add, operator.iadd, torch.add])
_LAYERS = (nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are pruned together.

    Attributes
    ----------
    size : int
        Number of channels.
    producers, normalizations, consumers : tuple of str
        Names of modules.  A consumer of more inputs than `size` takes equally many consecutive
        ones per channel.
    """

    size: int
    producers: tuple[str, ...]
    normalizations: tuple[str, ...]
    consumers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the first producer."""
        return self.producers[0]


def channel_groups(model: nn.Module, shape: tuple[int, ...]) -> tuple[ChannelGroup, ...]:
    """Groups of a model for images (C, H, W), in the order of their first producers.

    Raises
    ------
    InputError
        If the model cannot be traced: its forward depends on values.
    """
    analysis = _Analysis(_traced(model, shape))
    analysis.run()
    return analysis.groups()


@dataclass
class _Space:
    size: int
    is_fixed: bool = False
    producers: list[str] = field(default_factory=list)
    normalizations: list[str] = field(default_factory=list)
    consumers: list[str] = field(default_factory=list)

    def modules(self) -> set[str]:
        """Names of all modules that touch the space."""
        return {*self.producers, *self.normalizations, *self.consumers}

    def absorb(self, other: _Space) -> None:
        """Become the union with another space."""
        self.is_fixed |= other.is_fixed or self.size != other.size
        for mine, its in (
            (self.producers, other.producers),
            (self.normalizations, other.normalizations),
            (self.consumers, other.consumers),
        ):
            mine.extend(its)


class _Analysis:
    """One walk over the graph; spaces are merged by replacing the absorbed one everywhere."""

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph
        self.modules = dict(graph.named_modules())
        self.space_of: dict[fx.Node, _Space] = {}

    def run(self) -> None:
        """Give every tensor its space."""
        for node in self.graph.graph.nodes:
            self._visit(node)
        uses = Counter(str(n.target) for n in self.graph.graph.nodes if n.op == "call_module")
        shared = {name for name, count in uses.items() if count > 1}
        for space in self.space_of.values():
            # A layer that is used twice ties spaces in ways that are not followed here.
            space.is_fixed |= not shared.isdisjoint(space.modules())

    def groups(self) -> tuple[ChannelGroup, ...]:
        """Spaces that are not fixed, as groups."""
        spaces = {id(space): space for space in self.space_of.values()}.values()
        free = [s for s in spaces if not s.is_fixed and s.producers and s.size > 1]
        order = {name: number for number, name in enumerate(self.modules)}
        made = [
            ChannelGroup(
                space.size,
                producers=tuple(sorted(space.producers, key=order.__getitem__)),
                normalizations=tuple(sorted(space.normalizations, key=order.__getitem__)),
                consumers=tuple(sorted(space.consumers, key=order.__getitem__)),
            )
            for space in free
        ]
        return tuple(sorted(made, key=lambda group: order[group.name]))

    def _visit(self, node: fx.Node) -> None:
        module = self.modules.get(str(node.target)) if node.op == "call_module" else None
        inputs = node.all_input_nodes
        if isinstance(module, _LAYERS) and _is_plain(module, inputs[0]):
            self.space_of[inputs[0]].consumers.append(str(node.target))
            self.space_of[node] = _Space(_num_channels(node), producers=[str(node.target)])
        elif isinstance(module, _BatchNorm) and module.affine:
            self.space_of[inputs[0]].normalizations.append(str(node.target))
            self.space_of[node] = self.space_of[inputs[0]]
        elif _passes(node, module):
            self.space_of[node] = self.space_of[inputs[0]]
            self.space_of[node].is_fixed |= _shape(node)[1] % self.space_of[node].size != 0
        elif node.target in _SUMS and len(inputs) == 2:
            self.space_of[node] = self._merge(self.space_of[inputs[0]], self.space_of[inputs[1]])
        else:
            self._fix(node, inputs)

    def _fix(self, node: fx.Node, inputs: Iterable[fx.Node]) -> None:
        for tensor in inputs:
            self.space_of[tensor].is_fixed = True
        self.space_of[node] = _Space(_num_channels(node), is_fixed=True)

    def _merge(self, first: _Space, second: _Space) -> _Space:
        if first is second:
            return first
        first.absorb(second)
        for node, space in self.space_of.items():
            if space is second:
                self.space_of[node] = first
        return first


def _traced(model: nn.Module, shape: tuple[int, ...]) -> fx.GraphModule:
    parameter = next(model.parameters())
    # Two images: a batch of one may look like a missing dimension.
    images = torch.zeros(2, *shape, device=parameter.device, dtype=parameter.dtype)
    try:
        graph = fx.symbolic_trace(model)
    except (fx.proxy.TraceError, TypeError) as error:
        raise InputError(f"the model's operations cannot be traced: {error}") from error
    with evaluating(model), torch.no_grad():
        ShapeProp(graph).propagate(images)
    return graph


def _is_plain(module: nn.Module, source: fx.Node) -> bool:
    """Whether the layer maps all channels of dimension 1 to new ones."""
    if isinstance(module, nn.Conv2d):
        return module.groups == 1
    return len(_shape(source)) == 2


def _passes(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether channels stay channels and zeros stay zeros."""
    if len(_shape(node)) < 2 or len(node.all_input_nodes) != 1:
        return False
    if node.op == "call_method":
        return node.target in _PASSING_METHODS
    return isinstance(module, _PASSING) or node.target in _PASSING_FUNCTIONS


def _num_channels(node: fx.Node) -> int:
    shape = _shape(node)
    return shape[1] if len(shape) > 1 else 1


def _shape(node: fx.Node) -> tuple[int, ...]:
    meta = node.meta.get("tensor_meta")
    found = getattr(meta, "shape", ())
    return tuple(found)


def select(tensor: Tensor, kept: Tensor, dim: int) -> Tensor:
    """Slices of `tensor` along `dim` where `kept` is true; each entry stands for equally many."""
    repeats = tensor.shape[dim] // len(kept)
    rows = kept.to(tensor.device).repeat_interleave(repeats).nonzero()[:, 0]
    return tensor.detach().index_select(dim, rows)
