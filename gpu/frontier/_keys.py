"""Packing a state into a key of 64-bit words, and back.

Word 0, from the lowest bit: signs of the frontier points (20), label of the root region plus one
(7), number of closed regions (6), of nonempty forests (6), of stored adjacencies (8), length of
the chain (5), regions made so far (8).  Then follow

* one byte per slot: the label of its region (6 bits) and its potential (1 bit);
* one word per nonempty forest: label (6 bits) and code (58 bits, 29 ovals);
* the codes of the chain, from the root on;
* the adjacencies that no edge between frontier points shows, four pairs of labels to a word.

Live regions are labeled in the order of their first slot, closed ones after them.  Two keys are
equal only if the states are; isomorphic states with several alike closed regions may get different
keys, which costs states but no correctness.
"""

from __future__ import annotations

from numba import njit

from gpu.bits import lowest_bit
from gpu.frontier._layout import is_cut


@njit(cache=True)
def decode(key, step, w):
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
        if is_cut(step.old_links, i, signs):
            a, b = w.region[step.old_links[i, 0]], w.region[step.old_links[i, 1]]
            if a != b:
                w.adjacent0[a] |= 1 << b
                w.adjacent0[b] |= 1 << a
    return signs, total, root, num_chain, made


@njit(cache=True)
def _relabel(w, mask):
    """Translate a mask of work regions to new labels; regions without a label are left out."""
    labels = 0
    while mask:
        c = lowest_bit(mask)
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
        w.new_region[j] = c
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
        c = lowest_bit(closed)
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
    """Append the adjacencies that `decode` does not derive; return (pairs, end of the key)."""
    for a in range(total):
        w.scratch[w.order[a]] = 0
    for i in range(step.new_links.shape[0]):
        if is_cut(step.new_links, i, signs):
            a, b = w.new_region[step.new_links[i, 0]], w.new_region[step.new_links[i, 1]]
            w.scratch[a] |= 1 << b
            w.scratch[b] |= 1 << a
    pairs = 0
    for a in range(total):
        mask = w.adjacent[w.order[a]] & ~w.scratch[w.order[a]]
        if mask == 0:
            continue
        mask = _relabel(w, mask) & ~((2 << a) - 1)
        while mask:
            b = lowest_bit(mask)
            mask &= mask - 1
            if pairs & 3 == 0:
                w.key[at + (pairs >> 2)] = 0
            w.key[at + (pairs >> 2)] |= ((a << 6) | b) << (16 * (pairs & 3))
            pairs += 1
    return pairs, at + ((pairs + 3) >> 2)


@njit(cache=True)
def encode(step, w, signs, quadrant, total, closed, root, num_chain, made):
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
