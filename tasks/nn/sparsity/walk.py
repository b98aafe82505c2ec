"""One walk over a graph that gives every tensor its parts, and what operations do to parts.

Entrywise operations and contractions (sums of products) are enough for most layers.  What leaves
the masked model must be 0 where the smaller model has nothing, or the weights that meet it must be
masked too; so each part says whether it is silent, and `masked` collects which dimensions of
parameters a mask has to cover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from tasks.nn.sparsity.graphs import Graph, all_sizes, has_several, number_of, operation, sizes_of
from tasks.nn.sparsity.labels import Labels, Met, Part, Source, Value
from tasks.nn.sparsity.subscripts import spread

PRODUCER, CONSUMER, COMPANION = "producer", "consumer", "companion"
_SAMPLE = (0.75, -1.25, 3.5, -0.25)
Values = Value | tuple[Value, ...]


class Walk:
    """Parts of all tensors of a graph, and the roles of parameters.

    Attributes
    ----------
    labels : Labels
    values : dict
        Parts by node; several for operations with several results.
    ids : dict
        Labels of every dimension of parameters and buffers.
    roles : dict
        By (name, dimension): producer (rows of a weight), consumer (columns), companion (scales,
        biases, statistics).
    masked : dict
        Keys are (name, dimension): there a mask of the parameter covers what goes.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.labels = Labels()
        self.values: dict[fx.Node, Values] = {}
        self.ids: dict[Source, Tensor] = {}
        self.roles: dict[Source, set[str]] = {}
        self.masked: dict[Source, None] = {}
        self.parameters = {name for name, _ in graph.module.named_parameters()}
        self.parameters = {graph.names.get(name, name) for name in self.parameters}

    def value(self, node: Any) -> Value:
        """Parts of a node's tensor; nothing for what is not a tensor."""
        found = self.values.get(node, Value(())) if isinstance(node, fx.Node) else Value(())
        return found if isinstance(found, Value) else Value(())

    def leaf(self, node: fx.Node) -> Value:
        """Labels of a parameter or buffer: of its own for every dimension that can shrink."""
        shape, name = sizes_of(node), self.graph.names.get(str(node.target))
        if name is None:
            return Value(shape)
        parts = []
        for dim, size in enumerate(shape):
            if size > 1:
                source = (name, dim)
                if source not in self.ids:
                    self.ids[source] = self.labels.new(size, source)
                line = [size if d == dim else 1 for d in range(len(shape))]
                parts.append(Part(self.ids[source].reshape(line), source=source))
        return Value(shape, tuple(parts))

    def unknown(self, nodes: Iterable[fx.Node], reason: str) -> None:
        """Fix all that some nodes have."""
        for node in nodes:
            found = self.values.get(node, ())
            for value in (found,) if isinstance(found, Value) else found:
                self.fix(value.parts, reason)

    def fix(self, parts: Iterable[Part | None], reason: str) -> None:
        """Never remove what these parts label."""
        for part in parts:
            if part is not None:
                self.labels.fix(part.ids, reason)

    def mask(self, part: Part, role: str) -> bool:
        """Let a mask silence a part of a parameter; False if that cannot be."""
        if part.source is None:
            return False
        self.roles.setdefault(part.source, set()).add(role)
        if part.source[0] in self.parameters:
            self.masked[part.source] = None
        return part.source[0] in self.parameters

    def entrywise(
        self,
        operands: Sequence[Value],
        shape: tuple[int, ...],
        function: Callable[[Sequence[bool]], Tensor],
        reason: str,
    ) -> Value:
        """Parts of f(a, b, ...), entry by entry.

        `function` computes samples of f with the chosen operands zero: that tells silence.
        """
        lifted = [value.lifted(len(shape)) for value in operands]
        parts = []
        for met in self.labels.meet(lifted, reason):
            for member in met.members:
                if member is not None and member.source is not None:
                    self.roles.setdefault(member.source, set()).add(COMPANION)
            is_silent = self._is_silent(met, function)
            if is_silent is None:
                self.labels.fix(met.ids, f"{reason} (not finite at 0)")
            else:
                parts.append(Part(met.ids, is_silent))
        return Value(shape, tuple(parts))

    def _is_silent(self, met: Met, function: Callable[[Sequence[bool]], Tensor]) -> bool | None:
        zero = [member is not None and member.is_silent for member in met.members]
        found = function(zero)
        if not bool(found.any()):
            return True
        own = [m is not None and self._is_maskable(m) for m in met.members]
        if any(own) and not bool(function([a or b for a, b in zip(zero, own, strict=True)]).any()):
            for member, is_own in zip(met.members, own, strict=True):
                if member is not None and is_own:
                    self.mask(member, COMPANION)
            return True
        return False if bool(found.isfinite().all()) else None

    def _is_maskable(self, part: Part) -> bool:
        return part.source is not None and part.source[0] in self.parameters

    def contraction(
        self, operands: Sequence[Value], equation: str, shape: tuple[int, ...], reason: str
    ) -> Value:
        """Parts of a sum of products, in the notation of einsum without dots."""
        inputs, output = equation.split("->")
        letters = "".join(dict.fromkeys(inputs.replace(",", "") + output))
        wide = [
            spread(value, subscripts, letters)
            for value, subscripts in zip(operands, inputs.split(","), strict=True)
        ]
        summed = [dim for dim, letter in enumerate(letters) if letter not in output]
        parts = []
        for met in self.labels.meet(wide, reason):
            part = self._contracted(met, summed, reason)
            if part is not None:
                order = [letters.index(letter) for letter in output]
                flat = part.ids.permute(*order, *summed).reshape(
                    [part.ids.shape[dim] for dim in order]
                )
                parts.append(replace(part, ids=flat))
        return Value(shape, tuple(parts))

    def _contracted(self, met: Met, summed: Sequence[int], reason: str) -> Part | None:
        """What a common part becomes under a sum: nothing if all of it is summed."""
        dims = {dim for dim, size in enumerate(met.ids.shape) if size > 1}
        members = [member for member in met.members if member is not None]
        is_summed = dims <= set(summed)
        ids = met.ids
        if not is_summed and dims & set(summed):
            ids = self.labels.unite_along(ids, dims & set(summed))
        role = CONSUMER if is_summed else PRODUCER
        for member in members:
            if member.source is not None:
                self.roles.setdefault(member.source, set()).add(role)
        is_silent = any(m.is_silent for m in members)
        if not (is_summed and is_silent):
            # Filters are masked in any case, inputs of filters where they have to be.
            for member in members:
                is_silent |= self.mask(member, role)
        if is_summed and not is_silent:
            self.labels.fix(ids, reason)
        return None if is_summed else Part(ids, is_silent)

    def along(
        self, value: Value, dims: Iterable[int], shape: tuple[int, ...], reason: str
    ) -> Value:
        """Parts that survive an operation which mixes entries along dimensions: those of others."""
        mixed = {dim % len(value.shape) for dim in dims}
        parts = []
        for part in value.parts:
            inner = set(part.dims) & mixed
            if inner == set(part.dims):
                self.labels.fix(part.ids, reason)
            elif inner:
                parts.append(replace(part, ids=self.labels.unite_along(part.ids, inner)))
            else:
                parts.append(part)
        return Value(shape, tuple(parts))

    def moved(self, node: fx.Node) -> Values:
        """Parts of a view or copy: the same is done to the labels."""
        value = self.value(node.args[0])
        arguments = fx.node.map_arg(node.args[1:], _concrete)
        options = fx.node.map_arg(node.kwargs, _concrete)
        reason = f"{operation(node)} of single channels"

        def results(part: Part) -> list[Part]:
            whole = part.ids.expand(value.shape).contiguous()
            found = node.target(whole, *arguments, **options)  # pyrefly: ignore[not-callable]
            several = [found] if isinstance(found, Tensor) else list(found)
            return [replace(part, ids=ids) for ids in several]

        shapes = all_sizes(node)
        columns = zip(*[results(part) for part in value.parts], strict=True)
        made = list(columns) or [()] * len(shapes)
        tidy = [
            self.labels.tidy(Value(shape, tuple(parts)), reason)
            for shape, parts in zip(shapes, made, strict=True)
        ]
        return tuple(tidy) if has_several(node) else tidy[0]

    def joined(self, values: Sequence[Value], dim: int, shape: tuple[int, ...]) -> Value:
        """Parts of a concatenation."""
        dim %= len(shape)
        crossing = [[p for p in value.parts if dim in p.dims] for value in values]
        beside = [
            Value(_with_size(v.shape, dim, 1), tuple(p for p in v.parts if dim not in p.dims))
            for v in values
        ]
        parts = [
            Part(met.ids, all(m is None or self._quiet(m) for m in met.members))
            for met in self.labels.meet(beside, "a concatenation")
        ]
        for number in range(max(map(len, crossing), default=0)):
            found = [c[number] if number < len(c) else None for c in crossing]
            parts.append(self._chained(found, values, dim))
        return self.labels.tidy(Value(shape, tuple(parts)), "a concatenation")

    def _chained(self, parts: Sequence[Part | None], values: Sequence[Value], dim: int) -> Part:
        zero = torch.zeros((1,) * len(values[0].shape), dtype=torch.int64)
        ids = [zero if part is None else part.ids for part in parts]
        others = torch.broadcast_shapes(*(_with_size(tuple(i.shape), dim, 1) for i in ids))
        wide = [
            i.expand(_with_size(others, dim, v.shape[dim]))
            for i, v in zip(ids, values, strict=True)
        ]
        quiet = [self._quiet(part) for part in parts if part is not None]
        return Part(torch.cat(wide, dim), all(quiet))

    def _quiet(self, part: Part) -> bool:
        return part.is_silent or self.mask(part, COMPANION)


def samples(node: fx.Node, tensors: Sequence[fx.Node]) -> Callable[[Sequence[bool]], Tensor]:
    """A function that computes an entrywise operation with the chosen operands zero."""

    def computed(zero: Sequence[bool]) -> Tensor:
        given = {
            tensor: _sample(tensor, is_zero) for tensor, is_zero in zip(tensors, zero, strict=True)
        }
        fill: Callable[[fx.Node], Any] = lambda n: given[n] if n in given else _concrete(n)  # noqa: E731
        arguments, options = fx.node.map_arg(node.args, fill), fx.node.map_arg(node.kwargs, fill)
        return node.target(*arguments, **options)  # pyrefly: ignore[not-callable]

    return computed


def _sample(node: fx.Node, is_zero: bool) -> Tensor:
    value = node.meta["val"]
    sample = torch.tensor(_SAMPLE) * (0 if is_zero else 1)
    if value.dtype == torch.bool:
        return sample > 0
    return (
        sample.to(value.dtype) if value.dtype.is_floating_point else sample.ceil().to(value.dtype)
    )


def _concrete(node: fx.Node) -> Any:
    value = node.meta.get("val")
    return torch.empty(sizes_of(node)) if isinstance(value, Tensor) else number_of(value)


def _with_size(shape: tuple[int, ...], dim: int, size: int) -> tuple[int, ...]:
    return (*shape[:dim], size, *shape[dim + 1 :])
