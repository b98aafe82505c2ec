"""One layer of the frontier dynamic program that counts real schemes over all sign vectors.

Notation.  T is a unimodular triangulation of d*Delta_2 whose points are added one after the other.
The *frontier* is the set of added points that still have a neighbor to come.  In RP^2 a point has
4, 2 or 1 copies (one per quadrant, up to gluing); a *slot* is a copy of a frontier point.  An edge
{p, q} is monochromatic in quadrant e exactly if s_p + s_q + e.(p + q) = 0 mod 2; monochromatic
edges join copies into *regions*, the others separate two regions by an oval (or by the
pseudo-line J, whose two sides are one region).

State.  What the points still to come can see of the past, and nothing more:

* the signs of the frontier points;
* the partition of the slots into regions, for even d with Z2 potentials (which lift of a slot to
  the sphere lies in which lift of its region) until the one-sided region has been found;
* of every region the forest of ovals that are finished inside it;
* the *root*: the region that will be the non-orientable one (even d: a potential contradiction;
  odd d: a region that meets itself along J);
* regions without slots (*closed*) with two or more neighbors, and the adjacencies that cannot be
  read off the edges between frontier points.

A closed region with a single neighbor is a leaf of the tree of regions and folds into its
neighbor; if it is the root, it folds into a *chain* that is turned around at the end.

Gauge.  Adding an affine function c0 + c1 x + c2 y to the signs flips colors and permutes quadrants
by (c1, c2), hence changes no scheme.  Every state is moved to the representative in which three
chosen frontier points have sign 0; this leaves one state in eight.  Counts are over all 2^n sign
vectors.

Values.  Number of sign vectors that lead to a state, and the smallest of the sign vectors met
(in the state's gauge).

References
----------
The problem: arXiv 2604.09221, Section 2; the gauge group: Viro's patchworking theorem.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.forests import merge, plant

MAX_REGIONS = 62
"""Regions are bits of a signed 64-bit mask; two bits are kept free."""
MAX_FRONTIER = 20
"""Frontier points that the header word can hold."""
KEY_WORDS = 224
"""Upper bound for the words of one key: header, labels, forests, chain and adjacencies."""

DONE, OUT_OF_MEMORY, TOO_WIDE = 0, 1, 2




class Step(NamedTuple):
    """What adding one point means for every state: index tables, all int64.

    Edge copies are rows (slot, slot, position, position, e.(p + q), change of sheet); slots and
    positions are those of the frontier the table is for, the new point coming last.
    """

    is_odd: bool
    """Parity of the degree."""
    num_old_slots: int
    num_old_points: int
    num_copies: int
    """Copies of the new point."""
    old_links: NDArray[np.int64]
    """(l, 6): edge copies inside the old frontier."""
    edges: NDArray[np.int64]
    """(e, 6): edge copies from the old frontier to the new point."""
    kept_points: NDArray[np.int64]
    """(f,): positions that stay, in the order of the new frontier."""
    kept_slots: NDArray[np.int64]
    """(k,): slots that stay."""
    slot_source: NDArray[np.int64]
    """(4, k): per quadrant shift, the old slot that becomes new slot j."""
    slot_flip: NDArray[np.int64]
    """(4, k): per quadrant shift, the change of its potential."""
    new_links: NDArray[np.int64]
    """(m, 6): edge copies inside the new frontier."""
    references: NDArray[np.int64]
    """(r,), r <= 3: new positions whose signs are made 0."""
    gauge_signs: NDArray[np.int64]
    """(2**r,): the affine function that does so, on the new frontier."""
    gauge_quadrant: NDArray[np.int64]
    """(2**r,): its quadrant shift."""
    gauge_witness: NDArray[np.int64]
    """(2**r,): its values on all points added so far, as bits by point index."""
    point_bit: int
    """Bit of the new point in a witness."""
    min_regions: int
    """States that have made fewer regions are dropped (0 keeps all)."""


class Layer(NamedTuple):
    """States after a step: keys back to back, and one count and one witness for each."""

    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]
    """(num_states + 1,): where each key begins."""
    counts: NDArray[np.int64]
    """(num_states,), or empty if nothing is counted."""
    witnesses: NDArray[np.int64]


class _Work(NamedTuple):
    """Scratch of one transition; every array has 64 entries but `key` (`KEY_WORDS`)."""

    region: NDArray[np.int64]
    potential: NDArray[np.int64]
    forest0: NDArray[np.int64]
    adjacent0: NDArray[np.int64]
    forest: NDArray[np.int64]
    adjacent: NDArray[np.int64]
    chain: NDArray[np.int64]
    parent: NDArray[np.int64]
    parity: NDArray[np.int64]
    slot_root: NDArray[np.int64]
    slot_potential: NDArray[np.int64]
    label: NDArray[np.int64]
    order: NDArray[np.int64]
    new_region: NDArray[np.int64]
    scratch: NDArray[np.int64]
    key: NDArray[np.int64]


@njit(cache=True)
def _new_work():
    """Allocate the scratch of `advance`."""
    return _Work(
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(KEY_WORDS, np.int64),
    )


@njit(cache=True)
def _lowest(mask):
    """Return the index of the lowest set bit of a nonzero mask."""
    index = 0
    while mask & 0xFF == 0:
        mask >>= 8
        index += 8
    while mask & 1 == 0:
        mask >>= 1
        index += 1
    return index


@njit(cache=True)
def _is_cut(link, signs):
    """Tell whether an edge copy is bichromatic."""
    return ((signs >> link[2]) ^ (signs >> link[3]) ^ link[4]) & 1


@njit(cache=True)
def _decode(key, step, w):
    """Unpack a key into the scratch; return (signs, regions, root, chain length, regions made)."""
    header = key[0]
    signs = header & 0xFFFFF
    root = ((header >> 20) & 0x7F) - 1
    num_closed = (header >> 27) & 0x3F
    num_forests = (header >> 33) & 0x3F
    num_pairs = (header >> 39) & 0xFF
    num_chain = (header >> 47) & 0x1F
    made = (header >> 52) & 0xFF
    total = 0
    for j in range(step.num_old_slots):
        byte = key[1 + (j >> 3)] >> (8 * (j & 7))
        w.region[j] = byte & 0x3F
        w.potential[j] = (byte >> 6) & 1
        total = max(total, w.region[j] + 1)
    total += num_closed
    for c in range(total):
        w.forest0[c] = 0
        w.adjacent0[c] = 0
    at = 1 + ((step.num_old_slots + 7) >> 3)
    for i in range(at, at + num_forests):
        w.forest0[key[i] & 0x3F] = (key[i] >> 6) & 0x3FFFFFFFFFFFFFF
    at += num_forests
    for i in range(num_chain):
        w.chain[i] = key[at + i]
    at += num_chain
    for i in range(num_pairs):
        pair = key[at + (i >> 2)] >> (16 * (i & 3))
        a, b = (pair >> 6) & 0x3F, pair & 0x3F
        w.adjacent0[a] |= 1 << b
        w.adjacent0[b] |= 1 << a
    for i in range(step.old_links.shape[0]):
        link = step.old_links[i]
        if _is_cut(link, signs):
            a, b = w.region[link[0]], w.region[link[1]]
            if a != b:
                w.adjacent0[a] |= 1 << b
                w.adjacent0[b] |= 1 << a
    return signs, total, root, num_chain, made


@njit(cache=True)
def _find(w, x):
    """Return the representative of region x and its potential relative to it."""
    p = 0
    while w.parent[x] != x:
        p ^= w.parity[x]
        x = w.parent[x]
    return x, p


@njit(cache=True)
def _absorb(w, a, b, root):
    """Let region a absorb region b; return the root."""
    w.forest[a] = merge(w.forest[a], w.forest[b])
    if root == b:
        root = a
    others = w.adjacent[b]
    if (others >> a) & 1:  # odd d: the joined region meets itself along J
        root = a
        others &= ~(1 << a)
    w.adjacent[a] = (w.adjacent[a] | others) & ~(1 << b)
    while others:
        c = _lowest(others)
        others &= others - 1
        w.adjacent[c] = (w.adjacent[c] & ~(1 << b)) | (1 << a)
    return root


@njit(cache=True)
def _join(step, w, signs, root):
    """Join regions along the monochromatic copies of the new edges; return (root, joins)."""
    joins = 0
    for e in range(step.edges.shape[0]):
        edge = step.edges[e]
        if _is_cut(edge, signs):
            continue
        a, a_potential = _find(w, w.region[edge[0]])
        b, b_potential = _find(w, w.region[edge[1]])
        twist = w.potential[edge[0]] ^ w.potential[edge[1]] ^ edge[5] ^ a_potential ^ b_potential
        if a == b:
            if twist and not step.is_odd and root < 0:
                root = a
            continue
        if a > b:
            a, b = b, a
        w.parent[b] = a
        w.parity[b] = twist
        joins += 1
        root = _absorb(w, a, b, root)
    return root, joins


@njit(cache=True)
def _separate(step, w, signs, root):
    """Record the adjacencies along the bichromatic copies of the new edges; return the root."""
    for e in range(step.edges.shape[0]):
        edge = step.edges[e]
        if _is_cut(edge, signs):
            a, _ = _find(w, w.region[edge[0]])
            b, _ = _find(w, w.region[edge[1]])
            if a == b:
                root = a  # odd d: both sides of J
            else:
                w.adjacent[a] |= 1 << b
                w.adjacent[b] |= 1 << a
    return root


@njit(cache=True)
def _fold(w, closed, root, num_chain):
    """Fold closed leaves of the region tree; return (regions still closed, root, chain length)."""
    again = closed != 0
    while again:
        again = False
        rest = closed
        while rest:
            c = _lowest(rest)
            rest &= rest - 1
            neighbors = w.adjacent[c]
            if neighbors == 0 or neighbors & (neighbors - 1):
                continue
            y = _lowest(neighbors)
            if root == c:
                w.chain[num_chain] = w.forest[c]
                num_chain += 1
                root = y
            else:
                w.forest[y] = merge(w.forest[y], plant(w.forest[c]))
            w.adjacent[y] &= ~(1 << c)
            closed &= ~(1 << c)
            again = True
    return closed, root, num_chain


@njit(cache=True)
def _turn_chain(w, forest, num_chain):
    """Re-root the tree of regions: the scheme as seen from the far end of the chain."""
    if num_chain == 0:
        return forest
    tree = plant(forest)
    for i in range(num_chain - 1, 0, -1):
        tree = plant(merge(w.chain[i], tree))
    return merge(w.chain[0], tree)


@njit(cache=True)
def _relabel(w, mask):
    """Translate a mask of work regions to new labels; regions without a label are left out."""
    labels = 0
    while mask:
        c = _lowest(mask)
        mask &= mask - 1
        if w.label[c] >= 0:
            labels |= 1 << w.label[c]
    return labels


@njit(cache=True)
def _label_live(step, w, total, quadrant, keep_potential):
    """Number the regions by their first slot and pack the labels; return their number.

    w.order[i] becomes the work region with label i; key words 1.. hold one byte per slot.
    """
    for c in range(total):
        w.label[c] = -1
    num_live = 0
    num_slots = step.kept_slots.size
    for i in range((num_slots + 7) >> 3):
        w.key[1 + i] = 0
    for j in range(num_slots):
        source = step.slot_source[quadrant, j]
        c = w.slot_root[source]
        potential = w.slot_potential[source] ^ step.slot_flip[quadrant, j]
        if w.label[c] < 0:
            w.label[c] = num_live
            w.scratch[c] = potential  # the first slot of a region gets potential 0
            w.order[num_live] = c
            num_live += 1
        w.new_region[j] = w.label[c]
        byte = w.label[c]
        if keep_potential:
            byte |= (potential ^ w.scratch[c]) << 6
        w.key[1 + (j >> 3)] |= byte << (8 * (j & 7))
    return num_live


@njit(cache=True)
def _label_closed(w, closed, num_live):
    """Number the closed regions by what tells them apart; return the number of all regions."""
    total = num_live
    while closed:
        c = _lowest(closed)
        closed &= closed - 1
        w.scratch[c] = _relabel(w, w.adjacent[c])
        j = total - 1
        while j >= num_live:
            other = w.order[j]
            if w.scratch[other] < w.scratch[c] or (
                w.scratch[other] == w.scratch[c] and w.forest[other] <= w.forest[c]
            ):
                break
            w.order[j + 1] = other
            j -= 1
        w.order[j + 1] = c
        total += 1
    for i in range(num_live, total):
        w.label[w.order[i]] = i
    return total


@njit(cache=True)
def _pack_pairs(step, w, at, total, signs):
    """Append the adjacencies that `_decode` does not derive; return (pairs, end of the key)."""
    for a in range(total):
        w.scratch[a] = 0
    for i in range(step.new_links.shape[0]):
        link = step.new_links[i]
        if _is_cut(link, signs):
            a, b = w.new_region[link[0]], w.new_region[link[1]]
            w.scratch[a] |= 1 << b
            w.scratch[b] |= 1 << a
    pairs = 0
    for a in range(total):
        mask = _relabel(w, w.adjacent[w.order[a]]) & ~w.scratch[a] & ~((2 << a) - 1)
        while mask:
            b = _lowest(mask)
            mask &= mask - 1
            if pairs & 3 == 0:
                w.key[at + (pairs >> 2)] = 0
            w.key[at + (pairs >> 2)] |= ((a << 6) | b) << (16 * (pairs & 3))
            pairs += 1
    return pairs, at + ((pairs + 3) >> 2)


@njit(cache=True)
def _encode(step, w, signs, quadrant, total, closed, root, num_chain, made):
    """Write the key of the state in the scratch; return its length in words (0: too wide)."""
    num_live = _label_live(step, w, total, quadrant, root < 0)
    total = _label_closed(w, closed, num_live)
    at = 1 + ((step.kept_slots.size + 7) >> 3)
    num_forests = 0
    for i in range(total):
        forest = w.forest[w.order[i]]
        if forest:
            w.key[at] = i | (forest << 6)
            at += 1
            num_forests += 1
    for i in range(num_chain):
        w.key[at] = w.chain[i]
        at += 1
    pairs, at = _pack_pairs(step, w, at, total, signs)
    if pairs > 0xFF or num_chain > 0x1F or total - num_live > 0x3F:
        return 0
    if root >= 0:
        root = w.label[root]
    w.key[0] = (
        signs
        | ((root + 1) << 20)
        | ((total - num_live) << 27)
        | (num_forests << 33)
        | (pairs << 39)
        | (num_chain << 47)
        | (made << 52)
    )
    return at


@njit(cache=True)
def _live_and_closed(step, w, total):
    """Split the regions by whether a slot that stays lies in them; return the closed ones."""
    live = 0
    for j in range(step.kept_slots.size):
        slot = step.kept_slots[j]
        c, p = _find(w, w.region[slot])
        w.slot_root[slot] = c
        w.slot_potential[slot] = p ^ w.potential[slot]
        live |= 1 << c
    closed = 0
    for c in range(total):
        if w.parent[c] == c and not (live >> c) & 1:
            closed |= 1 << c
    return closed


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
    root, joins = _join(step, w, signs, root)
    made += step.num_copies - joins
    if made < step.min_regions:
        return 0, 0
    root = _separate(step, w, signs, root)
    closed = _live_and_closed(step, w, total)
    closed, root, num_chain = _fold(w, closed, root, num_chain)
    if step.kept_points.size == 0:
        w.key[0] = _turn_chain(w, w.forest[_lowest(closed)], num_chain)
        return 1, 0
    kept_signs = 0
    for i in range(step.kept_points.size):
        kept_signs |= ((signs >> step.kept_points[i]) & 1) << i
    gauge = 0
    for i in range(step.references.size):
        gauge |= ((kept_signs >> step.references[i]) & 1) << i
    kept_signs ^= step.gauge_signs[gauge]
    quadrant = step.gauge_quadrant[gauge]
    length = _encode(step, w, kept_signs, quadrant, total, closed, root, num_chain, made)
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
    w = _new_work()
    word_capacity = 10 * num_old + 4 * KEY_WORDS
    state_capacity = num_old + 64
    table_size = 256
    while table_size < 2 * state_capacity:
        table_size *= 2
    keys = np.empty(word_capacity, np.int64)
    offsets = np.empty(state_capacity + 1, np.int64)
    hashes = np.empty(state_capacity, np.int64)
    counts = np.empty(state_capacity if counting else 0, np.int64)
    witnesses = np.empty(state_capacity, np.int64)
    table = np.zeros(table_size, np.int32)
    offsets[0] = 0
    num_new = 0
    peak = held_bytes + 8 * (word_capacity + 4 * state_capacity) + 4 * table_size
    outcome = DONE if peak <= max_bytes else OUT_OF_MEMORY

    for i in range(num_old):
        if outcome != DONE:
            break
        words = _grown(word_capacity, offsets[num_new] + 2 * KEY_WORDS)
        states = _grown(state_capacity, num_new + 2)
        if words > word_capacity or states > state_capacity:
            while 2 * table_size < 3 * states:
                table_size *= 2
            # While an array grows, its old and its new copy exist.
            now = held_bytes + 8 * (words + word_capacity + 5 * states) + 6 * table_size
            peak = max(peak, now)
            if now > max_bytes:
                outcome = OUT_OF_MEMORY
                break
            if words > word_capacity:
                keys = _resize(keys, words)
            if states > state_capacity:
                offsets = _resize(offsets, states + 1)
                hashes = _resize(hashes, states)
                witnesses = _resize(witnesses, states)
                if counting:
                    counts = _resize(counts, states)
                if table_size > table.size:
                    table = _rehash(hashes, num_new, table_size)
            word_capacity, state_capacity = words, states

        key = old.keys[old.offsets[i] : old.offsets[i + 1]]
        signs, total, root, num_chain, made = _decode(key, step, w)
        if total + step.num_copies > MAX_REGIONS or num_chain + total > 60:
            outcome = TOO_WIDE
            break
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
                outcome = TOO_WIDE
                break
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

    layer = Layer(
        keys[: offsets[num_new]],
        offsets[: num_new + 1],
        counts[:num_new] if counting else counts,
        witnesses[:num_new],
    )
    return outcome, layer, 8 * (word_capacity + 3 * state_capacity), peak
