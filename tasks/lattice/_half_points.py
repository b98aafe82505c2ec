"""Depth-first enumeration of the half Newton polytope, with the inequalities that bound it.

Let V be the vertices of a polytope P in the nonnegative orthant and b_0..b_{j-1} a prefix. Points
of P that start with 2b_0..2b_{j-1} are combinations of the vertices that vanish where the prefix
does, so a linear program over those vertices with one equation per nonzero entry bounds x_j, or
the sum of all later entries. Its multipliers y and denominator D make

    D g·x <= y_0 + Σ y_i x_i     (g the objective, i the nonzero entries)

valid on those vertices. Subtracting a multiple of the entries where the prefix vanishes makes it
valid on all of P. An inequality is kept only if it says more about b than the earlier ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.lattice._cuts import Cuts, Integers
from tasks.lattice._simplex import Optimum, maxima
from tasks.lattice.monomials import Rows, sort_monomials
from tasks.records.errors import BudgetExceeded

# Bounding the sum of the later entries pays off only where there are more of them.
_FEW_ENTRIES = 2


def enumerate_half_points(
    vertices: Integers, max_points: int
) -> tuple[Rows, tuple[tuple[int, ...], ...]]:
    """All b >= 0 with 2b in the hull of the vertices (v, n), and vectors w that prove it."""
    n = vertices.shape[1]
    if not len(vertices):
        return np.zeros((0, n), dtype=np.int32), ()
    search = _Search(vertices)
    found: list[Integers] = []
    stack = [(0, np.zeros(n, dtype=np.int64))]
    while stack:
        j, b = search.skip_dead(*stack.pop())
        if search.is_complete(j, b):
            if search.cuts.allow(b):
                found.append(b)
            if len(found) > max_points:
                raise BudgetExceeded(f"the half Newton polytope has more than {max_points} points")
            continue
        stack.extend((j + 1, _with_entry(b, j, value)) for value in search.values(j, b))
    rows = np.stack(found) if found else np.zeros((0, n), dtype=np.int64)
    return sort_monomials(rows.astype(np.int32)), search.cuts.as_tuples()


def _with_entry(b: Integers, j: int, value: int) -> Integers:
    """A copy of b with b_j = value."""
    extended = b.copy()
    extended[j] = value
    return extended


class _Search:
    """The linear programs of one enumeration, and the cuts they left."""

    def __init__(self, vertices: Integers) -> None:
        self.vertices = vertices
        self.n = vertices.shape[1]
        self.cuts = Cuts(vertices)

    def skip_dead(self, j: int, b: Integers) -> tuple[int, Integers]:
        """The first entry that does not vanish on the whole face of the prefix, or n."""
        is_dead = ~self._face(j, b)[:, j:].any(axis=0)
        num_skipped = int(np.argmin(np.append(is_dead, False)))
        if num_skipped and not self.cuts.vanishing(j, b)[:num_skipped].all():
            objective = np.zeros(self.n, dtype=np.int64)
            objective[j:] = is_dead
            nothing = (0,) * (1 + np.count_nonzero(b[:j]))
            self._add(Optimum(True, nothing, 1), objective, j, b)
        return j + num_skipped, b

    def is_complete(self, j: int, b: Integers) -> bool:
        """Whether all entries from j on must vanish."""
        if self.n - j <= _FEW_ENTRIES:
            return j == self.n
        tail = np.zeros(self.n, dtype=np.int64)
        tail[j:] = 1
        above, below = self._optima([tail, -tail], j, b)
        if not self.cuts.vanishing(j, b).all():
            if _value(above, b, j) >= 2 * above.denominator:
                return False
            self._add(above, tail, j, b)
        if _value(below, b, j) < 0 and self.cuts.allow(b):
            self._add(below, -tail, j, b)
        return True

    def values(self, j: int, b: Integers) -> range:
        """All b_j for which a real point of the polytope starts with 2b_0..2b_j."""
        low, high = self.cuts.bounds(j, b)
        if low > high:
            return range(0)
        unit = np.zeros(self.n, dtype=np.int64)
        unit[j] = 1
        above, below = self._optima([unit, -unit], j, b)
        if _value(above, b, j) // (2 * above.denominator) < high:
            self._add(above, unit, j, b)
        if -(_value(below, b, j) // (2 * below.denominator)) > low:
            self._add(below, -unit, j, b)
        low, high = self.cuts.bounds(j, b)
        return range(low, high + 1)

    def _face(self, j: int, b: Integers) -> Integers:
        """The vertices that vanish where the prefix does."""
        is_zero = b[:j] == 0
        return self.vertices[~self.vertices[:, :j][:, is_zero].any(axis=1)]

    def _optima(self, objectives: list[Integers], j: int, b: Integers) -> list[Optimum]:
        """Maxima of the objectives over the points that start with the prefix."""
        face = self._face(j, b)
        used = np.flatnonzero(b[:j])
        columns = np.column_stack([np.ones(len(face), dtype=np.int64), face[:, used]])
        target = np.append(1, 2 * b[used])
        return maxima(columns, target, np.stack([face @ g for g in objectives]))

    def _add(self, optimum: Optimum, objective: Integers, j: int, b: Integers) -> None:
        """Turn multipliers into a vector w and keep it."""
        used = np.flatnonzero(b[:j])
        normal = [optimum.denominator * int(entry) for entry in objective]
        for index, multiplier in zip(used, optimum.multipliers[1:], strict=True):
            normal[index] -= multiplier
        values = self.vertices @ self.cuts.exact(normal) - optimum.multipliers[0]
        zeros = _cover(self.vertices[:, :j][values > 0], b[:j] == 0)
        excess = [
            -(-int(value) // int(weight))
            for value, weight in zip(values, self.vertices[:, zeros].sum(axis=1), strict=True)
            if value > 0
        ]
        for index in zeros:
            normal[index] -= max(excess)
        self.cuts.add(normal)


def _value(optimum: Optimum, b: Integers, j: int) -> int:
    """The optimum times its denominator."""
    target = [1, *(2 * int(entry) for entry in b[:j] if entry)]
    return sum(y * q for y, q in zip(optimum.multipliers, target, strict=True))


def _cover(rows: Integers, is_allowed: NDArray[np.bool_]) -> Integers:
    """Few allowed columns of which every row has one that is not 0, chosen greedily."""
    hits = (rows > 0) & is_allowed
    chosen: list[int] = []
    while len(hits):
        chosen.append(int(hits.sum(axis=0).argmax()))
        hits = hits[~hits[:, chosen[-1]]]
    return np.array(chosen, dtype=np.int64)
