"""Exact numbers a + b sqrt(n).

A number is an int, a `Fraction` or a `Surd`; they mix.  What is read from a file is fractional; it
is then multiplied by one common denominator, so that what decides runs in integers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from math import isqrt, lcm
from typing import Any

from tasks.coloring.checker.limits import MAX_DIGITS, MAX_MAGNITUDE
from tasks.coloring.checker.verdicts import RefusedError, shortened

Number = Any
"""An int, a Fraction or a Surd."""

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+|/[0-9]+)?", re.ASCII)


class Surd:
    """a + b sqrt(n) for a fixed squarefree n >= 2, with rational or integer a and b.

    Never changed once made.
    """

    __slots__ = ("a", "b", "n")

    def __init__(self, a: Any, b: Any, n: int) -> None:
        self.a, self.b, self.n = a, b, n

    def __add__(self, other: Number) -> Surd:
        if isinstance(other, Surd):
            return Surd(self.a + other.a, self.b + other.b, self.n)
        return Surd(self.a + other, self.b, self.n)

    __radd__ = __add__

    def __neg__(self) -> Surd:
        return Surd(-self.a, -self.b, self.n)

    def __sub__(self, other: Number) -> Surd:
        if isinstance(other, Surd):
            return Surd(self.a - other.a, self.b - other.b, self.n)
        return Surd(self.a - other, self.b, self.n)

    def __rsub__(self, other: Number) -> Surd:
        return Surd(other - self.a, -self.b, self.n)

    def __mul__(self, other: Number) -> Surd:
        if isinstance(other, Surd):
            a, b, c, d = self.a, self.b, other.a, other.b
            return Surd(a * c + self.n * b * d, a * d + b * c, self.n)
        return Surd(self.a * other, self.b * other, self.n)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Number:
        power, base = 1, self
        while exponent:
            if exponent & 1:
                power = base * power
            exponent >>= 1
            base = base * base if exponent else base
        return power

    def __truediv__(self, other: Number) -> Surd:
        if isinstance(other, Surd):
            return self * Surd(other.a, -other.b, self.n) / other.norm()
        return Surd(Fraction(self.a) / other, Fraction(self.b) / other, self.n)

    def __rtruediv__(self, other: Number) -> Surd:
        return Surd(Fraction(other), Fraction(0), self.n) / self

    def norm(self) -> Any:
        """a^2 - n b^2, rational; zero only for zero since n is squarefree."""
        return self.a * self.a - self.n * self.b * self.b

    def sign(self) -> int:
        """-1, 0 or 1."""
        a, b = sign(self.a), sign(self.b)
        if a * b >= 0:
            return a or b
        # Of the two, the one that is larger in absolute value decides.
        return a if self.norm() > 0 else b

    def __lt__(self, other: Number) -> bool:
        return (self - other).sign() < 0

    def __le__(self, other: Number) -> bool:
        return (self - other).sign() <= 0

    def __gt__(self, other: Number) -> bool:
        return (self - other).sign() > 0

    def __ge__(self, other: Number) -> bool:
        return (self - other).sign() >= 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Surd):
            return self.a == other.a and self.b == other.b
        return self.b == 0 and self.a == other

    def __hash__(self) -> int:
        return hash((self.a, self.b)) if self.b else hash(self.a)

    def __abs__(self) -> Surd:
        return -self if self.sign() < 0 else self

    def __bool__(self) -> bool:
        return bool(self.a or self.b)


def sign(x: Number) -> int:
    """-1, 0 or 1."""
    return x.sign() if isinstance(x, Surd) else (x > 0) - (x < 0)


# --- from texts to integers ---------------------------------------------------------------------


def parse_number(value: Any, surd: int | None, what: str) -> Number:
    """A number of a file: a text, or with a surd n also [a, b] for a + b sqrt(n).

    Raises
    ------
    RefusedError
        If it is written otherwise, too long or too large.
    """
    if isinstance(value, list) and len(value) == 2 and surd is not None:
        a, b = (_rational(part, what) for part in value)
        return Surd(a, b, surd) if b else a
    return _rational(value, what)


def _rational(value: Any, what: str) -> Fraction:
    if not isinstance(value, str):
        raise RefusedError(f"{what}: {shortened(value)} is not a number written as a text")
    if len(value) > MAX_DIGITS:
        raise RefusedError(f"{what}: a number of {len(value)} characters; {MAX_DIGITS} are allowed")
    if not _NUMBER.fullmatch(value):
        raise RefusedError(
            f"{what}: {shortened(value)} is not an integer, a decimal or a fraction a/b"
        )
    _, slash, below = value.partition("/")
    if slash and not int(below):
        raise RefusedError(f"{what}: {shortened(value)} has the denominator 0")
    number = Fraction(value)
    if abs(number) > MAX_MAGNITUDE:
        raise RefusedError(f"{what}: {shortened(value)} is larger than 10^100")
    return number


def common_denominator(numbers: Iterable[Number]) -> int:
    """The least integer D > 0 such that D x has integer coefficients for all x.

    Raises
    ------
    RefusedError
        If it has more than 1000 digits.
    """
    common, largest = 1, 10**MAX_DIGITS
    for x in numbers:
        parts = (x.a, x.b) if isinstance(x, Surd) else (x,)
        for part in parts:
            if common % part.denominator:
                common = lcm(common, part.denominator)
        if common >= largest:
            raise RefusedError(
                f"the common denominator of the numbers has more than {MAX_DIGITS} digits"
            )
    return common


def scaled(x: Number, scale: int) -> Number:
    """The number scale x, where that has integer coefficients."""
    if isinstance(x, Surd):
        a, b = scaled(x.a, scale), scaled(x.b, scale)
        return Surd(a, b, x.n) if b else a
    return x.numerator * (scale // x.denominator)


# --- integer parts ------------------------------------------------------------------------------


def floor_of(x: Number) -> int:
    """The largest integer that is at most x."""
    if isinstance(x, Surd):
        common = lcm(x.a.denominator, x.b.denominator)
        a, b = scaled(x.a, common), scaled(x.b, common)
        return (a + _floor_root(b, x.n)) // common
    return x.numerator // x.denominator


def _floor_root(b: int, n: int) -> int:
    """The integer part of b sqrt(n), irrational unless b = 0."""
    root = isqrt(n * b * b)
    return root if b >= 0 else -root - 1


def floor_scaled(x: Number, bits: int) -> int:
    """The integer part of 2^bits x, for integer coefficients; bits may be negative."""
    if bits < 0:
        return floor_of(x) >> -bits
    return floor_of(x * (1 << bits))


def floor_quotient(x: Number, y: Number) -> int:
    """The integer part of x / y, for integer coefficients and y > 0."""
    if isinstance(y, Surd):
        x, y = x * Surd(y.a, -y.b, y.n), y.norm()
        if y < 0:
            x, y = -x, -y
    return floor_of(x) // y


def root_bounds(x: Number, bits: int = 64) -> tuple[Fraction, Fraction]:
    """Rational lower and upper bounds of sqrt(x), 2^-bits apart, for x >= 0."""
    root = isqrt(floor_of(x * 4**bits))
    return Fraction(root, 2**bits), Fraction(root + 1, 2**bits)


def approximate(x: Number, scale: int = 1) -> float:
    """The number x / scale for people; decides nothing."""
    if isinstance(x, Surd):
        common = lcm(x.a.denominator, x.b.denominator)
        x = Fraction(floor_scaled(Surd(scaled(x.a, common), scaled(x.b, common), x.n), 256), common)
        scale <<= 256
    return float(Fraction(x) / scale)
