"""Rational numbers from what people write: integers, fractions, decimals, floats."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq, fmpz

from tasks.records import InputError
from tasks.records.errors import shortened

Rational = int | float | Fraction | fmpq | str
"""What `rational` takes."""

MAX_DIGITS = 100_000
"""Longer numbers, also after a decimal exponent is written out, are refused."""

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]*))?|\.(?P<only>[0-9]+))"
    r"(?:[eE](?P<shift>[+-]?[0-9]+))?(?:/(?P<below>[0-9]+))?"
)


def rational(value: Any) -> fmpq:
    """The number as a fraction, exactly.

    Parameters
    ----------
    value
        An integer, `Fraction`, `fmpq`, finite float (taken as the binary fraction it is), or a
        text such as ``3/2``, ``-1.5``, ``1e-3`` (taken as written).

    Raises
    ------
    InputError
        For anything else: NaN, infinities, booleans, a denominator 0, too many digits.

    >>> rational("1.5"), rational(0.5), rational("1e-3")
    (3/2, 1/2, 1/1000)
    """
    if isinstance(value, fmpq):
        return value
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, int | np.integer | fmpz) and not isinstance(value, bool):
        return fmpq(value if isinstance(value, fmpz) else int(value))
    if isinstance(value, Fraction):
        return fmpq(value.numerator, value.denominator)
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return fmpq(*value.as_integer_ratio())
    raise InputError(
        f"{shortened(value)} is no rational number: give an integer, a fraction such as '3/2', "
        "a decimal or a finite float"
    )


def is_exact(value: Any) -> bool:
    """Whether arithmetic takes the value as a number: an integer, `Fraction` or `fmpq`."""
    return isinstance(value, int | np.integer | Fraction | fmpq | fmpz) and not isinstance(
        value, bool
    )


def power_of_two(exponent: int) -> fmpq:
    """2^exponent."""
    power = fmpz(1) << abs(exponent)
    return fmpq(power) if exponent >= 0 else fmpq(1, power)


def rounded(value: fmpq) -> float:
    """The nearest float64, ties to even; infinite beyond its range."""
    try:
        return float(value)  # rounded correctly, as a quotient of Python's integers
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _from_text(text: str) -> fmpq:
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"{shortened(text)} is no rational number: write it as 3, -3/2, 1.5 or 1e-3"
        )
    part = match["only"] or match["part"] or ""
    exponent = match["shift"] or "0"
    # Of a long exponent only that it is too large.
    shift = (int(exponent) if len(exponent) <= 8 else MAX_DIGITS + 1) - len(part)
    digits = (match["whole"] or "") + part
    below = match["below"] or "1"
    if len(digits) + len(below) + abs(shift) > MAX_DIGITS:
        raise InputError(f"{shortened(text)} has more than {MAX_DIGITS} digits")
    denominator = fmpz(below)
    if denominator == 0:
        raise InputError(f"{shortened(text)} has the denominator 0")
    ten = fmpz(10) ** abs(shift)
    number = fmpq(fmpz(digits) * ten if shift > 0 else fmpz(digits), denominator)
    number = number / ten if shift < 0 else number
    return -number if match["sign"] == "-" else number
