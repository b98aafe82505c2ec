"""Conflict counts of colored cells on a torus: for every color and cell, how many cells conflict.

Cells of a torus of m_1 x ... x m_n cells are numbered in row-major order.  Cells i and j conflict
in color c if both have it and j - i, modulo the shape, is one of the offsets of c.  Offsets are
kept as *runs*, neighbors in a row of cells, so that an update is a few additions to consecutive
memory for each row that the set of offsets meets.  The shape has three axes; in the plane the
first is 1.

`counts[c, i]` is the number of cells of color c that cell i conflicts with, or would conflict with
if it had color c.  Coloring a cell, or taking its color away, changes one row of the table at as
many places as there are offsets.

Integers are passed on as int64, so that each function is compiled once.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["REMOVED", "conflict_runs", "conflicting_cells", "insert_free", "recolor"]
__all__ += ["next_random", "remove_conflicts", "shift_counts"]

REMOVED = 255
"""The color of a cell that has none."""


def conflict_runs(offsets: NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Offsets modulo the shape as runs.

    Parameters
    ----------
    offsets : (q, n) integers, n = 2 or 3
    shape : n sizes

    Returns
    -------
    runs : (r, 4) int32, sorted
        Steps along the first two of three axes (the first is 0 in the plane), the first step along
        the last axis, and the number of cells.
    """
    steps = np.zeros((len(offsets), 3), np.int64)
    steps[:, 3 - len(shape) :] = np.mod(offsets, shape)
    steps = np.unique(steps, axis=0)
    starts = np.ones(len(steps), np.bool_)
    starts[1:] = (np.diff(steps, axis=0) != (0, 0, 1)).any(axis=1)
    first = np.flatnonzero(starts)
    lengths = np.diff(np.append(first, len(steps)))
    return np.column_stack([steps[first], lengths]).astype(np.int32)


@njit(cache=True, nogil=True)
def span(run, layer, row, column, shape):
    """The cells of a run beside a cell: from `first` to `end`, and from `again` to `stop`.

    The second range is what goes over the end of the row; it may be empty.
    """
    layer += run[0]
    if layer >= shape[0]:
        layer -= shape[0]
    row += run[1]
    if row >= shape[1]:
        row -= shape[1]
    column += run[2]
    if column >= shape[2]:
        column -= shape[2]
    again = (layer * shape[1] + row) * shape[2]
    first = again + column
    end = min(first + run[3], again + shape[2])
    return first, end, again, again + run[3] - (end - first)


@njit(cache=True, nogil=True)
def place_of(cell, shape):
    """The three coordinates of a cell."""
    column = cell % shape[2]
    rows = cell // shape[2]
    return rows // shape[1], rows % shape[1], column


@njit(cache=True, nogil=True)
def shift_counts(counts, cell, runs, shape, step):
    """Add a step to the counts of one color, (N,), at all cells that conflict with a cell."""
    layer, row, column = place_of(cell, shape)
    for r in range(len(runs)):
        first, end, again, stop = span(runs[r], layer, row, column, shape)
        for j in range(first, end):
            counts[j] += step
        for j in range(again, stop):
            counts[j] += step


@njit(cache=True, nogil=True)
def conflicting_cells(found, colors, color, cell, runs, shape):
    """Write the cells of a color that conflict with a cell to `found`, which they fill."""
    layer, row, column = place_of(cell, shape)
    number = 0
    for r in range(len(runs)):
        if number == len(found):
            break
        first, end, again, stop = span(runs[r], layer, row, column, shape)
        for j in range(first, end):
            if colors[j] == color:
                found[number] = j
                number += 1
        for j in range(again, stop):
            if colors[j] == color:
                found[number] = j
                number += 1


@njit(cache=True, nogil=True)
def recolor(colors, counts, graph, cell, color):
    """Give a cell a color, or none, and bring the counts up to date."""
    runs, begin, end, shape = graph
    old = np.int64(colors[cell])
    if old != REMOVED:
        shift_counts(counts[old], cell, runs[begin[old] : end[old]], shape, np.int64(-1))
    if color != REMOVED:
        shift_counts(counts[color], cell, runs[begin[color] : end[color]], shape, np.int64(1))
    colors[cell] = color


@njit(cache=True, nogil=True)
def insert_free(colors, counts, graph, cells):
    """Color each of some removed cells, in this order, with the first color that fits; how many.

    Parameters
    ----------
    colors : (N,) uint8
        Changed in place, as are the counts.
    counts : (k, N) integers
    graph : runs (r, 4) int32, begin (k,) int64, end (k,) int64, shape (3,) int64
        The runs of color c are ``runs[begin[c]:end[c]]``.
    cells : (u,) integers
        Cells that have a color already are left alone.
    """
    inserted = 0
    for cell in cells:
        if colors[cell] != REMOVED:
            continue
        for color in range(len(counts)):
            if counts[color, cell] == 0:
                recolor(colors, counts, graph, cell, color)
                inserted += 1
                break
    return inserted


@njit(cache=True, nogil=True)
def remove_conflicts(colors, counts, graph):
    """Remove cells until none conflict, always one with the most conflicts; how many.

    Of cells with equally many the one that came to this number last is taken.  Parameters as in
    `insert_free`.
    """
    runs, begin, end, shape = graph
    cells = len(colors)
    most = 0
    for i in range(cells):
        if colors[i] != REMOVED:
            most = max(most, np.int64(counts[colors[i], i]))
    heads = np.full(most + 1, -1, np.int64)
    after, before = np.full(cells, -1, np.int32), np.full(cells, -1, np.int32)
    for i in range(cells):
        if colors[i] != REMOVED and counts[colors[i], i] > 0:
            link(heads, after, before, np.int64(counts[colors[i], i]), i)
    found = np.empty(most, np.int64)
    removed = 0
    while most > 0:
        i = heads[most]
        if i < 0:
            most -= 1
            continue
        color = np.int64(colors[i])
        own = runs[begin[color] : end[color]]
        unlink(heads, after, before, most, i)
        colors[i] = REMOVED
        partners = found[:most]
        conflicting_cells(partners, colors, color, i, own, shape)
        for j in partners:
            degree = np.int64(counts[color, j])
            unlink(heads, after, before, degree, j)
            if degree > 1:
                link(heads, after, before, degree - 1, j)
        shift_counts(counts[color], i, own, shape, np.int64(-1))
        removed += 1
    return removed


@njit(cache=True, nogil=True)
def next_random(state):
    """A number below 2^31 of a xorshift generator (Marsaglia 2003)."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return np.int64(x >> np.uint64(33))


@njit(cache=True, nogil=True)
def link(heads, after, before, key, i):
    """Put i in front of the list of a key."""
    j = heads[key]
    after[i], before[i] = j, -1
    if j >= 0:
        before[j] = i
    heads[key] = i


@njit(cache=True, nogil=True)
def unlink(heads, after, before, key, i):
    """Take i out of the list of a key."""
    if before[i] >= 0:
        after[before[i]] = after[i]
    else:
        heads[key] = after[i]
    if after[i] >= 0:
        before[after[i]] = before[i]
