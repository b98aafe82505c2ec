"""Rooted forests as balanced parentheses in one machine word.

A rooted, unordered forest with k nodes is written as 2k bits, most significant first: 1 opens a
node, 0 closes it.  The trees of a forest, and recursively the children of a node, stand in
descending order of their own codes, so that two forests are isomorphic exactly when their codes
are equal.  The empty forest is 0, a single node is ``0b10``, two nodes side by side ``0b1010``,
a node inside another ``0b1100``.

The code of a nonempty forest begins with a 1, hence its length is twice its number of ones and no
length has to be stored.  A signed 64-bit word holds forests of up to 31 nodes; a T-curve of degree
d <= 9 has at most 29 ovals (Harnack), so every scheme up to degree 9 fits.

The empty ovals of a forest come last, since ``0b10`` is the smallest tree.
"""

from __future__ import annotations

from numba import njit

from gpu.bits import num_bits

MAX_NODES = 31
"""Largest number of nodes that a signed 64-bit word holds."""


@njit(cache=True)
def num_nodes(code):
    """Count the nodes of a forest: the number of ones in its code."""
    return num_bits(code)


@njit(cache=True)
def plant(code):
    """Put the forest below one new node: the code of the resulting tree."""
    return (1 << (2 * num_nodes(code) + 1)) | (code << 1)


@njit(cache=True)
def _leading_tree_length(code, length):
    """Count the bits of the first tree of a forest whose code has `length` bits."""
    depth = 0
    position = length
    while True:
        position -= 1
        if (code >> position) & 1:
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return length - position


@njit(cache=True)
def merge(a, b):
    """Return the disjoint union of two forests, in canonical order.

    Parameters
    ----------
    a, b : int64
        Canonical codes, together at most `MAX_NODES` nodes.

    Returns
    -------
    int64
        Canonical code.  Linear in the number of bits.
    """
    if a == 0:
        return b
    if b == 0:
        return a
    a_bits = 2 * num_nodes(a)
    b_bits = 2 * num_nodes(b)
    merged = 0
    while a_bits > 0 and b_bits > 0:
        a_length = _leading_tree_length(a, a_bits)
        b_length = _leading_tree_length(b, b_bits)
        a_tree = a >> (a_bits - a_length)
        b_tree = b >> (b_bits - b_length)
        if a_tree >= b_tree:
            merged = (merged << a_length) | a_tree
            a_bits -= a_length
            a &= (1 << a_bits) - 1
        else:
            merged = (merged << b_length) | b_tree
            b_bits -= b_length
            b &= (1 << b_bits) - 1
    return (((merged << a_bits) | a) << b_bits) | b
