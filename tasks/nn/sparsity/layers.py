"""What layers with weights do to labels: products, convolutions, normalizations, attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn.functional import prelu

from tasks.nn.sparsity.graphs import argument, operation, sizes_of
from tasks.nn.sparsity.labels import Part, Value
from tasks.nn.sparsity.subscripts import dotted
from tasks.nn.sparsity.walk import PRODUCER, Values, Walk

_X, _SHIFT, _SCALE, _BIAS = 1.5, 0.75, 2.0, 7.0
"""Numbers at which normalizations are tried for silence."""


def loud(value: Value) -> Value:
    """The same parts, which are not 0 where they go."""
    parts = (replace(part, is_silent=False, source=None) for part in value.parts)
    return replace(value, parts=tuple(parts))


def plus(walk: Walk, value: Value, bias: Any) -> Value:
    """A sum with a node that may be missing."""
    if not isinstance(bias, fx.Node):
        return value
    return walk.entrywise([value, walk.value(bias)], value.shape, _sum_of, "a sum")


def linear(walk: Walk, node: fx.Node) -> Value:
    """x W^T + b."""
    x, weight = (walk.value(tensor) for tensor in node.args[:2])
    equation = dotted("...i,oi->...o", [len(x.shape), 2])
    made = walk.contraction([x, weight], equation, sizes_of(node), "a linear layer")
    return plus(walk, made, argument(node, "bias"))


def matmul(walk: Walk, node: fx.Node) -> Value:
    """Products of matrices and vectors."""
    first, second = (walk.value(tensor) for tensor in node.args[:2])
    return _product(walk, first, second, sizes_of(node))


def addmm(walk: Walk, node: fx.Node) -> Value:
    """A sum and a product of matrices."""
    first, second = (walk.value(tensor) for tensor in node.args[1:3])
    return plus(walk, _product(walk, first, second, sizes_of(node)), node.args[0])


def einsum(walk: Walk, node: fx.Node) -> Value | None:
    """Sums of products; not followed if an operand repeats a letter."""
    equation, operands = str(node.args[0]).replace(" ", ""), node.args[1]
    named = [s.replace(".", "") for s in equation.split("->")[0].split(",")]
    if "->" not in equation or any(len(set(s)) < len(s) for s in named):
        return None
    values = [walk.value(tensor) for tensor in operands]  # pyrefly: ignore
    full = dotted(equation, [len(value.shape) for value in values])
    return walk.contraction(values, full, sizes_of(node), "einsum")


def attention(walk: Walk, node: fx.Node) -> Value | None:
    """softmax(q k^T / sqrt(d) + mask) v; the width d of a head is in the formula and fixed."""
    if argument(node, "enable_gqa"):
        return None
    query, key, value = (walk.value(tensor) for tensor in node.args[:3])
    reason = "the width of a head"
    query, key = (
        walk.labels.tidy(walk.along(v, [-1], v.shape, reason), reason) for v in (query, key)
    )
    batch = torch.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    shape = (*batch, query.shape[-2], key.shape[-2])
    equation = dotted("...qd,...kd->...qk", [len(query.shape), len(key.shape)])
    scores = walk.contraction([query, key], equation, shape, "attention")
    scores = plus(walk, scores, argument(node, "attn_mask"))
    weights = loud(walk.along(scores, [-1], shape, "attention over channels"))
    return _product(walk, weights, value, sizes_of(node))


def embedding(walk: Walk, node: fx.Node) -> Value:
    """Rows of a table: its columns are the channels."""
    weight = walk.value(node.args[0])
    walk.fix([weight.at(0)], "the tokens of an embedding")
    shape, columns = sizes_of(node), weight.at(1)
    if columns is None:
        return Value(shape)
    is_silent = walk.mask(columns, PRODUCER)
    line = (*(1,) * (len(shape) - 1), -1)
    return Value(shape, (Part(columns.ids.reshape(line), is_silent),))


def convolution(walk: Walk, node: fx.Node) -> Value | None:
    """x (N, I, ...) with a weight (O, I / groups, ...), or (I, O / groups, ...) if transposed."""
    x, weight = (walk.value(tensor) for tensor in node.args[:2])
    if len(x.shape) != len(weight.shape):
        return None
    name, groups = operation(node), argument(node, "groups", 1)
    x = _by_channel(walk, x, name)
    walk.fix([p for p in weight.parts if max(p.dims) > 1], "the size of a kernel")
    parts = [replace(p, ids=p.ids.flatten(1)) for p in weight.parts if max(p.dims) < 2]
    matrix = Value(weight.shape[:2], tuple(parts))
    x = replace(x, shape=x.shape[:2]).mapped(lambda ids: ids.flatten(1), x.shape[:2])
    width = sizes_of(node)[1]
    if "transpose" in name:
        made = _transposed(walk, x, matrix, groups, width)
    else:
        made = _forward(walk, x, matrix, groups, width)
    ones = (1,) * (len(weight.shape) - 2)
    maps = made.mapped(lambda ids: ids.reshape(*ids.shape, *ones), sizes_of(node))
    bias = walk.value(argument(node, "bias"))
    if not bias.shape:
        return maps
    bias = bias.mapped(lambda ids: ids.reshape(1, -1, *ones), (1, width, *ones))
    return walk.entrywise([maps, bias], maps.shape, _sum_of, "a sum")


def batch_norm(walk: Walk, node: fx.Node) -> Value:
    """(x - m) / s * a + b by channels, for batch and instance normalization."""
    x, *others = node.args[:5]
    value = _by_channel(walk, walk.value(x), operation(node))
    ones = (1,) * (len(value.shape) - 2)
    given = [walk.value(n) if isinstance(n, fx.Node) else None for n in others]
    vectors = [
        v and v.mapped(lambda ids: ids.reshape(1, -1, *ones), (1, *v.shape, *ones)) for v in given
    ]
    present = [v for v in vectors if v is not None]
    # The mean is not that of silent channels where it has been measured on others.
    shift = _SHIFT if given[0] is not None or given[2] is not None else 0.0

    def normalized(zero: Sequence[bool]) -> Tensor:
        flags = iter(zero[1:])
        scale, bias = (v is not None and next(flags) for v in vectors[:2])
        x = (0.0 if zero[0] else _X) - shift
        added = 0.0 if bias or vectors[1] is None else _BIAS
        return torch.tensor([x * (0.0 if scale else _SCALE) + added])

    return walk.entrywise([value, *present], value.shape, normalized, operation(node))


def layer_norm(walk: Walk, node: fx.Node) -> Value:
    """Normalization over the last dimensions, which are fixed."""
    value, sizes = walk.value(node.args[0]), node.args[1]
    dims = range(-len(sizes), 0)  # pyrefly: ignore[bad-argument-type]
    made = walk.along(value, dims, value.shape, f"{operation(node)} over channels")
    for name in ("weight", "bias"):
        walk.fix(walk.value(argument(node, name)).parts, operation(node))
    return loud(made) if argument(node, "bias") is not None else made


def parametric_relu(walk: Walk, node: fx.Node) -> Value:
    """max(x, 0) + a min(x, 0) with a per channel."""
    x, slope = (walk.value(tensor) for tensor in node.args[:2])
    ones = (1,) * max(len(x.shape) - 2, 0)
    slope = slope.mapped(lambda ids: ids.reshape(1, -1, *ones), (1, *slope.shape, *ones))

    def function(zero: Sequence[bool]) -> Tensor:
        values = [
            torch.tensor([0.0 if is_zero else number])
            for is_zero, number in zip(zero, (-_X, _SCALE), strict=True)
        ]
        return prelu(*values)

    return walk.entrywise([x, slope], x.shape, function, "prelu")


def _product(walk: Walk, first: Value, second: Value, shape: tuple[int, ...]) -> Value:
    """Matrix product with the conventions of `torch.matmul`."""
    left = "i" if len(first.shape) == 1 else "...ni"
    right = "i" if len(second.shape) == 1 else "...im"
    rows, columns = (len(value.shape) > 1 for value in (first, second))
    result = "..." + "n" * rows + "m" * columns
    equation = dotted(f"{left},{right}->{result}", [len(first.shape), len(second.shape)])
    return walk.contraction([first, second], equation, shape, "a matrix product")


def _by_channel(walk: Walk, value: Value, reason: str) -> Value:
    """Parts that vary along dimension 1 alone."""
    others = [dim for dim in range(len(value.shape)) if dim != 1]
    return walk.labels.tidy(walk.along(value, others, value.shape, reason), reason)


def _forward(walk: Walk, x: Value, weight: Value, groups: int, width: int) -> Value:
    shape = (x.shape[0], width)
    if groups == 1:
        return walk.contraction([x, weight], "bi,oi->bo", shape, "a convolution")
    size = x.shape[1] // groups
    if size == 1:
        copies = x.mapped(lambda i: i.repeat_interleave(width // groups, 1), shape)
        rows = weight.mapped(lambda i: i[:, 0], weight.shape[:1])
        return walk.contraction([copies, rows], "bo,o->bo", shape, "a convolution")
    one = _tied(walk, x, groups)
    made = walk.contraction([one, weight], "bi,oi->bo", shape, "a grouped convolution")
    return _tied(walk, made, groups).mapped(lambda ids: ids.repeat(1, groups), shape)


def _transposed(walk: Walk, x: Value, weight: Value, groups: int, width: int) -> Value:
    shape = (x.shape[0], width)
    if groups == 1:
        return walk.contraction([x, weight], "bi,io->bo", shape, "a convolution")
    if width == groups == x.shape[1]:
        rows = weight.mapped(lambda i: i[:, 0], weight.shape[:1])
        return walk.contraction([x, rows], "bo,o->bo", shape, "a convolution")
    _tied(walk, x, groups)
    if width == groups or x.shape[1] == groups:
        walk.fix([*x.parts, *weight.parts], "a transposed grouped convolution")
        return Value(shape)
    made = walk.contraction(
        [x, weight], "bi,io->bo", (x.shape[0], width // groups), "a convolution"
    )
    return made.mapped(lambda ids: ids.repeat(1, groups), shape)


def _tied(walk: Walk, value: Value, groups: int) -> Value:
    """The channels of one group, after those of all groups have been made equal."""
    size = value.shape[1] // groups

    def first(ids: Tensor) -> Tensor:
        return walk.labels.unite_along(ids.reshape(1, groups, size), [1])[:, 0]

    tied = value.mapped(first, (value.shape[0], size))
    return walk.labels.tidy(tied, "one channel per group of a convolution")


def _sum_of(zero: Sequence[bool]) -> Tensor:
    return torch.tensor([0.0 if all(zero) else 1.0])


LAYERS: dict[str, Callable[[Walk, fx.Node], Values | None]] = {
    **dict.fromkeys(("linear",), linear),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), matmul),
    **dict.fromkeys(("addmm", "baddbmm"), addmm),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), convolution),
    **dict.fromkeys(("batch_norm", "instance_norm"), batch_norm),
    **dict.fromkeys(("layer_norm", "rms_norm"), layer_norm),
    "einsum": einsum,
    "scaled_dot_product_attention": attention,
    "embedding": embedding,
    "prelu": parametric_relu,
}
"""Rules by operation; None means that this use is not followed."""
