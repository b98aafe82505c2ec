"""Exact validation of triangles, with one precise line per defect.

d² lattice triangles of area 1/2 inside d·Δ₂ have total area d²/2, the area of d·Δ₂. Hence they
are a triangulation if and only if no two overlap: unimodular triangles hold no lattice points
besides their vertices, so triangles with disjoint interiors meet face to face. Overlaps are found
through the edges: going across an edge that has one triangle on each side leaves the number of
triangles above a generic point unchanged, so if this holds for every interior edge the number is
constant, and by area it is one.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.lattice._errors import InvalidTriangulation, shortened
from tasks.lattice.points import MAX_DEGREE, lattice_points, num_points


def check_triangles(degree: int, triangles: Any) -> NDArray[np.int32]:
    """(d², 3) int32 array of the given triangles, if they form a unimodular triangulation.

    O(d² log d); only the search for a pair to blame for an overlap is O(d⁴).

    Raises
    ------
    InvalidTriangulation
    """
    triples = _as_triples(triangles)
    _check_range(degree, triples)
    rows = np.array(triples, dtype=np.int32)
    _check_count_hint(degree, rows)
    _check_duplicates(rows)
    _check_areas(degree, rows)
    _check_all_points_used(degree, rows)
    if len(rows) != degree * degree:
        raise InvalidTriangulation(_count_message(degree, len(rows)))
    _check_overlaps(degree, rows)
    return rows


def _as_triples(triangles: Any) -> list[list[int]]:
    """The triangles as plain integers; anything but a list of integer triples is refused."""
    if isinstance(triangles, np.ndarray):
        triangles = triangles.tolist()
    if not isinstance(triangles, Sequence) or isinstance(triangles, str | bytes):
        raise InvalidTriangulation(
            f"triangles must be a list of triples of point indices, not {shortened(triangles)}"
        )
    for index, triangle in enumerate(triangles):
        if not _is_triple(triangle):
            raise InvalidTriangulation(
                f"triangle {index} is {shortened(triangle)}: give three integer point indices"
            )
    if not triangles:
        raise InvalidTriangulation("the list of triangles is empty")
    return [[int(v) for v in row] for row in triangles]


def _is_triple(triangle: Any) -> bool:
    if isinstance(triangle, np.ndarray):
        triangle = triangle.tolist()
    if not isinstance(triangle, Sequence) or isinstance(triangle, str | bytes):
        return False
    return len(triangle) == 3 and all(
        isinstance(v, int | np.integer) and not isinstance(v, bool) for v in triangle
    )


def _describe(degree: int, rows: NDArray[np.int32], index: int) -> str:
    """'triangle 3 = {0, 1, 9}', with its points (x,y)."""
    triangle = sorted(rows[index].tolist())
    points = ", ".join("({},{})".format(*lattice_points(degree)[v]) for v in triangle)
    return f"triangle {index} = {{{', '.join(map(str, triangle))}}} with points {points}"


def _describe_point(degree: int, index: int) -> str:
    return "point {} = ({},{})".format(index, *lattice_points(degree)[index])


def _count_message(degree: int, count: int) -> str:
    root = isqrt(count)
    hint = ""
    if root * root == count and root != degree and root <= MAX_DEGREE:
        hint = f"; {count} is the number for degree {root}"
    return (
        f"{count} triangles were given, but a unimodular triangulation of degree {degree} has "
        f"{degree * degree}{hint}"
    )


def _check_range(degree: int, triples: list[list[int]]) -> None:
    n = num_points(degree)
    bad = ((i, v) for i, row in enumerate(triples) for v in row if not 0 <= v < n)
    index, value = next(bad, (-1, 0))
    if index < 0:
        return
    given = f"the negative index {shortened(value)}" if value < 0 else f"point {shortened(value)}"
    hint = f"; {_count_message(degree, len(triples))}" if len(triples) != degree**2 else ""
    raise InvalidTriangulation(
        f"triangle {index} names {given}, but degree {degree} has the points 0 to {n - 1}{hint}"
    )


def _check_count_hint(degree: int, rows: NDArray[np.int32]) -> None:
    """Refuse a complete list of another degree here: later messages would mislead."""
    root = isqrt(len(rows))
    is_other = root * root == len(rows) and root < degree
    if is_other and int(rows.max()) == num_points(root) - 1:
        raise InvalidTriangulation(_count_message(degree, len(rows)))


def _check_duplicates(rows: NDArray[np.int32]) -> None:
    seen: dict[tuple[int, ...], int] = {}
    for index, row in enumerate(np.sort(rows, axis=1).tolist()):
        first = seen.setdefault(tuple(row), index)
        if first != index:
            points = ", ".join(map(str, row))
            raise InvalidTriangulation(
                f"triangles {first} and {index} overlap: both are {{{points}}}"
            )


def _double_areas(degree: int, rows: NDArray[np.int32]) -> NDArray[np.int64]:
    """(m,) signed double areas."""
    p = lattice_points(degree)[rows]
    u, v = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]


def _check_areas(degree: int, rows: NDArray[np.int32]) -> None:
    areas = np.abs(_double_areas(degree, rows))
    bad = np.flatnonzero(areas != 1)
    if len(bad) == 0:
        return
    index, twice = int(bad[0]), int(areas[bad[0]])
    area = "0 (it is degenerate)" if twice == 0 else str(Fraction(twice, 2))
    unused = _unused_points(degree, rows)
    also = f"; {_describe_point(degree, unused[0])} is used by no triangle" if unused else ""
    raise InvalidTriangulation(
        f"not unimodular: {_describe(degree, rows, index)} has area {area}, not 1/2{also}"
    )


def _unused_points(degree: int, rows: NDArray[np.int32]) -> list[int]:
    return np.setdiff1d(np.arange(num_points(degree)), rows).tolist()


def _check_all_points_used(degree: int, rows: NDArray[np.int32]) -> None:
    unused = _unused_points(degree, rows)
    if unused:
        more = f" (and {len(unused) - 1} more)" if len(unused) > 1 else ""
        raise InvalidTriangulation(
            f"{_describe_point(degree, unused[0])} is used by no triangle{more}: a unimodular "
            f"triangulation of degree {degree} uses all {num_points(degree)} lattice points"
        )


def _check_overlaps(degree: int, rows: NDArray[np.int32]) -> None:
    if _edges_are_balanced(degree, rows):
        return
    first, second = next(_overlapping_pairs(degree, rows))
    raise InvalidTriangulation(
        f"{_describe(degree, rows, first)} and {_describe(degree, rows, second)} overlap"
    )


def _edges_are_balanced(degree: int, rows: NDArray[np.int32]) -> bool:
    """Whether every directed edge of the counterclockwise triangles occurs once, and its reverse
    also once unless it lies on the boundary of d·Δ₂.
    """
    n = num_points(degree)
    ccw = np.where(_double_areas(degree, rows)[:, None] > 0, rows, rows[:, ::-1])
    start, end = ccw.ravel(), np.roll(ccw, -1, axis=1).ravel()
    p, q = lattice_points(degree)[start], lattice_points(degree)[end]
    p, q = np.column_stack([p, degree - p.sum(1)]), np.column_stack([q, degree - q.sum(1)])
    boundary = ((p == 0) & (q == 0)).any(axis=1)
    forward, backward = start * n + end, (end * n + start)[~boundary]
    unique = len(np.unique(forward)) == len(forward)
    return unique and bool(np.isin(backward, forward).all())


def _overlapping_pairs(degree: int, rows: NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """Pairs of triangles whose interiors meet, by the separating edge test."""
    ccw = np.where(_double_areas(degree, rows)[:, None] > 0, rows, rows[:, ::-1])
    p = lattice_points(degree)[ccw]
    for i in range(len(rows) - 1):
        separated = _separated(p[i : i + 1], p[i + 1 :]) | _separated(p[i + 1 :], p[i : i + 1])
        for j in np.flatnonzero(~separated):
            yield i, i + 1 + int(j)


def _separated(p: NDArray[np.int64], q: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a side of the counterclockwise triangle p has all of q on its outer side."""
    side = np.roll(p, -1, axis=1) - p
    away = q[:, None, :, :] - p[:, :, None, :]
    outside = side[:, :, None, 0] * away[..., 1] - side[:, :, None, 1] * away[..., 0] <= 0
    return np.any(np.all(outside, axis=2), axis=1)
