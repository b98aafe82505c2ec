"""The real scheme of one sign vector: regions by union-find, then their rooted tree.

The input is the one-skeleton of RP^2 as rows (vertex, vertex, point, point, e.(p + q), twist); see
`gpu.frontier` for the meaning of the last two.  An edge joins its vertices to one region if
s_p + s_q + e.(p + q) = 0 mod 2.  The root is the region with a potential contradiction (even
degree) or the region with a bichromatic edge to itself (odd degree).

One evaluation is O(E alpha(E)) and reads every edge twice.  For many sign vectors of one
triangulation, `sweep` runs through a range of them and counts scheme codes.

References
----------
The algorithm class: arXiv 2604.09221, Section 3.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gpu.forests import merge, plant

TABLE_SIZE = 1 << 16
"""Slots for distinct schemes; degree 9 is known to have far fewer than half as many."""

NO_ROOT = -1


@njit(cache=True)
def _find(parent, parity, x):
    """Return (representative, potential relative to it), halving the path on the way."""
    p = 0
    while parent[x] != x:
        up = parent[x]
        parity[x] ^= parity[up]
        parent[x] = parent[up]
        p ^= parity[x]
        x = parent[x]
    return x, p


@njit(cache=True)
def label_regions(edges, signs, is_odd, parent, parity, label):
    """Label every vertex with its region.

    Parameters
    ----------
    edges : int64 (E, 6)
    signs : int64 (n,)
        0 or 1 per point.
    is_odd : bool
        Parity of the degree.
    parent, parity, label : int64 (V,)
        Scratch and result: regions are numbered by their first vertex.

    Returns
    -------
    num_regions, root : int
        `root` is the label of the root region.
    """
    for v in range(parent.size):
        parent[v] = v
        parity[v] = 0
    root = NO_ROOT
    for e in range(edges.shape[0]):
        if signs[edges[e, 2]] ^ signs[edges[e, 3]] ^ edges[e, 4]:
            continue
        a, a_potential = _find(parent, parity, edges[e, 0])
        b, b_potential = _find(parent, parity, edges[e, 1])
        twist = a_potential ^ b_potential ^ edges[e, 5]
        if a != b:
            parent[max(a, b)] = min(a, b)
            parity[max(a, b)] = twist
        elif twist and not is_odd:
            root = a
    num_regions = 0
    for v in range(parent.size):
        top, _ = _find(parent, parity, v)
        if top == v:
            label[v] = num_regions
            num_regions += 1
        else:
            label[v] = label[top]
    if not is_odd:
        # A contradiction may have been found before its region was joined to a smaller one.
        return num_regions, label[root] if root >= 0 else NO_ROOT
    for e in range(edges.shape[0]):
        u, v = label[edges[e, 0]], label[edges[e, 1]]
        if u == v and signs[edges[e, 2]] ^ signs[edges[e, 3]] ^ edges[e, 4]:
            return num_regions, u
    return num_regions, NO_ROOT


@njit(cache=True)
def _tree_code(edges, signs, num_regions, root, label, adjacent, forest, order, above):
    """Return the code of the rooted tree of at most 62 regions, -1 if it is not a tree."""
    for c in range(num_regions):
        adjacent[c] = 0
        forest[c] = 0
    for e in range(edges.shape[0]):
        if signs[edges[e, 2]] ^ signs[edges[e, 3]] ^ edges[e, 4]:
            a, b = label[edges[e, 0]], label[edges[e, 1]]
            if a != b:
                adjacent[a] |= 1 << b
                adjacent[b] |= 1 << a
    order[0], above[root] = root, -1
    seen, count, at = 1 << root, 1, 0
    while at < count:
        c = order[at]
        at += 1
        rest = adjacent[c]
        b = 0
        while rest:
            if rest & 1 and b != above[c]:
                if (seen >> b) & 1:
                    return -1
                seen |= 1 << b
                above[b] = c
                order[count] = b
                count += 1
            rest >>= 1
            b += 1
    if count != num_regions:
        return -1
    for i in range(num_regions - 1, 0, -1):
        c = order[i]
        forest[above[c]] = merge(forest[above[c]], plant(forest[c]))
    return forest[root]


@njit(cache=True)
def _scatter(index, free_points, signs):
    """Write the bits of an index to the free points; return them as a word by point."""
    witness = 0
    for i in range(free_points.size):
        bit = (index >> i) & 1
        signs[free_points[i]] = bit
        witness |= bit << free_points[i]
    return witness


@njit(cache=True)
def count_code(codes, counts, witnesses, code, witness):
    """Count a code in an open-addressing table; return whether there was room."""
    mask = codes.size - 1
    at = (code * 0x2545F4914F6CDD1D >> 20) & mask
    for _ in range(codes.size // 2):
        if counts[at] == 0:
            codes[at] = code
            witnesses[at] = witness
        if codes[at] == code:
            counts[at] += 1
            return True
        at = (at + 1) & mask
    return False


@njit(cache=True, nogil=True)
def sweep(edges, num_vertices, num_points, is_odd, free_points, begin, end):
    """Evaluate the sign vectors begin <= k < end and count their schemes.

    Parameters
    ----------
    edges : int64 (E, 6)
    num_vertices, num_points : int
    is_odd : bool
    free_points : int64 (f,), ascending
        Bit i of k is the sign of point free_points[i]; all other signs are 0.
    begin, end : int

    Returns
    -------
    codes, counts, witnesses : int64 (TABLE_SIZE,)
        An entry is used if its count is positive; its witness is the smallest sign vector, as a
        word by point, that has the scheme.
    failures : int
        Sign vectors that gave no rooted tree of at most 31 nodes (0 for every valid input).
    """
    codes = np.zeros(TABLE_SIZE, np.int64)
    counts = np.zeros(TABLE_SIZE, np.int64)
    witnesses = np.zeros(TABLE_SIZE, np.int64)
    signs = np.zeros(num_points, np.int64)
    parent = np.empty(num_vertices, np.int64)
    parity = np.empty(num_vertices, np.int64)
    label = np.empty(num_vertices, np.int64)
    adjacent = np.empty(64, np.int64)
    forest = np.empty(64, np.int64)
    order = np.empty(64, np.int64)
    above = np.empty(64, np.int64)
    failures = 0
    for k in range(begin, end):
        witness = _scatter(k, free_points, signs)
        num_regions, root = label_regions(edges, signs, is_odd, parent, parity, label)
        if root < 0 or num_regions > 32:
            failures += 1
            continue
        code = _tree_code(edges, signs, num_regions, root, label, adjacent, forest, order, above)
        if code < 0 or not count_code(codes, counts, witnesses, code, witness):
            failures += 1
    return codes, counts, witnesses, failures


@njit(cache=True, nogil=True)
def scheme_codes(edges, num_vertices, num_points, is_odd, words):
    """Return the scheme codes (B,) of sign vectors (B,), words by point; -1 where there is none."""
    codes = np.full(words.size, -1, np.int64)
    signs = np.zeros(num_points, np.int64)
    parent = np.empty(num_vertices, np.int64)
    parity = np.empty(num_vertices, np.int64)
    label = np.empty(num_vertices, np.int64)
    adjacent = np.empty(64, np.int64)
    forest = np.empty(64, np.int64)
    order = np.empty(64, np.int64)
    above = np.empty(64, np.int64)
    for i in range(words.size):
        for p in range(num_points):
            signs[p] = (words[i] >> p) & 1
        num_regions, root = label_regions(edges, signs, is_odd, parent, parity, label)
        if root >= 0 and num_regions <= 32:
            codes[i] = _tree_code(
                edges, signs, num_regions, root, label, adjacent, forest, order, above
            )
    return codes
