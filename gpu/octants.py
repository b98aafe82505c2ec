"""Real schemes by flood fill on the octants: the fast twin of the CUDA kernel.

The sphere over RP^2 is an octahedron; octant k = e + 4 t, e in 0..3, t in {0, 1}, carries a copy of
the triangulated triangle d*Delta_2, whose n <= 55 lattice points are the bits of one word.  Octants
are glued along their edges:

    x = 0: k to k ^ 1,    y = 0: k to k ^ 2,    x + y = d: k to k ^ 7,

and k ^ 4 covers the same points of RP^2.  The color of point p in octant k is s_p + e.p for even
d, and s_p + e.p + t for odd d, where the lifted curve separates the sphere antisymmetrically.

A region is flooded from one of its points: inside an octant every reached point adds its neighbors
of the same color by one AND and one OR; reached boundary points are handed to the glued octant.
The neighbors of the other color, collected on the way, are the seeds of the neighboring regions, so
that the regions are found in the order of their tree.  The root is the region that reaches a point
in both sheets (even d), or one of whose neighbors is itself (odd d).

One evaluation visits each of the 4 n points of the four quadrants once; nothing is allocated: the
caller keeps one `Scratch` for each thread.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from gpu.bits import lowest_bit
from gpu.forests import merge, plant

MAX_REGIONS = 32
"""Regions of one curve: 29 ovals and J in degree 9 make 30."""
SENTINEL = 1 << 62
"""A bit beyond all points; entry 62 of the neighbor words is 0."""
FAILED = -1
"""Code of an instance that gave no rooted tree of at most `MAX_REGIONS` regions."""

_EMPTY_OVALS = np.array([int("10" * k, 2) if k else 0 for k in range(32)], dtype=np.int64)


class Grid(NamedTuple):
    """The points of d*Delta_2 as bits of words, for one degree d <= 9."""

    quadrant_bits: NDArray[np.int64]
    """(4,): bit p of entry e is e.p mod 2."""
    masks: NDArray[np.int64]
    """(4,): the points with x = 0, with y = 0, with x + y = d, and all points."""
    is_odd: bool
    """Parity of the degree."""


GRID_LAYOUT = np.dtype(
    [
        ("quadrant_bits", np.uint64, 4),
        ("masks", np.uint64, 4),
        ("is_odd", np.int32),
        ("padding", np.int32),
    ]
)
"""Memory layout of the struct Grid in cuda/schemes.cu."""


def pack_grid(grid: Grid) -> NDArray[np.void]:
    """Lay out a grid as the CUDA kernels read it."""
    packed = np.zeros((), dtype=GRID_LAYOUT)
    packed["quadrant_bits"] = grid.quadrant_bits.view(np.uint64)
    packed["masks"] = grid.masks.view(np.uint64)
    packed["is_odd"] = int(grid.is_odd)
    return packed


def grid_of_degree(degree: int) -> Grid:
    """Pack the lattice points of d*Delta_2, numbered by x, then y, as bits of words; d <= 9."""
    points = [(x, y) for x in range(degree + 1) for y in range(degree + 1 - x)]
    x, y = np.array(points, dtype=np.int64).T
    bits = 1 << np.arange(len(points), dtype=np.int64)
    quadrants = [(e & 1) * x + (e >> 1) * y for e in range(4)]
    edges = [x == 0, y == 0, x + y == degree, x >= 0]
    return Grid(
        quadrant_bits=(np.array(quadrants) % 2) @ bits,
        masks=np.array(edges, dtype=np.int64) @ bits,
        is_odd=bool(degree % 2),
    )


class Scratch(NamedTuple):
    """Scratch of one evaluation."""

    reach: NDArray[np.int64]
    """(8,): see `flood`."""
    cut: NDArray[np.int64]
    fresh: NDArray[np.int64]
    colors: NDArray[np.int64]
    """(4,): the points of color 1 in each quadrant."""
    visited: NDArray[np.int64]
    """(4,): the points of each quadrant whose region is known."""
    seeds: NDArray[np.int64]
    """(4 MAX_REGIONS,): the points next to each region, by quadrant."""
    parent: NDArray[np.int64]
    """(MAX_REGIONS,): the region around each region."""
    empty: NDArray[np.int64]
    """(MAX_REGIONS,): empty ovals inside each region."""
    forest: NDArray[np.int64]
    """(MAX_REGIONS,): code of the other ovals inside each region."""


@njit(cache=True)
def new_scratch():
    """Allocate the scratch of one evaluation."""
    return Scratch(
        np.empty(8, np.int64),
        np.empty(8, np.int64),
        np.empty(8, np.int64),
        np.empty(4, np.int64),
        np.empty(4, np.int64),
        np.empty(4 * MAX_REGIONS, np.int64),
        np.empty(MAX_REGIONS, np.int64),
        np.empty(MAX_REGIONS, np.int64),
        np.empty(MAX_REGIONS, np.int64),
    )


@njit(cache=True)
def _close(forest, empty):
    """Append empty ovals, the smallest trees, to a forest."""
    return (forest << (2 * empty)) | _EMPTY_OVALS[empty]


@njit(cache=True, forceinline=True)
def flood(neighbors, colors, grid, allowed, e0, p0, reach, cut, fresh):
    """Flood one region of the allowed points from point p0 of quadrant e0.

    Fills `reach` (8,), the points of the region by octant, and `cut` (8,), the points next to them
    that have the other color or are not allowed.
    """
    for k in range(8):
        reach[k] = 0
        cut[k] = 0
        fresh[k] = 0
    positive = (colors[e0] >> p0) & 1
    left, bottom, slanted = grid.masks[0], grid.masks[1], grid.masks[2]
    fresh[e0] = 1 << p0
    pending = 1 << e0
    while pending:
        k = lowest_bit(pending)
        pending &= pending - 1
        flip = positive ^ (k >> 2 if grid.is_odd else 0)
        same = ~(colors[k & 3] ^ -flip) & allowed
        before = reach[k]
        reached = before | fresh[k]
        stack = fresh[k] & ~before
        fresh[k] = 0
        seen = 0
        while stack:
            # Four points at a time: their loads do not wait for each other.
            p = lowest_bit(stack)
            stack &= stack - 1
            q = lowest_bit(stack | SENTINEL)
            stack &= stack - 1
            r = lowest_bit(stack | SENTINEL)
            stack &= stack - 1
            t = lowest_bit(stack | SENTINEL)
            stack &= stack - 1
            near = neighbors[p] | neighbors[q] | neighbors[r] | neighbors[t]
            seen |= near
            new = near & same & ~reached
            reached |= new
            stack |= new
        reach[k] = reached
        cut[k] |= seen & ~same
        added = reached & ~before
        # No branches here: whether something is handed over cannot be predicted.
        handed = added & left & ~reach[k ^ 1]
        fresh[k ^ 1] |= handed
        pending |= np.int64(handed != 0) << (k ^ 1)
        handed = added & bottom & ~reach[k ^ 2]
        fresh[k ^ 2] |= handed
        pending |= np.int64(handed != 0) << (k ^ 2)
        handed = added & slanted & ~reach[k ^ 7]
        fresh[k ^ 7] |= handed
        pending |= np.int64(handed != 0) << (k ^ 7)


@njit(cache=True)
def is_root(is_odd, reach, cut):
    """Tell whether the flooded region is the root."""
    hit = 0
    for e in range(4):
        if is_odd:
            hit |= (cut[e] & reach[e + 4]) | (cut[e + 4] & reach[e])
        else:
            hit |= reach[e] & reach[e + 4]
    return hit != 0


@njit(cache=True)
def fold_tree(num_regions, root, parent, empty, forest):
    """Return the code of the region tree, rooted at `root` instead of region 0."""
    on_path = 0
    c = root
    while c >= 0:
        on_path |= 1 << c
        c = parent[c]
    for c in range(num_regions - 1, 0, -1):
        if not (on_path >> c) & 1:
            inside = _close(forest[c], empty[c])
            up = parent[c]
            if inside:
                forest[up] = merge(forest[up], plant(inside))
            else:
                empty[up] += 1
    # Turn the path around: region 0 becomes a child of the next region on it, and so on.
    below = 0
    on_path &= ~1
    while on_path:
        c = lowest_bit(on_path)
        on_path &= on_path - 1
        inside = _close(forest[below], empty[below])
        if inside:
            forest[c] = merge(forest[c], plant(inside))
        else:
            empty[c] += 1
        below = c
    return _close(forest[root], empty[root])


@njit(cache=True)
def scheme_code(neighbors, grid, signs, scratch):
    """Return the scheme code of one sign vector, or `FAILED`.

    Parameters
    ----------
    neighbors : int64 (64,)
        Bit q of entry p: p and q are joined by an edge; entries beyond the points are 0.
    grid : Grid
    signs : int
        Bit p is the sign of point p.
    scratch : Scratch
    """
    colors, visited, seeds = scratch.colors, scratch.visited, scratch.seeds
    parent, empty = scratch.parent, scratch.empty
    reach, cut = scratch.reach, scratch.cut
    inside = grid.masks[3] & ~(grid.masks[0] | grid.masks[1] | grid.masks[2])
    for e in range(4):
        colors[e] = signs ^ grid.quadrant_bits[e]
        visited[e] = 0
    root, count, leaves = -1, 1, 0
    current, above, e0, p0 = 0, 0, 0, 0
    parent[0] = -1
    while True:
        flood(neighbors, colors, grid, grid.masks[3], e0, p0, reach, cut, scratch.fresh)
        if root < 0 and is_root(grid.is_odd, reach, cut):
            root = current
        for e in range(4):
            visited[e] |= reach[e] | reach[e + 4]
            seeds[4 * current + e] = cut[e] | cut[e + 4]
        scratch.forest[current] = 0
        empty[current] = 0
        if current == 0:
            e0 = 0
        # Find the next seed, beside the first region that still has one.
        while above < count:
            rest = seeds[4 * above + e0] & ~visited[e0]
            if rest == 0:
                e0 += 1
                if e0 == 4:
                    e0 = 0
                    above += 1
                continue
            p0 = lowest_bit(rest)
            same = colors[e0] if (colors[e0] >> p0) & 1 else ~colors[e0]
            if (inside >> p0) & 1 == 0 or neighbors[p0] & same:
                break
            # A point alone among the other color: an empty oval.
            visited[e0] |= 1 << p0
            empty[above] += 1
            leaves += 1
        if above == count:
            break
        if count + leaves >= MAX_REGIONS:
            return FAILED
        current = count
        parent[current] = above
        count += 1
    if root < 0 or count + leaves > MAX_REGIONS:
        return FAILED
    return fold_tree(count, root, parent, empty, scratch.forest)


@njit(cache=True)
def fill_neighbors(triangles, neighbors):
    """Set the neighbor words (64,) of a triangulation given as (F, 3) point indices."""
    for p in range(neighbors.size):
        neighbors[p] = 0
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        x, y, z = 1 << np.int64(a), 1 << np.int64(b), 1 << np.int64(c)
        neighbors[a] |= y | z
        neighbors[b] |= x | z
        neighbors[c] |= x | y


@njit(cache=True, nogil=True)
def _codes(triangles, grid, signs, codes, begin, end):
    """Evaluate instances begin <= i < end of a batch."""
    neighbors = np.zeros(64, np.int64)
    scratch = new_scratch()
    fixed = triangles.shape[0] == 1
    if fixed:
        fill_neighbors(triangles[0], neighbors)
    for i in range(begin, end):
        if not fixed:
            fill_neighbors(triangles[i], neighbors)
        codes[i] = scheme_code(neighbors, grid, signs[i], scratch)


@njit(cache=True, parallel=True)
def _codes_in_parallel(triangles, grid, signs, codes, num_chunks):
    """Evaluate a batch on all threads of Numba."""
    size = (signs.size + num_chunks - 1) // num_chunks
    for chunk in prange(num_chunks):
        _codes(triangles, grid, signs, codes, chunk * size, min(signs.size, (chunk + 1) * size))


def scheme_codes(
    triangles: NDArray[np.uint8], grid: Grid, signs: NDArray[np.int64], *, parallel: bool = False
) -> NDArray[np.int64]:
    """Evaluate a batch of instances on the CPU.

    Parameters
    ----------
    triangles : uint8 (1, F, 3) or (B, F, 3)
        One triangulation for all instances, or one for each.
    grid : Grid
    signs : int64 (B,)
        Bit p is the sign of point p.
    parallel : bool
        Use all threads that Numba may use.

    Returns
    -------
    int64 (B,)
        Scheme codes (see `gpu.forests`), `FAILED` where there is no rooted tree of at most
        `MAX_REGIONS` regions.
    """
    codes = np.empty(signs.size, dtype=np.int64)
    if parallel:
        _codes_in_parallel(triangles, grid, signs, codes, max(1, signs.size // 4096))
    else:
        _codes(triangles, grid, signs, codes, 0, signs.size)
    return codes
