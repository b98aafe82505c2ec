"""Sweeps of one triangulation: blocks of sign vectors that share most of their signs.

Consecutive sign vectors differ in few points only.  A block fixes all signs but those of k *varied*
points.  The fixed points are flooded once per block (see `gpu.octants`); their *pieces* and the
copies of the varied points are the nodes of a small graph that fits one word per node:

    near[0, u], near[1, u]: the nodes joined to u by an edge copy of parity 0 or 1,

the parity being the difference of the sheets of its ends.  With the color c_u of a node in its own
sheet 0, an edge copy of parity h is monochromatic exactly if c_u + c_v = 0 (even d), or
c_u + c_v = h (odd d).  Every sign vector of the block is then evaluated on the small graph, whose
regions and tree are those of RP^2.  A block whose graph has more than `MAX_NODES` nodes is
evaluated vector by vector.

Each sign vector is evaluated on its own: no counts are merged and nothing is inferred from
symmetry, which makes the sweep an oracle for the census.  As in `gpu.octants`, nothing is allocated
while vectors are evaluated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.bits import lowest_bit
from gpu.isotopy import TABLE_SIZE, count_code
from gpu.octants import FAILED, MAX_REGIONS, flood, fold_tree, is_root, new_scratch, scheme_code

MAX_NODES = 60
"""Nodes of the small graph: bits of a signed word, two of them kept free."""


@njit(cache=True)
def _label_pieces(neighbors, colors, grid, varied, label, sheet, scratch):
    """Flood the fixed points; write node and sheet of every point of every quadrant.

    Returns (number of pieces, their colors, those that are one-sided), the last two as bits; the
    number is -1 if there are too many.
    """
    reach, cut, fresh = scratch.reach, scratch.cut, scratch.fresh
    allowed = grid.masks[3] & ~varied
    for e in range(4):
        colors[e] &= allowed
    seen0, seen1, seen2, seen3 = varied, varied, varied, varied
    count, bits, one_sided = 0, 0, 0
    for e0 in range(4):
        while True:
            seen = seen0 if e0 == 0 else seen1 if e0 == 1 else seen2 if e0 == 2 else seen3
            rest = allowed & ~seen
            if rest == 0:
                break
            p0 = lowest_bit(rest)
            flood(neighbors, colors, grid, allowed, e0, p0, reach, cut, fresh)
            if count == MAX_NODES:
                return -1, 0, 0
            bits |= ((colors[e0] >> p0) & 1) << count
            if is_root(grid.is_odd, reach, cut):
                one_sided |= 1 << count
            for k in range(7, -1, -1):  # sheet 0 last: it wins in one-sided pieces
                points = reach[k]
                while points:
                    p = lowest_bit(points)
                    points &= points - 1
                    label[k & 3, p] = count
                    sheet[k & 3, p] = k >> 2
            seen0 |= reach[0] | reach[4]
            seen1 |= reach[1] | reach[5]
            seen2 |= reach[2] | reach[6]
            seen3 |= reach[3] | reach[7]
            count += 1
    return count, bits, one_sided


@njit(cache=True)
def _join_nodes(edges, num_nodes, label, sheet, near):
    """Fill the neighbor words of the small graph."""
    for u in range(num_nodes):
        near[0, u] = 0
        near[1, u] = 0
    for i in range(edges.shape[0]):
        p, q = edges[i, 0], edges[i, 1]
        for e in range(4):
            u, v = label[e, p], label[e, q]
            parity = sheet[e, p] ^ sheet[e, q]
            if u != v:
                near[parity, u] |= 1 << v
                near[parity, v] |= 1 << u


@njit(cache=True)
def _is_one_sided(near, reach, start):
    """Tell whether a region contains a closed path of odd parity (even d)."""
    sheets0, sheets1 = 1 << start, 0
    stack0, stack1 = sheets0, 0
    while stack0 | stack1:
        if stack0:
            u = lowest_bit(stack0)
            stack0 &= stack0 - 1
            straight, twisted = near[0, u] & reach, near[1, u] & reach
        else:
            u = lowest_bit(stack1)
            stack1 &= stack1 - 1
            straight, twisted = near[1, u] & reach, near[0, u] & reach
        stack0 |= straight & ~sheets0
        stack1 |= twisted & ~sheets1
        sheets0 |= straight
        sheets1 |= twisted
        if sheets0 & sheets1:
            return True
    return False


@njit(cache=True)
def _small_code(near, one_sided, colors, num_nodes, is_odd, seeds, scratch):
    """Return the scheme code of a colored small graph, or `FAILED`."""
    parent, empty, forest = scratch.parent, scratch.empty, scratch.forest
    everything = (1 << num_nodes) - 1
    unseen = everything
    root = -1
    count, at = 1, 0
    parent[0] = -1
    current, start = 0, 0
    while True:
        # Flood region `current` from node `start`; collect its neighbors of the other color.
        reach = 1 << start
        stack = reach
        cut = 0
        twisted = 0
        same = colors if (colors >> start) & 1 else everything & ~colors
        while stack:
            u = lowest_bit(stack)
            stack &= stack - 1
            if is_odd:
                # All of a region has one color up to parity, but u itself may have either.
                own = colors if (colors >> u) & 1 else ~colors
                joined = (near[0, u] & own) | (near[1, u] & ~own)
                cut |= (near[0, u] & ~own) | (near[1, u] & own)
            else:
                both = near[0, u] | near[1, u]
                joined = both & same
                cut |= both & ~same
                twisted |= near[1, u]
            new = joined & ~reach
            reach |= new
            stack |= new
        if root < 0 and (
            one_sided & reach
            or (is_odd and cut & reach)
            or (not is_odd and twisted & reach and _is_one_sided(near, reach, start))
        ):
            root = current
        unseen &= ~reach
        seeds[current] = cut
        forest[current] = 0
        empty[current] = 0
        while at < count and seeds[at] & unseen == 0:
            at += 1
        if at == count:
            break
        if count == MAX_REGIONS:
            return FAILED
        start = lowest_bit(seeds[at] & unseen)
        current = count
        parent[current] = at
        count += 1
    if root < 0 or unseen:
        return FAILED
    return fold_tree(count, root, parent, empty, forest)


@njit(cache=True)
def _add_varied(point, grid, label, sheet, num_nodes):
    """Make the copies of a varied point nodes; return the number of nodes.

    The first quadrant of a copy is its sheet 0; the quadrant glued to it along x + y = d is the
    other sheet.
    """
    for e in range(4):
        sheet[e, point] = -1
    for first in range(4):
        if sheet[first, point] >= 0:
            continue
        for e in range(first, 4):
            crossing = _crossing(first ^ e, point, grid.masks)
            if crossing >= 0:
                label[e, point] = num_nodes
                sheet[e, point] = crossing
        num_nodes += 1
    return num_nodes


@njit(cache=True)
def _crossing(difference, point, masks):
    """Tell how a point's copies in two quadrants are glued: 0 same sheet, 1 other sheet, -1 not."""
    left, bottom, slanted = masks[0] >> point & 1, masks[1] >> point & 1, masks[2] >> point & 1
    if difference == 0 or (difference == 1 and left) or (difference == 2 and bottom):
        return 0
    if difference == 3 and left and bottom:
        return 0
    if slanted and (difference == 3 or left or bottom):
        return 1
    return -1


class _Block(NamedTuple):
    """Scratch of a sweep: the small graph of the block at hand, and room for one evaluation."""

    label: NDArray[np.int64]
    """(4, 64): node of each point in each quadrant."""
    sheet: NDArray[np.int64]
    """(4, 64): sheet of the node that lies there."""
    near: NDArray[np.int64]
    """(2, 64): neighbor words of the nodes by parity."""
    flips: NDArray[np.int64]
    """(low,): the copies of each varied point as nodes."""


@njit(cache=True)
def _prepare(neighbors, edges, grid, varied_points, varied, high, block, scratch):
    """Set up the small graph of a block; return (nodes or -1, their colors, one-sided nodes)."""
    colors = scratch.colors
    for e in range(4):
        colors[e] = high ^ grid.quadrant_bits[e]
    num_nodes, painted, one_sided = _label_pieces(
        neighbors, colors, grid, varied, block.label, block.sheet, scratch
    )
    if num_nodes < 0:
        return -1, 0, 0
    for i in range(varied_points.size):
        num_nodes = _add_varied(varied_points[i], grid, block.label, block.sheet, num_nodes)
        if num_nodes > MAX_NODES:
            return -1, 0, 0
    for i in range(varied_points.size):
        p = varied_points[i]
        block.flips[i] = 0
        for e in range(4):
            node = block.label[e, p]
            block.flips[i] |= 1 << node
            if block.sheet[e, p] == 0 and (grid.quadrant_bits[e] >> p) & 1:
                painted |= 1 << node
    _join_nodes(edges, num_nodes, block.label, block.sheet, block.near)
    return num_nodes, painted, one_sided


@njit(cache=True, nogil=True)
def sweep(neighbors, edges, grid, free_points, begin, end, low):
    """Evaluate the sign vectors begin <= k < end of one triangulation and count their schemes.

    Parameters
    ----------
    neighbors : int64 (64,)
        Bit q of entry p: p and q are joined by an edge.
    edges : int64 (E, 2)
    grid : Grid
    free_points : int64 (f,), ascending
        Bit i of k is the sign of point free_points[i]; all other signs are 0.
    begin, end : int
    low : int
        Number of varied points: the first ones of `free_points`.

    Returns
    -------
    codes, counts, witnesses, failures
        As `gpu.isotopy.sweep`.
    """
    codes = np.zeros(TABLE_SIZE, np.int64)
    counts = np.zeros(TABLE_SIZE, np.int64)
    witnesses = np.zeros(TABLE_SIZE, np.int64)
    scratch = new_scratch()
    seeds = np.empty(MAX_REGIONS, np.int64)
    low = min(low, free_points.size)
    block = _Block(
        np.zeros((4, 64), np.int64),
        np.zeros((4, 64), np.int64),
        np.zeros((2, 64), np.int64),
        np.zeros(low, np.int64),
    )
    varied = 0
    for i in range(low):
        varied |= 1 << free_points[i]
    failures = 0
    k = begin
    while k < end:
        block_end = min(end, ((k >> low) + 1) << low)
        high = 0
        for i in range(low, free_points.size):
            high |= ((k >> i) & 1) << free_points[i]
        num_nodes, base, one_sided = _prepare(
            neighbors, edges, grid, free_points[:low], varied, high, block, scratch
        )
        while k < block_end:
            witness, painted = high, base
            for i in range(low):
                if (k >> i) & 1:
                    witness |= 1 << free_points[i]
                    painted ^= block.flips[i]
            if num_nodes < 0:
                code = scheme_code(neighbors, grid, witness, scratch)
            else:
                code = _small_code(
                    block.near, one_sided, painted, num_nodes, grid.is_odd, seeds, scratch
                )
            if code == FAILED or not count_code(codes, counts, witnesses, code, witness):
                failures += 1
            k += 1
    return codes, counts, witnesses, failures
