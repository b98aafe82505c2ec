"""Newton polytopes, exactly.

For a finite set A of exponents in Nⁿ let New(A) = conv(A). If p = Σ f_i² has support A, every
monomial x^b of an f_i has 2b in New(A): the *half Newton polytope* holds all b that matter.

Everything is decided by linear programs in integers (`_simplex`). Every integer vector w gives a
valid inequality w·x <= max of w over A, so that a point is excluded by checking one vector.

References
----------
Reznick: Extremal psd forms with few terms, Duke Math. J. 45 (1978), theorem 1.
Clarkson: More output-sensitive geometric algorithms, FOCS 1994 (for `newton_vertices`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.lattice._half_points import enumerate_half_points
from tasks.lattice._simplex import maxima
from tasks.lattice.monomials import Rows, as_rows, row_keys

DEFAULT_MAX_POINTS = 1_000_000

# Midpoints of two rows are not vertices: cheap to find between even rows, if not too many, and
# along short directions, which pays off for supports so large that most of them are full.
_MAX_EVEN = 1000
_FEW_TERMS = 5000
_MAX_DIRECTIONS = 120


@dataclass(frozen=True)
class HalfNewton:
    """The monomials whose doubles lie in a Newton polytope, with a proof that these are all.

    Attributes
    ----------
    points : int32 (m, n)
        All b in Nⁿ with 2b in New(A), in graded lexicographic order.
    inequalities : tuple of integer n-tuples
        Vectors w such that the points are exactly the b in Nⁿ with ``2 w·b <= max of w over A``
        for all of them. The first two, (1, .., 1) and (-1, .., -1), bound the degree. A search
        that fixes b_1, b_2, .. in this order and bounds what the later entries contribute from
        below meets hardly more than the prefixes of real points of the polytope.
    """

    points: Rows
    inequalities: tuple[tuple[int, ...], ...]


def half_newton_points(support: ArrayLike, *, max_points: int = DEFAULT_MAX_POINTS) -> HalfNewton:
    """Enumerate the half Newton polytope of a support (T, n) depth first.

    A prefix b_1..b_k is extended only if some point of New(A) starts with 2b_1..2b_k. Two small
    linear programs per prefix, of at most min(n, degree/2) + 1 equations each, bound the next
    entry. The support may be empty; then so is the polytope.

    Raises
    ------
    InputError
        Unless the support holds rows of nonnegative integers.
    BudgetExceeded
        If there are more than `max_points` points.

    Examples
    --------
    >>> half_newton_points([[4, 2], [2, 4], [2, 2], [0, 0]]).points.tolist()
    [[2, 1], [1, 2], [1, 1], [0, 0]]
    """
    rows = as_rows(support)
    vertices = rows[newton_vertices(rows)].astype(np.int64)
    points, inequalities = enumerate_half_points(vertices, max_points)
    return HalfNewton(points, inequalities)


def newton_vertices(support: ArrayLike) -> NDArray[np.int64]:
    """Indices, ascending, of the vertices of New(A); of equal rows the first.

    A row outside the hull of the vertices known so far yields a vector that separates it, and the
    rows extremal for that vector a new vertex: T + v linear programs of at most v columns for T
    rows and v vertices.

    >>> newton_vertices([[4, 2], [2, 4], [2, 2], [0, 0]]).tolist()
    [0, 1, 3]
    """
    rows = as_rows(support).astype(np.int64)
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    [keys] = row_keys(rows)
    _, first = np.unique(keys, return_index=True)
    first = first[~_midpoints(rows[first])]
    table = rows[first]
    known: list[int] = []
    for place in range(len(table)):
        while (vertex := _missing_vertex(table, known, place)) is not None:
            known.append(vertex)
    return np.sort(first[known])


def _missing_vertex(table: NDArray[np.int64], known: list[int], place: int) -> int | None:
    """A vertex outside `known`, unless the row lies in the hull of the known ones.

    All on the smallest face of the orthant that holds the row, where its zeros drop out.
    """
    if place in known:
        return None
    row = table[place]
    used = row > 0
    columns = table[known]
    columns = columns[~columns[:, ~used].any(axis=1)][:, used]
    normal = separating_normal(columns, row[used])
    if normal is None:
        return None
    candidates = np.flatnonzero(~table[:, ~used].any(axis=1))
    values = table[np.ix_(candidates, used)] @ np.array(normal, dtype=_integer_type(normal, row))
    extremal = candidates[values == values.max()]
    # The lexicographically largest point of a face is a vertex; the table is sorted that way.
    return int(extremal.max())


def separating_normal(
    points: NDArray[np.int64], outside: NDArray[np.int64]
) -> tuple[int, ...] | None:
    """An integer w with w·x < w·q for all points x (T, n), q the other one; None if q is in conv.

    >>> separating_normal(np.array([[0, 0], [2, 0]]), np.array([3, 0]))
    (1, 1)
    """
    if not len(points):
        return (1,) * len(outside)
    ones = np.ones((len(points), 1), dtype=np.int64)
    columns, target = np.hstack([points, ones]), np.append(outside, 1)
    [optimum] = maxima(columns, target, np.zeros((1, len(points)), dtype=np.int64))
    return None if optimum.is_feasible else optimum.multipliers[:-1]


def _integer_type(normal: tuple[int, ...], row: NDArray[np.int64]) -> type:
    """int64 if the scalar products with exponents below 2³¹ fit, otherwise Python's integers."""
    largest = max((abs(entry) for entry in normal), default=0)
    return np.int64 if largest * (len(row) + 1) < 2**31 else object


def _midpoints(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Some of the rows that lie in the middle between two others, so are not vertices."""
    even = rows[~(rows & 1).any(axis=1)] // 2
    if 1 < len(even) <= _MAX_EVEN:
        i, j = np.triu_indices(len(even), 1)
        keys, middles = row_keys(rows, even[i] + even[j])
        found = np.isin(keys, middles)
    else:
        found = np.zeros(len(rows), dtype=bool)
    for direction in _short_directions(rows):
        keys, above, below = row_keys(rows, rows + direction, rows - direction)
        found |= np.isin(above, keys) & np.isin(below, keys)
    return found


def _short_directions(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """All e_i and e_i - e_j, for many rows in few variables."""
    n = rows.shape[1]
    if len(rows) <= _FEW_TERMS or n * (n + 1) // 2 > _MAX_DIRECTIONS:
        return []
    unit = np.eye(n, dtype=np.int64)
    return [*unit, *(unit[i] - unit[j] for i in range(n) for j in range(i))]
