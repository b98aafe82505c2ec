"""Known triangulations: all of small degree, found by flips, and an irregular one."""

from functools import lru_cache

from tasks.lattice import Triangulation, flip_neighbors, honeycomb

# The only irregular orbit in degree 4: a pinwheel around the middle triangle {6, 7, 10}, as in
# the "mother of all examples" of De Loera, Rambau, Santos, Triangulations.
PINWHEEL = Triangulation.of(
    4,
    [
        *([0, 1, 7], [0, 5, 6], [0, 6, 7], [1, 2, 7], [2, 3, 7], [3, 4, 7], [4, 7, 10]),
        *([4, 8, 10], [5, 6, 9], [6, 7, 10], [6, 9, 12], [6, 10, 14], [6, 12, 14]),
        *([8, 10, 11], [10, 11, 13], [10, 13, 14]),
    ],
    name="pinwheel",
)


@lru_cache(maxsize=4)
def all_triangulations(degree: int) -> frozenset[Triangulation]:
    """Every unimodular triangulation, because flips join any two; a moment up to degree 4."""
    start = honeycomb(degree).with_weights(None)
    found, new = {start}, {start}
    while new:
        new = {neighbor for T in new for neighbor in flip_neighbors(T)} - found
        found |= new
    return frozenset(found)
