"""Joining, separating and folding regions when a point is added (see the package)."""

from __future__ import annotations

from numba import njit

from gpu.bits import lowest_bit
from gpu.forests import merge, plant
from gpu.frontier._layout import is_cut


@njit(cache=True)
def find(w, x):
    """Return the representative of region x and its potential relative to it."""
    p = 0
    while w.parent[x] != x:
        p ^= w.parity[x]
        x = w.parent[x]
    return x, p


@njit(cache=True)
def absorb(w, a, b, root):
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
        c = lowest_bit(others)
        others &= others - 1
        w.adjacent[c] = (w.adjacent[c] & ~(1 << b)) | (1 << a)
    return root


@njit(cache=True)
def join(step, w, signs, root):
    """Join regions along the monochromatic copies of the new edges; return (root, joins)."""
    joins = 0
    for e in range(step.edges.shape[0]):
        if is_cut(step.edges, e, signs):
            continue
        u, v = step.edges[e, 0], step.edges[e, 1]
        a, a_potential = find(w, w.region[u])
        b, b_potential = find(w, w.region[v])
        twist = w.potential[u] ^ w.potential[v] ^ step.edges[e, 5] ^ a_potential ^ b_potential
        if a == b:
            if twist and not step.is_odd and root < 0:
                root = a
            continue
        if a > b:
            a, b = b, a
        w.parent[b] = a
        w.parity[b] = twist
        joins += 1
        root = absorb(w, a, b, root)
    return root, joins


@njit(cache=True)
def separate(step, w, signs, root):
    """Record the adjacencies along the bichromatic copies of the new edges; return the root."""
    for e in range(step.edges.shape[0]):
        if is_cut(step.edges, e, signs):
            a, _ = find(w, w.region[step.edges[e, 0]])
            b, _ = find(w, w.region[step.edges[e, 1]])
            if a == b:
                root = a  # odd d: both sides of J
            else:
                w.adjacent[a] |= 1 << b
                w.adjacent[b] |= 1 << a
    return root


@njit(cache=True)
def fold(w, closed, root, num_chain):
    """Fold closed leaves of the region tree; return (regions still closed, root, chain length)."""
    again = closed != 0
    while again:
        again = False
        rest = closed
        while rest:
            c = lowest_bit(rest)
            rest &= rest - 1
            neighbors = w.adjacent[c]
            if neighbors == 0 or neighbors & (neighbors - 1):
                continue
            y = lowest_bit(neighbors)
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
def turn_chain(w, forest, num_chain):
    """Re-root the tree of regions: the scheme as seen from the far end of the chain."""
    if num_chain == 0:
        return forest
    tree = plant(forest)
    for i in range(num_chain - 1, 0, -1):
        tree = plant(merge(w.chain[i], tree))
    return merge(w.chain[0], tree)


@njit(cache=True)
def live_and_closed(step, w, total):
    """Split the regions by whether a slot that stays lies in them; return the closed ones."""
    live = 0
    for j in range(step.kept_slots.size):
        slot = step.kept_slots[j]
        c, p = find(w, w.region[slot])
        w.slot_root[slot] = c
        w.slot_potential[slot] = p ^ w.potential[slot]
        live |= 1 << c
    closed = 0
    for c in range(total):
        if w.parent[c] == c and not (live >> c) & 1:
            closed |= 1 << c
    return closed
