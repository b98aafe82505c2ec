"""Forbidden distances: for each color, closed intervals of distances that it must not hold.

One distance d is the interval [d, d]. A bound is a number or, in the Euclidean norm, the root of
one, as {"square": number} in files and "sqrt(5/4)" in texts: forbidden distances of lattices in
space are such roots.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering
from math import isqrt, sqrt

import numpy as np

from tasks.coloring.certificates.numbers import (
    Number,
    Surd,
    as_number,
    format_number,
    parse_number,
)
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["DEFAULT", "MAX_COLORS", "Distance", "Forbidden", "Interval", "parse_distances"]

MAX_COLORS = 200
DEFAULT = "1"
"""The distance that a color forbids unless it is told otherwise."""

_HELP = 'write a distance ("1", "sqrt(5/4)") or an interval ("0.354-0.553")'
_NUMBER = r"[0-9]+(?:\.[0-9]+|/[0-9]+)?"
_BOUND = rf"(?:{_NUMBER}|sqrt\({_NUMBER}\))"
_INTERVAL = re.compile(rf"\s*({_BOUND})\s*(?:-\s*({_BOUND})\s*)?", re.ASCII)


@total_ordering
@dataclass(frozen=True, eq=False)
class Distance:
    """A positive number by its square; they are compared by squares.

    Attributes
    ----------
    square
        Positive.
    value
        The number itself; None if it is known by its square only.

    Raises
    ------
    InputError
        If it is not positive.
    """

    square: Surd
    value: Surd | None = None

    def __post_init__(self) -> None:
        if self.square <= 0 or (self.value is not None and self.value <= 0):
            given = self.square if self.value is None else self.value
            raise InputError(f"a forbidden distance must be positive, not {shortened(str(given))}")

    @classmethod
    def of(cls, value: object) -> Distance:
        """The distance of this value, a number or its text."""
        number = as_number(value)
        return cls(number * number, number)

    @classmethod
    def root(cls, square: Number) -> Distance:
        """The root of a number; the number itself if that is rational."""
        exact = square if isinstance(square, Surd) else Surd.of(square)
        return cls(exact, _rational_root(exact))

    @classmethod
    def from_record(
        cls, record: object, surd: int | None = None, *, squares: bool = True
    ) -> Distance:
        """Read a bound of a file; squares of distances are for the Euclidean norm alone."""
        if isinstance(record, dict):
            if set(record) != {"square"} or not squares:
                raise InputError(
                    'a distance is a number or, in the Euclidean norm, {"square": number}, not '
                    f"{shortened(record)}"
                )
            return cls.root(parse_number(record["square"], surd))
        number = parse_number(record, surd)
        return cls(number * number, number)

    def record(self) -> str | list[str] | dict[str, str | list[str]]:
        """The bound as in files."""
        if self.value is None:
            return {"square": format_number(self.square)}
        return format_number(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distance) and self.square == other.square

    def __lt__(self, other: Distance) -> bool:
        return self.square < other.square

    def __hash__(self) -> int:
        return hash(self.square)

    def __float__(self) -> float:
        return sqrt(float(self.square)) if self.value is None else float(self.value)

    def __str__(self) -> str:
        if self.value is None:
            return f"sqrt({self.square})"
        text = format_number(self.value)
        return text if isinstance(text, str) else str(self.value)


def _rational_root(square: Surd) -> Surd | None:
    """The root of a rational square; None if it is irrational."""
    if square.b or square.a < 0:
        return None
    a, b = isqrt(square.a.numerator), isqrt(square.a.denominator)
    return Surd.of(Fraction(a, b)) if Fraction(a * a, b * b) == square.a else None


@dataclass(frozen=True)
class Interval:
    """All distances from low to high, both included.

    Raises
    ------
    InputError
        If low > high.
    """

    low: Distance
    high: Distance

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise InputError(
                f"the interval of distances {self} is the wrong way round: "
                "write the smaller bound first"
            )

    @classmethod
    def of(cls, low: object, high: object | None = None) -> Interval:
        """The interval of two values, numbers or texts; of one, that distance alone."""
        first = Distance.of(low)
        return cls(first, first if high is None else Distance.of(high))

    @classmethod
    def parse(cls, given: object) -> Interval:
        """Read "1", "0.354-0.553", "sqrt(5/4)", a number, or a pair of numbers.

        Raises
        ------
        InputError
            If it is not one of these, not positive, or the wrong way round.
        """
        if isinstance(given, Interval):
            return given
        if isinstance(given, list | tuple) and len(given) == 2:
            return cls(_distance(given[0]), _distance(given[1]))
        if not isinstance(given, str):
            return cls.of(given)
        found = _INTERVAL.fullmatch(given)
        if not found:
            raise InputError(f"{shortened(given)} is not a distance: {_HELP}")
        low = _distance(found[1])
        return cls(low, low if found[2] is None else _distance(found[2]))

    @classmethod
    def from_record(
        cls, record: object, surd: int | None = None, *, squares: bool = True
    ) -> Interval:
        """Read an interval [lo, hi] of a file."""
        if not isinstance(record, list) or len(record) != 2:
            raise InputError(f"an interval of distances is a pair, not {shortened(record)}")
        return cls(*(Distance.from_record(bound, surd, squares=squares) for bound in record))

    def record(self) -> list[str | list[str] | dict[str, str | list[str]]]:
        """The interval as in files."""
        return [self.low.record(), self.high.record()]

    @property
    def floats(self) -> tuple[float, float]:
        """Both bounds, rounded."""
        return float(self.low), float(self.high)

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def _distance(given: object) -> Distance:
    if isinstance(given, Distance):
        return given
    if isinstance(given, str) and given.startswith("sqrt("):
        return Distance.root(parse_number(given[5:-1]))
    return Distance.of(given)


@dataclass(frozen=True)
class Forbidden:
    """The forbidden intervals of every color.

    Attributes
    ----------
    intervals
        One nonempty tuple per color.

    Raises
    ------
    InputError
        If there are no colors, more than `MAX_COLORS`, or a color forbids nothing.
    """

    intervals: tuple[tuple[Interval, ...], ...]

    def __post_init__(self) -> None:
        check_num_colors(len(self.intervals))
        for color, intervals in enumerate(self.intervals):
            if not intervals:
                raise InputError(f"color {color} forbids no distance: name at least one")

    @property
    def num_colors(self) -> int:
        """k."""
        return len(self.intervals)

    def __getitem__(self, color: int) -> tuple[Interval, ...]:
        return self.intervals[color]

    @property
    def smallest(self) -> Distance:
        """The smallest forbidden distance of all."""
        return min(interval.low for intervals in self.intervals for interval in intervals)

    @classmethod
    def from_record(
        cls, record: object, surd: int | None = None, *, squares: bool = True
    ) -> Forbidden:
        """Read the entry `forbidden` of a file."""
        if not isinstance(record, list) or not all(isinstance(entry, list) for entry in record):
            raise InputError("forbidden is a list with a list of intervals for each color")
        return cls(
            tuple(
                tuple(Interval.from_record(each, surd, squares=squares) for each in entry)
                for entry in record
            )
        )

    def record(self) -> list[list[list[str | list[str] | dict[str, str | list[str]]]]]:
        """The entry `forbidden` of a file."""
        return [[interval.record() for interval in intervals] for intervals in self.intervals]


def check_num_colors(num_colors: object) -> int:
    """The number k of colors, checked.

    Raises
    ------
    InputError
        If it is not an integer from 1 to `MAX_COLORS`.
    """
    is_integer = isinstance(num_colors, int | np.integer) and not isinstance(num_colors, bool)
    if not is_integer or not 1 <= num_colors <= MAX_COLORS:
        raise InputError(
            f"the number of colors must be from 1 to {MAX_COLORS}, not {shortened(num_colors)}"
        )
    return int(num_colors)


def parse_distances(given: object, num_colors: int) -> Forbidden:
    """Read forbidden distances: of all colors, of a list, or of a mapping from colors.

    Parameters
    ----------
    given
        One entry for all colors; a sequence with one entry per color; or a mapping from colors
        (integers or their texts) to entries, in which colors that are left out forbid `DEFAULT`.
        An entry is what `Interval.parse` reads, or texts of several, separated by commas.
        None: all forbid `DEFAULT`.
    num_colors
        k.

    Raises
    ------
    InputError
        If an entry is not a positive distance or interval, or a color does not exist or is named
        twice.

    >>> str(parse_distances({"1": "0.354-0.553"}, 2)[1][0]), str(parse_distances(None, 2)[0][0])
    ('0.354-0.553', '1')
    """
    if isinstance(given, Forbidden):
        if given.num_colors != num_colors:
            raise InputError(f"distances of {given.num_colors} colors for {num_colors} colors")
        return given
    check_num_colors(num_colors)
    entries = [DEFAULT] * num_colors if given is None else _entries(given, num_colors)
    return Forbidden(tuple(_intervals(entry) for entry in entries))


def _entries(given: object, num_colors: int) -> Sequence[object]:
    if isinstance(given, Mapping):
        return _of_mapping(given, num_colors)
    if isinstance(given, list | tuple | np.ndarray):
        if len(given) != num_colors:
            raise InputError(
                f"{len(given)} distances for {num_colors} colors: give one for each, or a mapping"
            )
        return list(given)
    return [given] * num_colors


def _of_mapping(given: Mapping[object, object], num_colors: int) -> list[object]:
    entries: list[object] = [DEFAULT] * num_colors
    named: dict[int, object] = {}
    for key, entry in given.items():
        color = _color(key, num_colors)
        if color in named:
            raise InputError(
                f"distances name color {color} twice, as {shortened(named[color])} and as "
                f"{shortened(key)}: write several distances of a color with commas"
            )
        named[color], entries[color] = key, entry
    return entries


def _color(key: object, num_colors: int) -> int:
    text = str(key)
    digits = text.lstrip("0") or "0"
    if not (text.isascii() and text.isdigit() and int(digits[:9]) < num_colors):
        raise InputError(
            f"distances for color {shortened(key)}, which does not exist: the colors are "
            f"0 to {num_colors - 1}"
        )
    return int(digits)


def _intervals(entry: object) -> tuple[Interval, ...]:
    given: Sequence[object] = [entry]
    if isinstance(entry, str):
        given = entry.split(",")
    elif isinstance(entry, list | tuple):
        is_one = not all(isinstance(one, list | tuple | Interval) for one in entry)
        given = [entry] if is_one else entry
    found = {Interval.parse(one) for one in given}
    return tuple(sorted(found, key=lambda interval: (interval.low, interval.high)))
