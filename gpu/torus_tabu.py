"""Tabu search for the largest colored part of a torus: PartialCol on conflict counts.

A *move* gives a removed cell a color and removes the cells that conflict.  Taken is the oldest of
the moves with the fewest conflicts; a cell that a move removed does not come back to its color for
some steps.  Moves with few conflicts only are listed, each in the list of its number of conflicts,
so that a step costs what its updates cost, whatever the size of the torus.

References
----------
Blöchliger and Zufferey, A graph coloring heuristic using partial solutions and a reactive tabu
scheme, Computers and Operations Research 35 (2008).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gpu.torus_conflicts import REMOVED, conflicting_cells, next_random, place_of, span

__all__ = ["tabu_search"]

LISTED = 4
"""Moves with fewer conflicts than this are listed."""
TENURE = 10
"""Least number of steps for which a move is tabu; up to as many are added at random."""


@njit(cache=True, nogil=True)
def tabu_search(colors, counts, graph, steps, seed):
    """Search from a proper coloring, and keep the best.

    Parameters
    ----------
    colors : (N,) uint8
        Changed in place, as are the counts, which belong to it before and after.
    counts : (k, N) integers
    graph
        See `gpu.torus_conflicts.insert_free`.
    steps : int
        Number of moves.
    seed : int

    Returns
    -------
    best : (N,) uint8
        A coloring with the fewest removed cells that was met.
    done : int
        Moves made; fewer than `steps` if no move is listed.
    """
    removed = np.flatnonzero(colors == REMOVED)
    moves = listed_moves(counts, removed)
    random = np.array([2 * seed + 1], np.uint64)
    best = colors.copy()
    is_kept = True
    least = now = len(removed)
    for step in range(steps):
        move, conflicts = oldest(moves, step)
        if move < 0:
            return best, step
        if conflicts > 1 and not is_kept:
            best = colors.copy()
            is_kept = True
        tenure = TENURE + now // 20
        insert(colors, counts, graph, moves, move, conflicts, step + tenure, random)
        now += conflicts - 1
        if now < least:
            least, is_kept = now, False
    if not is_kept:
        best = colors.copy()
    return best, steps


@njit(cache=True, nogil=True)
def listed_moves(counts, removed):
    """Tables of the moves of removed cells.

    A removed cell has a *slot*; its move to color c has the number slot * k + c.

    Returns
    -------
    heads, tails : (LISTED,) int64
        First and last move of every list, -1 if it is empty.
    after, before : (room * k,) int32
        The neighbors of a move in its list, or -1.
    until : (room * k,) int64
        The step at which a move stops to be tabu.
    slot_of : (N,) int32
        -1 for cells that have a color.
    cell_of, free : (room,) int32
        The cell of a slot; slots that are not used, in front.
    num_free : (1,) int64
    """
    k, cells = counts.shape
    room = min(cells, len(removed) + len(removed) // 4 + 64)
    moves = (
        np.full(LISTED, -1, np.int64),
        np.full(LISTED, -1, np.int64),
        np.full(room * k, -1, np.int32),
        np.full(room * k, -1, np.int32),
        np.zeros(room * k, np.int64),
        np.full(cells, -1, np.int32),
        np.full(room, -1, np.int32),
        np.arange(room).astype(np.int32),
        np.array([room]),
    )
    for cell in removed:
        enter(counts, moves, cell)
    return moves


@njit(cache=True, nogil=True)
def oldest(moves, step):
    """The first move that is not tabu of those with the fewest conflicts, and their number.

    The move is -1 if no cell can be inserted, or so few slots are left that its conflicts might not
    fit.
    """
    heads, _, after, _, until, _, _, _, num_free = moves
    for key in range(len(heads)):
        move = heads[key]
        while move >= 0:
            if until[move] <= step:
                return (move if num_free[0] >= key else -1), key
            move = after[move]
    return -1, 0


@njit(cache=True, nogil=True)
def insert(colors, counts, graph, moves, move, conflicts, until_step, random):
    """Make a move; its inverses are tabu until a step, and a little longer at random."""
    runs, begin, end, shape = graph
    slot, color = move // len(counts), move % len(counts)
    cell = np.int64(moves[6][slot])
    own = runs[begin[color] : end[color]]
    partners = np.empty(conflicts, np.int64)
    conflicting_cells(partners, colors, color, cell, own, shape)
    leave(counts, moves, slot)
    colors[cell] = color
    shift_listed(counts, moves, color, cell, own, shape, np.int64(1))
    for other in partners:
        colors[other] = REMOVED
        shift_listed(counts, moves, color, other, own, shape, np.int64(-1))
        slot = enter(counts, moves, other)
        moves[4][slot * len(counts) + color] = until_step + next_random(random) % TENURE


@njit(cache=True, nogil=True)
def enter(counts, moves, cell):
    """Give a removed cell a slot and list its moves; the slot."""
    _, _, _, _, until, slot_of, cell_of, free, num_free = moves
    k = len(counts)
    num_free[0] -= 1
    slot = np.int64(free[num_free[0]])
    slot_of[cell], cell_of[slot] = slot, cell
    until[slot * k : (slot + 1) * k] = 0
    for color in range(k):
        if counts[color, cell] < LISTED:
            append(moves, np.int64(counts[color, cell]), slot * k + color)
    return slot


@njit(cache=True, nogil=True)
def leave(counts, moves, slot):
    """Take the moves of a cell from the lists, and its slot."""
    _, _, _, _, _, slot_of, cell_of, free, num_free = moves
    cell, k = cell_of[slot], len(counts)
    for color in range(k):
        if counts[color, cell] < LISTED:
            drop(moves, np.int64(counts[color, cell]), slot * k + color)
    slot_of[cell] = -1
    free[num_free[0]] = slot
    num_free[0] += 1


@njit(cache=True, nogil=True)
def shift_listed(counts, moves, color, cell, runs, shape, step):
    """As `gpu.torus_conflicts.shift_counts`; moves go from list to list with their counts."""
    slot_of, k, own = moves[5], len(counts), counts[color]
    layer, row, column = place_of(cell, shape)
    for r in range(len(runs)):
        first, end, again, stop = span(runs[r], layer, row, column, shape)
        for j in range(first, end):
            if slot_of[j] >= 0:
                relist(moves, np.int64(own[j]), step, slot_of[j] * k + color)
            own[j] += step
        for j in range(again, stop):
            if slot_of[j] >= 0:
                relist(moves, np.int64(own[j]), step, slot_of[j] * k + color)
            own[j] += step


@njit(cache=True, nogil=True)
def relist(moves, key, step, move):
    """Bring a move to the list of its new number of conflicts."""
    if key < LISTED:
        drop(moves, key, move)
    if key + step < LISTED:
        append(moves, key + step, move)


@njit(cache=True, nogil=True)
def append(moves, key, move):
    """Put a move at the end of a list."""
    heads, tails, after, before, _, _, _, _, _ = moves
    last = tails[key]
    after[move], before[move] = -1, last
    if last >= 0:
        after[last] = move
    else:
        heads[key] = move
    tails[key] = move


@njit(cache=True, nogil=True)
def drop(moves, key, move):
    """Take a move out of its list."""
    heads, tails, after, before, _, _, _, _, _ = moves
    if before[move] >= 0:
        after[before[move]] = after[move]
    else:
        heads[key] = after[move]
    if after[move] >= 0:
        before[after[move]] = before[move]
    else:
        tails[key] = before[move]
