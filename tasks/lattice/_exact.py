"""Exact linear algebra over the rationals, for small sparse systems."""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm


def positive_kernel_vector(rows: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """The primitive integer y > 0 with y R = 0 for the matrix R with the given rows.

    None unless the left kernel of R is spanned by one such vector. Fraction elimination,
    O(m² n) operations for m rows of length n.

    >>> positive_kernel_vector([[1, -1], [-2, 2]])
    (2, 1)
    """
    pivots: list[tuple[int, dict[int, Fraction], dict[int, Fraction]]] = []
    kernel: list[dict[int, Fraction]] = []
    for index, row in enumerate(rows):
        rest = {column: Fraction(value) for column, value in enumerate(row) if value}
        combination = {index: Fraction(1)}
        for column, pivot_row, pivot_combination in pivots:
            if factor := rest.get(column):
                _subtract(rest, factor, pivot_row)
                _subtract(combination, factor, pivot_combination)
        if not rest:
            kernel.append(combination)
            continue
        column = min(rest)
        scale = rest[column]
        pivots.append(
            (
                column,
                {k: value / scale for k, value in rest.items()},
                {k: value / scale for k, value in combination.items()},
            )
        )
    return _primitive_positive(kernel[0], len(rows)) if len(kernel) == 1 else None


def _subtract(target: dict[int, Fraction], factor: Fraction, source: dict[int, Fraction]) -> None:
    """target -= factor source, dropping zeros."""
    for key, value in source.items():
        difference = target.get(key, Fraction(0)) - factor * value
        if difference:
            target[key] = difference
        else:
            target.pop(key, None)


def _primitive_positive(vector: dict[int, Fraction], size: int) -> tuple[int, ...] | None:
    """The multiple with coprime positive integer entries, or None if the signs forbid one."""
    values = [vector.get(index, Fraction(0)) for index in range(size)]
    if not (all(value > 0 for value in values) or all(value < 0 for value in values)):
        return None
    scale = lcm(*(value.denominator for value in values))
    integers = [abs(int(value * scale)) for value in values]
    divisor = gcd(*integers)
    return tuple(value // divisor for value in integers)
