"""Points of the plane modulo a lattice, exactly.

With a reduced basis b_1, b_2 every point is r + k b_1 + l b_2 for one r of the half-open
parallelogram of the basis and integers k, l. Floats find k and l, except near the sides of the
parallelogram, where exact numbers decide. Two points are equal modulo the lattice iff their r are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, hypot, isfinite, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.lattices import Lattice, Vector
from tasks.coloring.certificates.numbers import Surd
from tasks.records import InputError

__all__ = ["TorusFrame", "TorusPoints", "area_twice", "cross", "minus", "point_text"]

_BAND = 1e-13
"""Relative error that coordinates in a reduced basis may have; they have less than 20 eps."""

_LARGEST = 1e100
_MAX_SCALE_BITS = 2048
"""Polygons whose coordinates have a larger common denominator are not brought to it."""

Shift = tuple[int, int]


def minus(p: Vector, q: Vector) -> Vector:
    """The vector p - q of the plane."""
    return (p[0] - q[0], p[1] - q[1])


def cross(p: Vector, q: Vector) -> Surd:
    """The determinant of the rows p and q."""
    return p[0] * q[1] - p[1] * q[0]


def area_twice(vertices: tuple[Vector, ...]) -> Surd:
    """Twice the signed area of a closed polygon: positive if it is counterclockwise."""
    scale = lcm(*(x.a.denominator for vertex in vertices for x in vertex))
    is_rational = not any(x.b for vertex in vertices for x in vertex)
    if is_rational and scale.bit_length() <= _MAX_SCALE_BITS:
        points = [tuple(x.a.numerator * (scale // x.a.denominator) for x in v) for v in vertices]
        return Surd.of(Fraction(_area_twice(points), scale * scale))
    return Surd.of(0) + _area_twice(vertices)


def _area_twice(points: Sequence[tuple[Any, ...]]) -> Any:
    rises = (points[(i + 1) % len(points)][1] - points[i - 1][1] for i in range(len(points)))
    return sum(x * rise for (x, _), rise in zip(points, rises, strict=True))


def point_text(point: Vector) -> str:
    """A point in decimals, for messages."""
    return f"({float(point[0])!r}, {float(point[1])!r})"


class TorusFrame:
    """A reduced basis of a lattice in the plane, with what finds coordinates in it.

    Attributes
    ----------
    basis
        The vectors b_1 and b_2.
    floats
        (2, 2), rounded.

    Raises
    ------
    InputError
        If the vectors are longer than 10^100, or span less than 10^-100.
    """

    def __init__(self, lattice: Lattice) -> None:
        reduced, self._rows_of_basis = lattice.reduced()
        self.basis = reduced.vectors
        self.determinant = reduced.determinant
        self.floats = np.array(reduced.floats)
        (a, b), (c, d) = self.floats.tolist()
        self._rows = ((d, -c), (-b, a))
        self._area = a * d - b * c
        if not (np.abs(self.floats).max() <= _LARGEST and abs(self._area) >= 1 / _LARGEST):
            raise InputError("the lattice is too large or too small for floats: choose other units")
        self._bands = (_BAND * hypot(c, d) / abs(self._area), _BAND * hypot(a, b) / abs(self._area))
        self._translations: dict[Shift, Vector] = {}

    def translation(self, shift: Shift) -> Vector:
        """The vector k b_1 + l b_2, exactly."""
        found = self._translations.get(shift)
        if found is None:
            (k, l), (b, c) = shift, self.basis
            found = (b[0] * k + c[0] * l, b[1] * k + c[1] * l)
            self._translations[shift] = found
        return found

    def in_lattice(self, shift: Shift) -> Shift:
        """The same translation in the vectors of the lattice itself."""
        (a, b), (c, d) = self._rows_of_basis
        k, l = shift
        return (k * a + l * c, k * b + l * d)

    def shift_of(self, point: Vector) -> Shift:
        """The integers k, l of a point."""
        x, y = float(point[0]), float(point[1])
        return self._floor(point, x, y, 0), self._floor(point, x, y, 1)

    def _floor(self, point: Vector, x: float, y: float, axis: int) -> int:
        row = self._rows[axis]
        value = (x * row[0] + y * row[1]) / self._area
        band = self._bands[axis] * (abs(x) + abs(y)) + _BAND
        if isfinite(value) and band < 0.25 and abs(value - round(value)) > band:
            return floor(value)
        b, c = self.basis
        exact = cross(point, c) if axis == 0 else cross(b, point)
        return _exact_floor(exact / self.determinant)


def _exact_floor(number: Surd) -> int:
    k = floor(number.nearby())
    if number < k:
        return k - 1
    return k + 1 if number >= k + 1 else k


@dataclass(frozen=True)
class TorusPoints:
    """A sequence of points sorted into classes modulo a lattice.

    Attributes
    ----------
    frame
        The reduced basis.
    representatives
        The points r of all classes.
    classes
        (V,): the class of each point.
    shifts
        (k, l) of each point, so that point = representative + k b_1 + l b_2.
    """

    frame: TorusFrame
    representatives: tuple[Vector, ...]
    classes: NDArray[np.int64]
    shifts: tuple[Shift, ...]

    @classmethod
    def of(cls, points: Iterable[Vector], lattice: Lattice) -> TorusPoints:
        """Sort points of the plane; classes are numbered as they appear."""
        frame = TorusFrame(lattice)
        numbers: dict[Vector, int] = {}
        classes, shifts = [], []
        for point in points:
            shift = frame.shift_of(point)
            representative = minus(point, frame.translation(shift)) if any(shift) else point
            classes.append(numbers.setdefault(representative, len(numbers)))
            shifts.append(shift)
        return cls(frame, tuple(numbers), np.array(classes, np.int64), tuple(shifts))

    def position(self, point_class: int, shift: Shift) -> Vector:
        """The point of a class at a translation, exactly."""
        r, t = self.representatives[point_class], self.frame.translation(shift)
        return (r[0] + t[0], r[1] + t[1])

    def coordinates(self) -> NDArray[np.float64]:
        """(C, 2): the representatives in the reduced basis, rounded; in [0, 1] but for rounding."""
        places = np.array([[float(x), float(y)] for x, y in self.representatives])
        return (places.reshape(-1, 2) @ np.linalg.inv(self.frame.floats)).astype(np.float64)
