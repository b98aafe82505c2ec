"""Subscripts of sums of products, as einsum has them."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

from torch import Tensor

from tasks.nn.sparsity.labels import Value


def dotted(equation: str, ndims: Sequence[int]) -> str:
    """An equation with letters for its dots, which stand for equally many dimensions or fewer."""
    inputs, output = equation.replace(" ", "").split("->")
    free = [letter for letter in ascii_letters if letter not in equation]
    counts = [n - len(s.replace("...", "")) for n, s in zip(ndims, inputs.split(","), strict=True)]
    most = max((c for c, s in zip(counts, inputs.split(","), strict=True) if "..." in s), default=0)
    named = [
        s.replace("...", "".join(free[most - count : most]))
        for s, count in zip(inputs.split(","), counts, strict=True)
    ]
    return f"{','.join(named)}->{output.replace('...', ''.join(free[:most]))}"


def spread(value: Value, subscripts: str, letters: str) -> Value:
    """An operand with one dimension per letter, of size 1 for those that it lacks."""

    def lay_out(ids: Tensor) -> Tensor:
        order = sorted(range(len(subscripts)), key=lambda dim: letters.index(subscripts[dim]))
        present = iter(ids.permute(order).shape)
        line = [next(present) if letter in subscripts else 1 for letter in letters]
        return ids.permute(order).reshape(line)

    sizes = dict(zip(subscripts, value.shape, strict=True))
    return value.mapped(lay_out, tuple(sizes.get(letter, 1) for letter in letters))
