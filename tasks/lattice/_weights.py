"""Integer weights from integers, integral floats and exact rationals."""

import re
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from tasks.lattice._errors import InvalidTriangulation, shortened
from tasks.lattice.points import num_points

# No exponents: "1e999999999" would be a number of a billion digits.
_RATIONAL = re.compile(r"\s*[+-]?\d{1,400}(/0*[1-9]\d{0,400}|\.\d{1,400})?\s*")


def integer_weights(degree: int, weights: Any) -> tuple[int, ...]:
    """The n weights as integers, rational ones multiplied by their common denominator.

    Raises
    ------
    InvalidTriangulation
        If the number of weights is not n, or one is not an exact rational number.

    >>> integer_weights(1, [0, "1/2", 2.0])
    (0, 1, 4)
    """
    if isinstance(weights, str | bytes | dict) or not hasattr(weights, "__iter__"):
        raise InvalidTriangulation(f"weights must be a list of integers, not {shortened(weights)}")
    values = [_rational(index, value) for index, value in enumerate(weights)]
    if len(values) != num_points(degree):
        raise InvalidTriangulation(
            f"{len(values)} weights were given, but degree {degree} has {num_points(degree)} "
            "lattice points: give one weight per point"
        )
    scale = lcm(*(value.denominator for value in values))
    return tuple(int(value * scale) for value in values)


def _rational(index: int, value: Any) -> Fraction:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return Fraction(int(value))
    if isinstance(value, Fraction):
        return value
    if isinstance(value, str) and _RATIONAL.fullmatch(value):
        return Fraction(value)
    raise InvalidTriangulation(
        f"weight {index} is {shortened(value)}: weights are integers "
        'or exact fractions in quotes such as "3/2"'
    )
