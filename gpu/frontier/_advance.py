"""The step itself: every state of a layer, with either sign, into a hash table of new states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.bits import lowest_bit
from gpu.frontier._keys import decode, encode
from gpu.frontier._layout import KEY_WORDS, MAX_REGIONS, Layer, new_work
from gpu.frontier._regions import fold, join, live_and_closed, separate, turn_chain

DONE, OUT_OF_MEMORY, TOO_WIDE = 0, 1, 2


class _States(NamedTuple):
    """A layer with room for more states, and a hash table of their keys."""

    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]
    hashes: NDArray[np.int64]
    counts: NDArray[np.int64]
    witnesses: NDArray[np.int64]
    table: NDArray[np.int32]
    """Open addressing: index + 1 of a state, or 0."""


@njit(cache=True)
def _transition(step, w, signs, total, root, num_chain, made):
    """Add the new point (its sign is the last bit of `signs`) to the decoded state.

    Returns (key length, index of the gauge): length 0 drops the state, -1 means too wide.
    """
    for c in range(total):
        w.parent[c] = c
        w.parity[c] = 0
        w.forest[c] = w.forest0[c]
        w.adjacent[c] = w.adjacent0[c]
    root, joins = join(step, w, signs, root)
    made += step.num_copies - joins
    if made < step.min_regions:
        return 0, 0
    root = separate(step, w, signs, root)
    closed = live_and_closed(step, w, total)
    closed, root, num_chain = fold(w, closed, root, num_chain)
    if step.kept_points.size == 0:
        w.key[0] = turn_chain(w, w.forest[lowest_bit(closed)], num_chain)
        return 1, 0
    kept_signs = 0
    for i in range(step.kept_points.size):
        kept_signs |= ((signs >> step.kept_points[i]) & 1) << i
    gauge = 0
    for i in range(step.references.size):
        gauge |= ((kept_signs >> step.references[i]) & 1) << i
    kept_signs ^= step.gauge_signs[gauge]
    quadrant = step.gauge_quadrant[gauge]
    length = encode(step, w, kept_signs, quadrant, total, closed, root, num_chain, made)
    return (length if length else -1), gauge


@njit(cache=True)
def _hash(key, length):
    """Mix the words of a key to 62 bits."""
    h = length
    for i in range(length):
        h = (h ^ key[i]) * 0x2545F4914F6CDD1D
        h ^= (h >> 29) & 0x7FFFFFFFF
    h *= 0x1B03738712FAD5C9
    return (h ^ (h >> 32)) & 0x3FFFFFFFFFFFFFFF


@njit(cache=True)
def _resize(array, size):
    """Copy an array into a longer one."""
    longer = np.empty(size, array.dtype)
    longer[: array.size] = array
    return longer


@njit(cache=True)
def _rehash(hashes, count, size):
    """Build an open-addressing table (entries are index + 1) of the first `count` states."""
    table = np.zeros(size, np.int32)
    for i in range(count):
        at = hashes[i] & (size - 1)
        while table[at] != 0:
            at = (at + 1) & (size - 1)
        table[at] = i + 1
    return table


@njit(cache=True)
def _lookup(table, hashes, keys, offsets, key, length, h):
    """Find a key: (position in the table, its index or -1)."""
    mask = table.size - 1
    at = h & mask
    while table[at] != 0:
        i = table[at] - 1
        if hashes[i] == h and offsets[i + 1] - offsets[i] == length:
            begin = offsets[i]
            same = True
            for j in range(length):
                if keys[begin + j] != key[j]:
                    same = False
                    break
            if same:
                return at, i
        at = (at + 1) & mask
    return at, -1


@njit(cache=True)
def _grown(size, needed):
    """Return the size itself if it suffices, else half as much again."""
    return size if needed <= size else max(needed, size + (size >> 1))


@njit(cache=True)
def _new_states(words, states, counting):
    """Allocate room for the successors of a layer."""
    table_size = 256
    while table_size < 2 * states:
        table_size *= 2
    offsets = np.empty(states + 1, np.int64)
    offsets[0] = 0
    return _States(
        np.empty(words, np.int64),
        offsets,
        np.empty(states, np.int64),
        np.empty(states if counting else 0, np.int64),
        np.empty(states, np.int64),
        np.zeros(table_size, np.int32),
    )


@njit(cache=True)
def _with_room(new, num_new, words, states, table_size):
    """Copy what has to grow for so many words and states."""
    keys = _resize(new.keys, words) if words > new.keys.size else new.keys
    if states == new.hashes.size:
        return _States(keys, new.offsets, new.hashes, new.counts, new.witnesses, new.table)
    hashes = _resize(new.hashes, states)
    return _States(
        keys,
        _resize(new.offsets, states + 1),
        hashes,
        _resize(new.counts, states) if new.counts.size else new.counts,
        _resize(new.witnesses, states),
        _rehash(hashes, num_new, table_size) if table_size > new.table.size else new.table,
    )


@njit(cache=True)
def _fill(step, old, first, new, num_new):
    """Add the new point to the states from the first on, while there is room for two more.

    Returns (outcome, the next old state, number of new states).
    """
    keys, offsets, hashes, counts, witnesses, table = new
    num_old = old.offsets.size - 1
    counting = old.counts.size > 0
    w = new_work()
    for i in range(first, num_old):
        if offsets[num_new] + 2 * KEY_WORDS > keys.size or num_new + 2 > hashes.size:
            return DONE, i, num_new
        key = old.keys[old.offsets[i] : old.offsets[i + 1]]
        signs, total, root, num_chain, made = decode(key, step, w)
        if total + step.num_copies > MAX_REGIONS or num_chain + total > 60:
            return TOO_WIDE, i, num_new
        for j in range(step.num_copies):
            w.region[step.num_old_slots + j] = total
            w.potential[step.num_old_slots + j] = 0
            w.forest0[total] = 0
            w.adjacent0[total] = 0
            total += 1
        for sign in range(2):
            length, gauge = _transition(
                step, w, signs | (sign << step.num_old_points), total, root, num_chain, made
            )
            if length == 0:
                continue
            if length < 0:
                return TOO_WIDE, i, num_new
            witness = old.witnesses[i] | (step.point_bit if sign else 0)
            witness ^= step.gauge_witness[gauge]
            h = _hash(w.key, length)
            at, found = _lookup(table, hashes, keys, offsets, w.key, length, h)
            if found >= 0:
                witnesses[found] = min(witnesses[found], witness)
                if counting:
                    counts[found] += old.counts[i]
                continue
            begin = offsets[num_new]
            for j in range(length):
                keys[begin + j] = w.key[j]
            offsets[num_new + 1] = begin + length
            hashes[num_new] = h
            witnesses[num_new] = witness
            if counting:
                counts[num_new] = old.counts[i]
            table[at] = num_new + 1
            num_new += 1
    return DONE, num_old, num_new


@njit(cache=True)
def advance(step, old, held_bytes, max_bytes):
    """Add one point with either sign to every state of a layer.

    Parameters
    ----------
    step : Step
    old : Layer
    held_bytes : int
        Memory that the old layer holds.
    max_bytes : int
        Memory budget of both layers together.

    Returns
    -------
    outcome : int
        `DONE`, `OUT_OF_MEMORY` or `TOO_WIDE` (a state does not fit the packed key).
    layer : Layer
        In the last layer (nothing kept) the keys are scheme codes of one word each.
    new_bytes, peak_bytes : int
        Memory that the new layer holds, and the most that both took together.

    Notes
    -----
    Time and memory are linear in the number of states of both layers.  The result does not depend
    on the memory budget or on the sizes of the tables.
    """
    num_old = old.offsets.size - 1
    counting = old.counts.size > 0
    new = _new_states(10 * num_old + 4 * KEY_WORDS, num_old + 64, counting)
    num_new = 0
    peak = held_bytes + 8 * (new.keys.size + 4 * new.hashes.size) + 4 * new.table.size
    outcome = DONE if peak <= max_bytes else OUT_OF_MEMORY
    i = 0
    while i < num_old and outcome == DONE:
        words = _grown(new.keys.size, new.offsets[num_new] + 2 * KEY_WORDS)
        states = _grown(new.hashes.size, num_new + 2)
        if words > new.keys.size or states > new.hashes.size:
            table_size = new.table.size
            while 2 * table_size < 3 * states:
                table_size *= 2
            # While an array grows, its old and its new copy exist.
            now = held_bytes + 8 * (words + new.keys.size + 5 * states) + 6 * table_size
            peak = max(peak, now)
            if now > max_bytes:
                outcome = OUT_OF_MEMORY
                break
            new = _with_room(new, num_new, words, states, table_size)
        outcome, i, num_new = _fill(step, old, i, new, num_new)

    layer = Layer(
        new.keys[: new.offsets[num_new]],
        new.offsets[: num_new + 1],
        new.counts[:num_new] if counting else new.counts,
        new.witnesses[:num_new],
    )
    return outcome, layer, 8 * (new.keys.size + 3 * new.hashes.size), peak
