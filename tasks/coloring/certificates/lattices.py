"""Lattices in R^2 and R^3, exactly.

A lattice is given by the rows v_1, ..., v_n of a square matrix over Q(sqrt n).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from itertools import product
from math import floor
from operator import add

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.numbers import (
    Number,
    Surd,
    as_number,
    check_surd,
    format_number,
    number_of_words,
    parse_number,
    words_of_number,
)
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["Lattice", "Vector", "combination", "dot"]

Vector = tuple[Surd, ...]
Rows = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Lattice:
    """The lattice of all integer combinations of the rows.

    Attributes
    ----------
    vectors
        n vectors of R^n, n = 2 or 3, linearly independent, with entries in one field.

    Raises
    ------
    InputError
        If there are not 2 or 3, they have another length or different surds, or are dependent.
    """

    vectors: tuple[Vector, ...]

    def __post_init__(self) -> None:
        n = len(self.vectors)
        if n not in (2, 3) or any(len(vector) != n for vector in self.vectors):
            lengths = [len(vector) for vector in self.vectors]
            raise InputError(
                f"a lattice needs 2 vectors of the plane or 3 of space, not {n} of lengths "
                f"{shortened(lengths)}"
            )
        fields = {entry.n for vector in self.vectors for entry in vector if entry.b}
        if len(fields) > 1:
            raise InputError(f"a lattice has one surd, not {sorted(fields)}")
        if not self.determinant:
            kind = "parallel" if n == 2 else "in one plane"
            raise InputError(f"the lattice vectors are {kind}: choose independent ones")

    @classmethod
    def parse(cls, texts: object, surd: int | None = None) -> Lattice:
        """Read rows of texts as in files, or of Python numbers, exactly (0.1 is 1/10).

        Raises
        ------
        InputError
            If they are not rows of finite numbers, or not a lattice.
        """
        if surd is not None:
            check_surd(surd)
        rows = texts.tolist() if isinstance(texts, np.ndarray) else texts
        if not isinstance(rows, list | tuple) or not all(isinstance(r, list | tuple) for r in rows):
            raise InputError(
                f"a lattice is a list of vectors, each a list of numbers, not {shortened(texts)}"
            )
        return cls(tuple(tuple(_entry(value, surd) for value in row) for row in rows))

    @classmethod
    def from_record(cls, record: object, surd: int | None = None) -> Lattice:
        """Read the vectors of a file, whose numbers are strings; errors as those of `parse`."""
        if not isinstance(record, list) or not all(isinstance(row, list) for row in record):
            raise InputError(f"a lattice is a list of lists of numbers, not {shortened(record)}")
        return cls(tuple(tuple(parse_number(value, surd) for value in row) for row in record))

    @classmethod
    def from_words(cls, rows: Sequence[Sequence[str]]) -> Lattice:
        """The lattice of `words`."""
        return cls(tuple(tuple(map(number_of_words, row)) for row in rows))

    @property
    def dimension(self) -> int:
        """n: 2 or 3."""
        return len(self.vectors)

    @cached_property
    def surd(self) -> int | None:
        """The n of Q(sqrt n); None if all entries are rational."""
        return next((e.n for vector in self.vectors for e in vector if e.b), None)

    @cached_property
    def determinant(self) -> Surd:
        """The determinant of the matrix of rows; its absolute value is the area of the torus."""
        if self.dimension == 2:
            (a, b), (c, d) = self.vectors
            return a * d - b * c
        x, y, z = self.vectors
        return dot(x, _cross(y, z))

    @cached_property
    def floats(self) -> NDArray[np.float64]:
        """(n, n), the rows, each entry rounded once; infinite beyond the range of floats."""
        floats = np.array([[float(entry) for entry in vector] for vector in self.vectors])
        floats.setflags(write=False)
        return floats

    @cached_property
    def gram(self) -> tuple[Vector, ...]:
        """The products v_a . v_b."""
        return tuple(tuple(dot(v, w) for w in self.vectors) for v in self.vectors)

    def __hash__(self) -> int:
        return hash(self.vectors)

    def texts(self) -> list[list[str | list[str]]]:
        """The rows as in files."""
        return [[format_number(entry) for entry in vector] for vector in self.vectors]

    def words(self) -> tuple[tuple[str, ...], ...]:
        """The rows, each entry one text, exactly.

        >>> Lattice.parse([["1/2", ["0", "1/3"]], ["0.5", "1"]], 2).words()
        (('0.5', '0+1/3*sqrt(2)'), ('0.5', '1'))
        """
        return tuple(tuple(map(words_of_number, vector)) for vector in self.vectors)

    def divided(self, shape: Sequence[int]) -> Lattice:
        """The lattice of the vectors v_a / m_a: those of the cells of a grid of this shape."""
        pairs = zip(self.vectors, shape, strict=True)
        return Lattice(tuple(tuple(e * Fraction(1, m) for e in vector) for vector, m in pairs))

    def reduced(self) -> tuple[Lattice, Rows]:
        """A shortest basis of the lattice, and the unimodular U with basis = U . vectors.

        The basis is Minkowski-reduced: in dimensions 2 and 3 by the greedy algorithm of Nguyen and
        Stehle (Low-dimensional lattice basis reduction revisited, 2004, Figure 3), exactly.
        """
        rows = [tuple(int(i == j) for j in range(self.dimension)) for i in range(self.dimension)]
        reduced = _greedy(list(zip(self.vectors, rows, strict=True)))
        return Lattice(tuple(vector for vector, _ in reduced)), tuple(row for _, row in reduced)


_Pair = tuple[Vector, tuple[int, ...]]
"""A vector of the lattice and its integer coordinates."""


def _greedy(pairs: list[_Pair]) -> list[_Pair]:
    if len(pairs) == 1:
        return pairs
    while True:
        pairs = sorted(pairs, key=lambda pair: dot(pair[0], pair[0]))
        pairs[:-1] = _greedy(pairs[:-1])
        shorter = _shortened(pairs[-1], pairs[:-1])
        is_last = dot(shorter[0], shorter[0]) >= dot(pairs[-2][0], pairs[-2][0])
        pairs[-1] = shorter
        if is_last:
            return pairs


def _shortened(pair: _Pair, basis: list[_Pair]) -> _Pair:
    """The shortest of pair - sum of integer multiples of one or two reduced vectors.

    The closest vector to a point is a corner of the parallelogram of a reduced basis that holds it.
    """
    corners = product(*((k, k + 1) for k in map(_floor, _coordinates(pair[0], basis))))
    found = [
        reduce(_minus, ((vector, row, k) for (vector, row), k in zip(basis, c, strict=True)), pair)
        for c in corners
    ]
    return min(found, key=lambda candidate: dot(candidate[0], candidate[0]))


def _minus(pair: _Pair, multiple: tuple[Vector, tuple[int, ...], int]) -> _Pair:
    vector, row, k = multiple
    return (
        tuple(x - k * y for x, y in zip(pair[0], vector, strict=True)),
        tuple(i - k * j for i, j in zip(pair[1], row, strict=True)),
    )


def _coordinates(vector: Vector, basis: list[_Pair]) -> list[Surd]:
    """Coordinates of the orthogonal projection to the span of one or two vectors."""
    if len(basis) == 1:
        [(v, _)] = basis
        return [dot(vector, v) / dot(v, v)]
    (v, _), (w, _) = basis
    a, b, c, x, y = dot(v, v), dot(v, w), dot(w, w), dot(vector, v), dot(vector, w)
    determinant = a * c - b * b
    return [(x * c - y * b) / determinant, (y * a - x * b) / determinant]


def _floor(number: Surd) -> int:
    k = 0
    while not 0 <= number < 1:
        step = floor(number.nearby()) or (1 if number >= 1 else -1)
        k, number = k + step, number - step
    return k


def dot(v: Sequence[Surd], w: Sequence[Surd]) -> Surd:
    """The inner product."""
    return reduce(add, (x * y for x, y in zip(v, w, strict=True)))


def combination(coefficients: Sequence[Number], vectors: Sequence[Vector]) -> Vector:
    """The sum of coefficients[a] * vectors[a]."""
    columns = zip(*vectors, strict=True)
    return tuple(
        reduce(add, (x * c for c, x in zip(coefficients, column, strict=True)))
        for column in columns
    )


def _cross(v: Vector, w: Vector) -> Vector:
    return (
        v[1] * w[2] - v[2] * w[1],
        v[2] * w[0] - v[0] * w[2],
        v[0] * w[1] - v[1] * w[0],
    )


def _entry(value: object, surd: int | None) -> Surd:
    is_text = isinstance(value, str | list | tuple)
    return parse_number(value, surd) if is_text else as_number(value)
