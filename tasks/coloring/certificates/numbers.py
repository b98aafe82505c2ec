"""Exact numbers a + b sqrt(n), with rational a, b and a squarefree n: texts in and out.

All coordinates of a certificate lie in one field Q(sqrt n), or in Q. A sum or product of two such
numbers is one again, and its sign is decided by squares: for a and b of opposite signs,
a + b sqrt(n) has the sign of a iff a^2 > n b^2.

In files a number is a string: an integer, a decimal without exponent or a fraction of integers;
with a surd n also a pair [a, b] of such strings, for a + b sqrt(n).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import inf, isqrt

from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["MAX_CHARACTERS", "MAX_SURD", "Number", "Surd", "as_number", "check_surd"]
__all__ += ["format_number", "number_of_words", "parse_number", "words_of_number"]

MAX_CHARACTERS = 1000
"""Longer texts of numbers are refused."""
MAX_SURD = 10**9
"""Larger surds are refused: to prove that they are squarefree takes too long."""
_MAX_DECIMALS = 30

_TEXT = re.compile(r"-?[0-9]+(?:\.[0-9]+|/[0-9]+)?", re.ASCII)
_WORDS = re.compile(r"([^+]+)\+([^+*]+)\*sqrt\(([0-9]{1,10})\)", re.ASCII)
_ROOT_BITS = 128


@dataclass(frozen=True, slots=True, eq=False)
class Surd:
    """The number a + b sqrt(n); n is 1 if b = 0.

    Operators take other surds of the same field, fractions and integers. ``float`` rounds the
    exact number and gives an infinity beyond the range of floats.

    >>> x = Surd.of(1, 2, 3)  # 1 + 2 sqrt(3)
    >>> x * x - 2 * x == 11, x > Fraction(89, 20), float(x)
    (True, True, 4.464101615137754)
    """

    a: Fraction
    b: Fraction
    n: int

    @classmethod
    def of(cls, a: Fraction | int, b: Fraction | int = 0, n: int = 1) -> Surd:
        """Make a + b sqrt(n); n is trusted to be squarefree, or 1."""
        if not b or n == 1:
            return cls(Fraction(a + b), Fraction(0), 1)
        return cls(Fraction(a), Fraction(b), n)

    @property
    def is_rational(self) -> bool:
        """Whether b = 0."""
        return not self.b

    @property
    def fraction(self) -> Fraction:
        """The number as a fraction.

        Raises
        ------
        InputError
            If it is irrational.
        """
        if self.b:
            raise InputError(f"{self} is irrational where a rational number is needed")
        return self.a

    @property
    def sign(self) -> int:
        """-1, 0 or 1."""
        a, b = _sign(self.a), _sign(self.b)
        if a * b >= 0:
            return a or b
        return a * _sign(self.a * self.a - self.n * self.b * self.b)

    def _field(self, other: Surd) -> int:
        """The n of both; two irrational numbers of different fields have none."""
        if self.b and other.b and self.n != other.n:
            raise InputError(f"{self} and {other} have different surds: use one surd for all")
        return self.n if self.b else other.n

    def __add__(self, other: Number) -> Surd:
        o = _surd(other)
        if o is None:
            return NotImplemented
        return Surd.of(self.a + o.a, self.b + o.b, self._field(o))

    __radd__ = __add__

    def __neg__(self) -> Surd:
        return Surd(-self.a, -self.b, self.n)

    def __pos__(self) -> Surd:
        return self

    def __abs__(self) -> Surd:
        return -self if self.sign < 0 else self

    def __sub__(self, other: Number) -> Surd:
        o = _surd(other)
        if o is None:
            return NotImplemented
        return Surd.of(self.a - o.a, self.b - o.b, self._field(o))

    def __rsub__(self, other: Number) -> Surd:
        return -(self - other)

    def __mul__(self, other: Number) -> Surd:
        o = _surd(other)
        if o is None:
            return NotImplemented
        n = self._field(o)
        if n == 1:
            return Surd(self.a * o.a, o.b, 1)
        return Surd.of(self.a * o.a + n * self.b * o.b, self.a * o.b + self.b * o.a, n)

    __rmul__ = __mul__

    def inverse(self) -> Surd:
        """The number 1 / (a + b sqrt(n)).

        Raises
        ------
        ZeroDivisionError
            Of zero.
        """
        norm = self.a * self.a - self.n * self.b * self.b
        return Surd(self.a / norm, -self.b / norm, self.n)

    def __truediv__(self, other: Number) -> Surd:
        o = _surd(other)
        return NotImplemented if o is None else self * o.inverse()

    def __rtruediv__(self, other: Number) -> Surd:
        return self.inverse() * other

    def __eq__(self, other: object) -> bool:
        o = _surd(other)
        if o is None:
            return NotImplemented
        return self.a == o.a and self.b == o.b and self.n == o.n

    def __hash__(self) -> int:
        return hash((self.a, self.b, self.n)) if self.b else hash(self.a)

    def __lt__(self, other: Number) -> bool:
        return (self - other).sign < 0

    def __le__(self, other: Number) -> bool:
        return (self - other).sign <= 0

    def __gt__(self, other: Number) -> bool:
        return (self - other).sign > 0

    def __ge__(self, other: Number) -> bool:
        return (self - other).sign >= 0

    def __bool__(self) -> bool:
        return bool(self.a) or bool(self.b)

    def __float__(self) -> float:
        try:
            return float(self.nearby())
        except OverflowError:
            return self.sign * inf

    def nearby(self) -> Fraction:
        """A fraction within 2^-100 of the number, relatively; the number itself if rational.

        Where a and b sqrt(n) cancel, a + b sqrt(n) = (a^2 - n b^2) / (a - b sqrt(n)).
        """
        if not self.b:
            return self.a
        root = _root(self.n)
        if self.a * self.b >= 0:
            return self.a + self.b * root
        return (self.a * self.a - self.n * self.b * self.b) / (self.a - self.b * root)

    def __str__(self) -> str:
        return f"{self.a} + {self.b} sqrt({self.n})" if self.b else str(self.a)

    __repr__ = __str__


Number = Surd | Fraction | int


def _sign(number: Fraction) -> int:
    return (number > 0) - (number < 0)


def _surd(value: object) -> Surd | None:
    """The value as a surd; None if it is none and cannot become one."""
    if isinstance(value, Surd):
        return value
    if isinstance(value, Fraction | int):
        return Surd(Fraction(value), Fraction(0), 1)
    return None


@cache
def _root(n: int) -> Fraction:
    """Return sqrt(n) within 2^-128, from below."""
    return Fraction(isqrt(n << 2 * _ROOT_BITS), 1 << _ROOT_BITS)


@cache
def check_surd(n: object) -> int:
    """The n of a field Q(sqrt n), checked.

    Raises
    ------
    InputError
        If it is not a squarefree integer from 2 to `MAX_SURD`.
    """
    if (
        type(n) is not int
        or not 2 <= n <= MAX_SURD
        or any(n % (p * p) == 0 for p in range(2, isqrt(n) + 1))
    ):
        raise InputError(
            f"a surd must be a squarefree integer from 2 to {MAX_SURD}, not {shortened(n)}"
        )
    return n


def parse_number(text: object, surd: int | None = None) -> Surd:
    """Read a number of a file: a string, or with a surd also a pair [a, b] of strings.

    Raises
    ------
    InputError
        If it is not one, or longer than `MAX_CHARACTERS`.
    """
    if surd is not None and isinstance(text, list | tuple) and len(text) == 2:
        return Surd.of(_rational(text[0]), _rational(text[1]), surd)
    return Surd.of(_rational(text))


def _rational(text: object) -> Fraction:
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS or not _TEXT.fullmatch(text):
        raise InputError(
            f"{shortened(text)} is not a number: write an integer, a decimal without exponent or "
            f'a fraction as a string of at most {MAX_CHARACTERS} characters ("3", "-0.5", "1/3")'
        )
    try:
        return Fraction(text)
    except ZeroDivisionError as error:
        raise InputError(f"{shortened(text)} is not a number: it divides by zero") from error


def words_of_number(number: Surd) -> str:
    """A number as one text without spaces: as in files if it is rational, else ``a+b*sqrt(n)``.

    >>> words_of_number(Surd.of(Fraction(1, 2), Fraction(-2, 3), 5))
    '0.5+-2/3*sqrt(5)'
    """
    text = _text(number.a)
    return f"{text}+{_text(number.b)}*sqrt({number.n})" if number.b else text


def number_of_words(words: str) -> Surd:
    """The number of `words_of_number`; errors as those of `parse_number`.

    >>> number_of_words("0.5+-2/3*sqrt(5)") == Surd.of(Fraction(1, 2), Fraction(-2, 3), 5)
    True
    """
    found = _WORDS.fullmatch(words)
    if not found:
        return parse_number(words)
    return Surd.of(_rational(found[1]), _rational(found[2]), check_surd(int(found[3])))


def as_number(value: object) -> Surd:
    """A number of Python, exactly: surds, fractions, integers, texts as in files, and floats.

    A float stands for the decimal that Python shows for it: 0.1 is 1/10.

    Raises
    ------
    InputError
        If the value is not a number, or not finite.
    """
    if isinstance(value, bool) or value is None:
        raise InputError(f"{value} is not a number")
    exact = _surd(value)
    if exact is not None:
        return exact
    if isinstance(value, str):
        return parse_number(value.strip())
    try:
        return Surd.of(Fraction(repr(float(value))))  # pyrefly: ignore[bad-argument-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"{shortened(value)} is not a finite number") from error


def format_number(number: Number) -> str | list[str]:
    """Write a number as files do; `parse_number` reads it back.

    Decimals of at most 30 places are written as such, other rational numbers as fractions, and
    irrational ones as pairs.

    >>> format_number(Fraction(-1, 8)), format_number(Fraction(1, 3))
    ('-0.125', '1/3')
    """
    surd = number if isinstance(number, Surd) else Surd.of(number)
    if surd.b:
        return [_text(surd.a), _text(surd.b)]
    return _text(surd.a)


def _text(number: Fraction) -> str:
    places = _decimal_places(number.denominator)
    if not 0 < places <= _MAX_DECIMALS:
        return str(number)
    digits = str(abs(number.numerator) * 10**places // number.denominator).zfill(places + 1)
    return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _decimal_places(denominator: int) -> int:
    """The least p with denominator | 10^p; 0 if there is none."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else 0
