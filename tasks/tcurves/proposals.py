"""New triangulations from good ones, and a cheap forecast of what they are worth.

*Mutation* walks some parallelogram flips away from a triangulation.  *Crossing* overlays two
triangulations: their common edges cut d*Delta_2 into cells, each of which both triangulate; every
cell is taken from one parent or the other.  *Heights* adds noise to the weights of a regular
triangulation.  *Symmetric* walks symmetric flips, from a triangulation that a reflection of the
triangle maps to itself.  All but heights may lose regularity, so what they give has to be
certified.

The *promise* ranks triangulations before any census, in about two milliseconds: how rare the
schemes of their M-curves are in the hunt so far, how many there are, then the *score*, the
dimension of the space of sign classes of M-curves (`maximal_signs`), which is F2-linear algebra,
then the estimated cost of the census.  Most triangulations have Harnack's scheme alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gpu.schemes import FAILED, scheme_codes
from tasks.lattice import Triangulation, perturbed, random_flips, symmetric_flips
from tasks.tcurves.patchwork import octant_grid
from tasks.tcurves.program import estimated_cost
from tasks.tcurves.twists import maximal_signs

Move = Literal["seed", "mutation", "crossing", "heights", "symmetric"]

_NOISE_OCTAVES = (-1.0, 3.0)
"""Range of log2 of the noise of the heights, in median folds."""


@dataclass(frozen=True)
class Origin:
    """Where a candidate comes from."""

    move: Move
    parent: Triangulation
    """With weights for heights, with a reflection for symmetric."""
    second: Triangulation | None = None
    """The other parent of a crossing."""


def vary(origin: Origin, rng: np.random.Generator, *, mean_flips: float) -> Triangulation:
    """Make one variant of the parents."""
    parent = origin.parent
    if origin.move == "heights":
        return perturbed(parent, rng, float(2 ** rng.uniform(*_NOISE_OCTAVES)))
    if origin.move == "symmetric":
        return symmetric_flips(parent, _num_steps(rng, mean_flips), rng)
    if origin.second is None:
        return mutate(parent, rng, mean_flips=mean_flips)
    crossed = cross(parent, origin.second, rng)
    # A crossing that gives a parent back is mutated like one.
    if crossed in (parent.with_weights(None), origin.second.with_weights(None)):
        return mutate(crossed, rng, mean_flips=mean_flips)
    return crossed


def mutate(
    triangulation: Triangulation, rng: np.random.Generator, *, mean_flips: float
) -> Triangulation:
    """Walk a geometrically distributed number of flip proposals away from a triangulation."""
    return random_flips(triangulation, _num_steps(rng, mean_flips), rng)


def _num_steps(rng: np.random.Generator, mean_flips: float) -> int:
    """Draw a number of proposals of flips, of which about a third can be made."""
    return int(rng.geometric(1.0 / max(1.0, 3.0 * mean_flips)))


def common_cells(
    first: Triangulation, second: Triangulation
) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Cut d*Delta_2 along the common edges of two triangulations.

    Returns
    -------
    list of pairs of int32 (k, 3)
        The triangles of each cell in the first and in the second triangulation; only cells in which
        they differ, in the order of the cell's smallest edge.
    """
    shared = set(map(tuple, first.edges.tolist())) & set(map(tuple, second.edges.tolist()))
    cells: dict[tuple[tuple[int, int], ...], list[NDArray[np.int32]]] = {}
    for triangulation in (first, second):
        for boundary, triangles in _cells(triangulation, shared):
            cells.setdefault(boundary, []).append(triangles)
    return [
        (pair[0], pair[1])
        for _, pair in sorted(cells.items())
        if len(pair) == 2 and not np.array_equal(pair[0], pair[1])
    ]


def _cells(
    triangulation: Triangulation, walls: set[tuple[int, int]]
) -> list[tuple[tuple[tuple[int, int], ...], NDArray[np.int32]]]:
    """Group triangles that are connected without crossing a wall, by the walls around them."""
    triangles = triangulation.triangles.tolist()
    sides = [[(a, b), (a, c), (b, c)] for a, b, c in triangles]
    parent = list(range(len(triangles)))

    def find(t: int) -> int:
        while parent[t] != t:
            parent[t] = parent[parent[t]]
            t = parent[t]
        return t

    seen: dict[tuple[int, int], int] = {}
    for t, edges in enumerate(sides):
        for edge in edges:
            if edge not in walls:
                other = seen.setdefault(edge, t)
                parent[find(t)] = find(other)
    members: dict[int, list[int]] = {}
    for t in range(len(triangles)):
        members.setdefault(find(t), []).append(t)
    groups = []
    for group in members.values():
        around = sorted(edge for t in group for edge in sides[t] if edge in walls)
        groups.append((tuple(around), np.array([triangles[t] for t in group], dtype=np.int32)))
    return groups


def cross(first: Triangulation, second: Triangulation, rng: np.random.Generator) -> Triangulation:
    """Take every cell between common edges from one of two triangulations at random.

    Raises
    ------
    InvalidTriangulation
        Never for two triangulations of one degree; the result is validated all the same.
    """
    swapped = [pair for pair in common_cells(first, second) if rng.random() < 0.5]
    removed = {tuple(t) for pair in swapped for t in pair[0].tolist()}
    kept = [t for t in first.triangles.tolist() if tuple(t) not in removed]
    added = [t for pair in swapped for t in pair[1].tolist()]
    return Triangulation.of(first.degree, [*kept, *added])


def score(triangulation: Triangulation) -> int:
    """Return log2 of the number of sign classes of M-curves."""
    return maximal_signs(triangulation).dimension


def maximal_codes(triangulation: Triangulation) -> frozenset[int]:
    """Scheme codes of some M-curves: of the origin and the basis of the space of their signs."""
    space = maximal_signs(triangulation)
    words = [space.origin, *(space.origin ^ vector for vector in space.basis)]
    codes = scheme_codes(
        triangulation.triangles.astype(np.uint8)[None],
        octant_grid(triangulation.degree),
        np.array(words, dtype=np.int64),
    )
    return frozenset(int(code) for code in codes if code != FAILED)


def promise(triangulation: Triangulation, hits: Mapping[int, int]) -> tuple[int, int, int, float]:
    """Rank of a triangulation before its census.

    The rarer its rarest M-curves, the better; then the more schemes of M-curves; then the score;
    then the cheaper census.

    Parameters
    ----------
    triangulation : Triangulation
    hits : Mapping[int, int]
        Scheme code -> candidates that had it.
    """
    codes = maximal_codes(triangulation)
    rarest = min((hits.get(code, 0) for code in codes), default=0)
    return -rarest, len(codes), score(triangulation), -estimated_cost(triangulation)
