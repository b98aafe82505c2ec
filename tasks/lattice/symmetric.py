"""Axis-symmetric triangulations: those that a reflection of S₃ maps to themselves.

The reflections are the elements 1, 2 and 5 of `tasks.lattice.symmetry`, which swap two of the
barycentric coordinates (d - x - y, x, y): 1 swaps x and y, 2 swaps d - x - y and x, 5 swaps
d - x - y and y.

A *symmetric flip* replaces an edge that is its own mirror image, or an edge together with its
mirror image if the two have no triangle in common. These flips join any two invariant
triangulations: an edge that crosses the axis is the diagonal of a parallelogram whose other
diagonal lies on the axis, so flips make the axis a union of edges, and then ordinary flips on one
side of it do the rest. Along each invariant triangulation the axis crosses or contains the same
number of interior edges, so the walk that proposes a uniformly random interior edge is symmetric
and tends to the uniform distribution over the invariant triangulations.
"""

import numpy as np

from tasks.lattice.flips import Edge, FlipWalk, sorted_edge
from tasks.lattice.honeycomb import honeycomb
from tasks.lattice.symmetry import automorphisms, permutations
from tasks.lattice.triangulation import Triangulation
from tasks.records.errors import InputError

REFLECTIONS = (1, 2, 5)
"""The elements of order 2 of S₃."""

_STEPS_PER_EDGE = 20


def symmetric_flips(
    triangulation: Triangulation,
    steps: int,
    rng: np.random.Generator,
    *,
    reflection: int | None = None,
    name: str = "",
) -> Triangulation:
    """The end of a walk of `steps` proposed symmetric flips, without weights; O(1) per step.

    Parameters
    ----------
    triangulation
        Invariant under the reflection.
    steps
        Number of proposals; those that cannot be flipped are skipped.
    reflection
        1, 2 or 5; default the first of them that leaves the triangulation invariant.

    Raises
    ------
    InputError
        If the triangulation is not invariant, or steps < 0.
    """
    if steps < 0:
        raise InputError(f"steps = {steps} is not allowed: give an integer >= 0")
    element = _reflection_of(triangulation, reflection)
    walk = _SymmetricWalk(triangulation, element)
    if walk.edges:
        for proposal in rng.integers(len(walk.edges), size=steps).tolist():
            walk.propose(proposal)
    return Triangulation.of(triangulation.degree, walk.triangles(), name=name)


def random_symmetric(
    degree: int, rng: np.random.Generator, *, reflection: int = 1, name: str = ""
) -> Triangulation:
    """A random triangulation invariant under a reflection, without weights.

    A walk of 20 symmetric flips proposed per interior edge from the honeycomb.
    """
    start = honeycomb(degree)
    steps = _STEPS_PER_EDGE * len(start.interior_edges)
    return symmetric_flips(start, steps, rng, reflection=reflection, name=name)


def _reflection_of(triangulation: Triangulation, reflection: int | None) -> int:
    if reflection is not None and reflection not in REFLECTIONS:
        raise InputError(f"reflection {reflection!r} is not allowed: give 1, 2 or 5")
    wanted = REFLECTIONS if reflection is None else (reflection,)
    group = automorphisms(triangulation)
    for element in wanted:
        if element in group:
            return element
    raise InputError(
        f"{triangulation.name} is not invariant under reflection {' or '.join(map(str, wanted))}: "
        "start from an axis-symmetric triangulation such as the honeycomb"
    )


class _SymmetricWalk(FlipWalk):
    """A walk whose edges know their mirror images; partners stay partners when flipped."""

    def __init__(self, triangulation: Triangulation, reflection: int) -> None:
        super().__init__(triangulation)
        image = permutations(triangulation.degree)[reflection].tolist()
        number = {edge: index for index, edge in enumerate(self.edges)}
        self._partner = [number[sorted_edge(image[a], image[b])] for a, b in self.edges]

    def propose(self, index: int) -> bool:
        partner = self._partner[index]
        if partner == index:
            return super().propose(index)
        if self.edges[partner] in self._sides(index):
            return False
        return super().propose(index) and super().propose(partner)

    def _sides(self, index: int) -> list[Edge]:
        """Sides of the quadrilateral around an edge."""
        return [sorted_edge(u, v) for u in self.edges[index] for v in self.opposite(index)]
