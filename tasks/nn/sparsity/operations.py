"""What each ATen operation does to labels; what is not listed fixes all that it touches."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from tasks.nn.sparsity.graphs import Graph, all_sizes, argument, has_several, operation, sizes_of
from tasks.nn.sparsity.labels import Value
from tasks.nn.sparsity.layers import LAYERS, loud
from tasks.nn.sparsity.walk import Values, Walk, samples

Rule = Callable[[Walk, fx.Node], Values | None]
_MOVES = frozenset([
    "view", "_unsafe_view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes",
    "movedim", "t", "squeeze", "unsqueeze", "expand", "expand_as", "view_as", "reshape_as",
    "slice", "select", "narrow", "chunk", "split", "split_with_sizes", "unbind", "flip", "roll",
    "repeat", "repeat_interleave", "tile", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
    "diagonal", "numpy_T", "mT",
])  # fmt: skip
"""Views and copies that move entries."""
_ALIASES = frozenset([
    "dropout", "dropout_", "feature_dropout", "feature_dropout_", "contiguous", "detach",
    "detach_", "alias", "to", "clone", "_to_copy", "lift_fresh_copy", "lift_fresh", "type_as",
    "float", "double", "half",
])  # fmt: skip
"""Operations that keep entries, or some of them."""
_ENTRYWISE = frozenset([
    "relu6", "hardswish", "log_sigmoid", "rsub", "floor_divide", "true_divide", "multiply",
    "subtract", "divide", "masked_fill", "threshold", "logical_and", "logical_or", "softsign",
    "__and__", "__or__",
])  # fmt: skip
"""Entrywise operations that are not tagged as such."""
_SUMS = frozenset([
    "mean", "sum", "amax", "amin", "max", "min", "var", "std", "norm", "linalg_vector_norm",
    "logsumexp", "argmax",
])  # fmt: skip
_SCANS = frozenset([
    "softmax", "log_softmax", "_softmax", "_log_softmax", "cumsum", "sort",
])  # fmt: skip
_ZERO_TO_OTHERS = frozenset([
    "softmax", "log_softmax", "_softmax", "_log_softmax", "logsumexp", "argmax",
])  # fmt: skip
"""Those of the last two that do not map 0 to 0."""
_POOLS = ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool", "upsample_", "lp_pool")
_LIKES = frozenset(["ones_like", "zeros_like", "full_like", "rand_like", "randn_like"])
_AS_OTHERS = frozenset(["expand_as", "view_as", "reshape_as", "type_as"])
_JOINS = frozenset(["cat", "concat", "concatenate", "stack"])
_PADS = frozenset(["pad", "constant_pad_nd"])


def walked(graph: Graph) -> Walk:
    """Labels of all tensors of a graph."""
    walk = Walk(graph)
    for node in graph.module.graph.nodes:
        if node.op == "get_attr":
            walk.values[node] = walk.leaf(node)
        elif node.op == "call_function":
            walk.values[node] = _applied(walk, node)
        elif node.op == "output":
            walk.unknown(node.all_input_nodes, "outputs of the model")
        else:
            walk.values[node] = Value(sizes_of(node))
    _make_rectangular(walk)
    return walk


def _make_rectangular(walk: Walk) -> None:
    """Make what varies along several dimensions vary along the last of them only."""
    many = [
        part.ids
        for found in walk.values.values()
        for value in ((found,) if isinstance(found, Value) else found)
        for part in value.parts
        if len(part.dims) > 1
    ]
    is_done = False
    while not is_done:
        is_done = True
        for ids in many:
            left = walk.labels.compressed(ids)
            dims = [dim for dim, size in enumerate(left.shape) if size > 1]
            if len(dims) > 1:
                walk.labels.unite_along(left, dims[:-1])
                is_done = False


def _applied(walk: Walk, node: fx.Node) -> Values:
    if node.target is operator.getitem:
        found = walk.values[node.args[0]]  # pyrefly: ignore[bad-index]
        return found[node.args[1]] if isinstance(found, tuple) else Value(sizes_of(node))  # pyrefly: ignore
    name = operation(node)
    rule = LAYERS.get(name) or _family(node, name)
    made = rule(walk, node) if rule is not None else None
    if made is None:
        return _unknown(walk, node)
    if _changes_what_others_see(node, name):
        walk.unknown(node.all_input_nodes, f"{name} on a view")
        return Value(sizes_of(node))
    return made


def _family(node: fx.Node, name: str) -> Rule | None:
    if name in _MOVES:
        return _moved
    if name in _LIKES:
        return _like
    if name in _JOINS:
        return _cat
    if name in _PADS:
        return _pad
    if name == "glu":
        return _gated
    if name in _ALIASES:
        return _alias
    if name in _SUMS:
        return _sum
    if name in _SCANS:
        return _scan
    if name.startswith(_POOLS):
        return _pool
    if name in _ENTRYWISE or _is_tagged(node, name):
        return _entrywise
    return None


def _is_tagged(node: fx.Node, name: str) -> bool:
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    overloads = [node.target, *(getattr(packet, o) for o in (packet.overloads() if packet else ()))]
    return name not in ("copy_", "fill_") and any(
        torch.Tag.pointwise in getattr(overload, "tags", ()) for overload in overloads
    )


def _changes_what_others_see(node: fx.Node, name: str) -> bool:
    """Whether an operation in place changes a tensor that is also seen through a view."""
    if not name.endswith("_") or name.startswith("_") or not isinstance(node.args[0], fx.Node):
        return False
    source = node.args[0]
    if any(user is not node and _is_view(user) for user in source.users):
        return True
    while _is_view(source) and isinstance(source.args[0], fx.Node):
        source = source.args[0]
        if len(source.users) > 1:
            return True
    return False


def _is_view(node: fx.Node) -> bool:
    return node.target is operator.getitem or operation(node) in _MOVES | _ALIASES


def _unknown(walk: Walk, node: fx.Node) -> Values:
    name = operation(node) or str(getattr(node.target, "__name__", node.target))
    walk.unknown(node.all_input_nodes, f"{name}, which is not followed")
    results = tuple(Value(sizes) for sizes in all_sizes(node))
    return results if has_several(node) else results[0]


def _tensors(node: fx.Node) -> list[fx.Node]:
    return [n for n in node.all_input_nodes if isinstance(n.meta.get("val"), Tensor)]


def _entrywise(walk: Walk, node: fx.Node) -> Value:
    tensors = _tensors(node)
    values = [walk.value(tensor) for tensor in tensors]
    return walk.entrywise(values, sizes_of(node), samples(node, tensors), operation(node))


def _moved(walk: Walk, node: fx.Node) -> Values | None:
    # Where entries go may depend on another tensor, but for its shape.
    if len(_tensors(node)) > 1 and operation(node) not in _AS_OTHERS:
        return None
    return walk.moved(node)


def _like(walk: Walk, node: fx.Node) -> Value:
    return loud(walk.value(node.args[0]))


def _alias(walk: Walk, node: fx.Node) -> Value:
    return walk.value(node.args[0])


def _sum(walk: Walk, node: fx.Node) -> Values:
    """Sums, means, extrema and norms over dimensions."""
    name, value = operation(node), walk.value(node.args[0])
    if len(_tensors(node)) > 1:
        return _entrywise(walk, node)
    dims = argument(node, "dim")
    dims = range(len(value.shape)) if dims is None or dims == [] else dims
    dims = [d % len(value.shape) for d in ([dims] if isinstance(dims, int) else dims)]
    made = walk.along(value, dims, (), f"{name} over channels")
    kept = bool(argument(node, "keepdim"))
    found = made.mapped(lambda ids: ids if kept else _dropped(ids, dims), ())
    if name in _ZERO_TO_OTHERS:
        found = loud(found)
    return _shaped(found, node)


def _scan(walk: Walk, node: fx.Node) -> Values:
    name, value = operation(node), walk.value(node.args[0])
    made = walk.along(value, [argument(node, "dim", -1)], value.shape, f"{name} over channels")
    made = loud(made) if name in _ZERO_TO_OTHERS else made
    return (made, made) if name == "sort" else made


def _pool(walk: Walk, node: fx.Node) -> Values:
    value, name = walk.value(node.args[0]), operation(node)
    spatial = range(2, len(value.shape)) if "upsample" in name else range(-int(_digit(name)), 0)
    made = walk.along(value, spatial, (), name)
    return _shaped(made, node)


def _pad(walk: Walk, node: fx.Node) -> Value:
    value: Value = walk.value(node.args[0])
    sizes: Any = node.args[1]
    padded = [
        len(value.shape) - 1 - k // 2
        for k in range(0, len(sizes), 2)
        if sizes[k] != 0 or sizes[k + 1] != 0
    ]
    made = walk.along(value, padded, sizes_of(node), "padding of channels")
    fill = argument(node, "value")
    return loud(made) if fill else made


def _cat(walk: Walk, node: fx.Node) -> Value:
    values = [walk.value(tensor) for tensor in node.args[0]]  # pyrefly: ignore
    dim: Any = argument(node, "dim", 0)
    if operation(node) == "stack":
        dim %= len(sizes_of(node))
        values = [v.mapped(lambda i: i.unsqueeze(dim), _inserted(v.shape, dim)) for v in values]
    return walk.joined(values, dim, sizes_of(node))


def _gated(walk: Walk, node: fx.Node) -> Value:
    """The first half times the sigmoid of the second."""
    value, dim = walk.value(node.args[0]), argument(node, "dim")
    size = value.shape[dim] // 2
    shape = sizes_of(node)
    halves = [
        value.mapped(lambda ids, s=start: _half(ids, dim, s, size), shape) for start in (0, size)
    ]
    halves = [walk.labels.tidy(half, "glu") for half in halves]
    return walk.entrywise(halves, shape, lambda zero: torch.tensor([float(not zero[0])]), "glu")


def _half(ids: Tensor, dim: int, start: int, size: int) -> Tensor:
    return ids.narrow(dim, start, size) if ids.shape[dim] > 1 else ids


def _shaped(value: Value, node: fx.Node) -> Values:
    several = tuple(replace(value, shape=sizes) for sizes in all_sizes(node))
    return several if has_several(node) else several[0]


def _dropped(ids: Tensor, dims: list[int]) -> Tensor:
    """Without dimensions, along which nothing varies any more."""
    return ids.reshape([size for dim, size in enumerate(ids.shape) if dim not in dims])


def _inserted(shape: tuple[int, ...], dim: int) -> tuple[int, ...]:
    return (*shape[:dim], 1, *shape[dim:])


def _digit(name: str) -> str:
    return next(letter for letter in name if letter.isdigit())
