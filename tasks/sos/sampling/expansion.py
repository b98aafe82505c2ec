"""Expansion p = z_B' Q z_B in integers, and the hash of what p is.

Products b_i b_j with equal keys (see `drafts`) are compared exponent by exponent, so that the terms
are exact whatever the keys are.  Q = F F' in units of 2**-32 is computed in floats, exactly: all
partial sums are below 2**53 in absolute value, as they are bounded by the largest diagonal entry.
The coefficients are sums of entries of Q, and |Q_ij| <= sqrt(Q_ii Q_jj): in absolute value they add
up to at most (sum_i sqrt(Q_ii))^2, which is kept below 2**60.

The content of p is its value in the field of 2**61 - 1 elements at a fixed random point.  Equal
polynomials have equal contents, whatever their bases and the order of their terms; two different
ones of degree 2d with coefficients below 2**60 agree with probability at most 2d / 2**61 over the
choice of the point (Schwartz and Zippel).
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.records import stream
from tasks.sos.sampling.compiled import inner

_PRIME = np.uint64(2**61 - 1)
_LOW31, _LOW30 = np.uint64(2**31 - 1), np.uint64(2**30 - 1)
_S1, _S30, _S31, _S61 = np.uint64(1), np.uint64(30), np.uint64(31), np.uint64(61)
_ZERO = np.uint64(0)
_SPREAD, _TOP = np.uint64(0x9E3779B97F4A7C15), np.uint64(64)
EXACT_FLOATS, EXACT_SUMS = 2.0**52, 2.0**60


class Space(NamedTuple):
    """Work space of an expansion.

    Attributes
    ----------
    slots : int64 (2**k,)
        Hash table: index of a term, -1 where there is none.
    pairs : int64 (T, 2)
        A pair of the basis with that product.
    keys : uint64 (T,)
    coefficients : int64 (T,)
        In units of 2**-32.
    touched : bool (T,)
        Whether any entry of Q that contributes is not 0.
    columns : float64 (r, m)
        F'.
    entries : float64 (m,)
        A row of Q.
    values : uint64 (m,)
        Monomials at the point of the contents.
    powers : uint64 (n, d + 1)
        Powers of the coordinates of that point.
    """

    slots: NDArray[np.int64]
    pairs: NDArray[np.int64]
    keys: NDArray[np.uint64]
    coefficients: NDArray[np.int64]
    touched: NDArray[np.bool_]
    columns: NDArray[np.float64]
    entries: NDArray[np.float64]
    values: NDArray[np.uint64]
    powers: NDArray[np.uint64]

    @classmethod
    def of(cls, num_variables: int, half_degree: int, size: int, rank: int) -> Space:
        """Room for bases of that size and factors of that rank."""
        terms = size * (size + 1) // 2
        return cls(
            np.full(1 << (2 * terms).bit_length(), -1, dtype=np.int64),
            np.zeros((terms, 2), dtype=np.int64),
            np.zeros(terms, dtype=np.uint64),
            np.zeros(terms, dtype=np.int64),
            np.zeros(terms, dtype=np.bool_),
            np.zeros((rank, size)),
            np.zeros(size),
            np.zeros(size, dtype=np.uint64),
            content_powers(num_variables, half_degree),
        )


def content_powers(num_variables: int, degree: int) -> NDArray[np.uint64]:
    """Powers 0..degree of coordinates of the point of the contents, uint64 (n, degree + 1)."""
    prime = int(_PRIME)
    point = stream(0, "sos-content").integers(2, prime, size=num_variables).tolist()
    return np.array([[pow(x, k, prime) for k in range(degree + 1)] for x in point], dtype=np.uint64)


@inner
def product61(a, b):
    """a b mod 2**61 - 1 for a, b < 2**61 - 1."""
    a1, a0, b1, b0 = a >> _S31, a & _LOW31, b >> _S31, b & _LOW31
    middle = a0 * b1 + a1 * b0
    total = ((a1 * b1) << _S1) + (middle >> _S30) + ((middle & _LOW30) << _S31) + a0 * b0
    total = (total & _PRIME) + (total >> _S61)
    return total - _PRIME if total >= _PRIME else total


@inner
def _residue(value):
    """An integer of absolute value below 2**61 - 1 modulo 2**61 - 1."""
    if value < 0:
        return _PRIME - np.uint64(-value)
    return np.uint64(value)


@inner
def _load(draft, space):
    """Copy F' and say whether the arithmetic will be exact."""
    size, rank = draft.counts[0], draft.counts[1]
    largest, roots = 0.0, 0.0
    for i in range(size):
        total = abs(np.float64(draft.diagonal[i]))
        for k in range(rank):
            value = np.float64(draft.factor[i, k])
            space.columns[k, i] = value
            total += value * value
        largest = max(largest, total)
        roots += sqrt(total)
    return largest < EXACT_FLOATS and roots * roots < EXACT_SUMS


@inner
def _row_of_gram(draft, space, i):
    """Q_i0, ..., Q_ii."""
    entries = space.entries
    for j in range(i + 1):
        entries[j] = 0.0
    for k in range(draft.counts[1]):
        column = space.columns[k]
        value = column[i]
        if value != 0.0:
            for j in range(i + 1):
                entries[j] += value * column[j]
    entries[i] += draft.diagonal[i]


@inner
def _term(draft, space, i, j, mask, shift, count):
    """Index of b_i b_j among the terms; `count` if it is new, whose pair is then noted."""
    key = draft.keys[i] + draft.keys[j]
    slot = np.int64((key * _SPREAD) >> shift)
    while True:
        t = space.slots[slot]
        if t < 0:
            space.slots[slot] = count
            space.pairs[count, 0], space.pairs[count, 1] = i, j
            space.keys[count] = key
            return count
        if space.keys[t] == key and _same_product(draft.basis, space.pairs[t], i, j):
            return t
        slot = (slot + 1) & mask


@inner
def _same_product(basis, pair, i, j):
    for v in range(basis.shape[1]):
        if basis[i, v] + basis[j, v] != basis[pair[0], v] + basis[pair[1], v]:
            return False
    return True


@inner
def expand(draft, space):
    """Fill the terms, also those with coefficient 0.

    Returns
    -------
    count : int
        |B + B|; -1 if 64 bits are too few.
    hidden : int
        Monomials of the basis whose square has coefficient 0.
    """
    if not _load(draft, space):
        return -1, 0
    size, bits = draft.counts[0], 1
    while (1 << bits) < size * (size + 1):
        bits += 1
    mask, shift = (1 << bits) - 1, _TOP - np.uint64(bits)
    for slot in range(mask + 1):
        space.slots[slot] = -1
    count = 0
    for i in range(size):
        _row_of_gram(draft, space, i)
        for j in range(i + 1):
            t = _term(draft, space, i, j, mask, shift, count)
            if t == count:
                space.coefficients[t], space.touched[t] = 0, False
                count += 1
            if space.entries[j] != 0.0:
                value = np.int64(space.entries[j])
                space.coefficients[t] += value if i == j else 2 * value
                space.touched[t] = True
    hidden = 0
    for i in range(size):
        hidden += space.coefficients[_term(draft, space, i, i, mask, shift, count)] == 0
    return count, hidden


@inner
def drop_zero_terms(space, count):
    """Keep the terms with a coefficient that is not 0; count them, and those that cancelled."""
    kept, cancelled = 0, 0
    for t in range(count):
        if space.coefficients[t] != 0:
            space.coefficients[kept] = space.coefficients[t]
            space.pairs[kept, 0], space.pairs[kept, 1] = space.pairs[t, 0], space.pairs[t, 1]
            kept += 1
        elif space.touched[t]:
            cancelled += 1
    return kept, cancelled


@inner
def content(draft, space, count):
    """The content of the polynomial with these terms."""
    for i in range(draft.counts[0]):
        value = np.uint64(1)
        for v in range(draft.basis.shape[1]):
            power = draft.basis[i, v]
            if power:
                value = product61(value, space.powers[v, power])
        space.values[i] = value
    total = _ZERO
    for t in range(count):
        monomial = product61(space.values[space.pairs[t, 0]], space.values[space.pairs[t, 1]])
        total += product61(_residue(space.coefficients[t]), monomial)
        if total >= _PRIME:
            total -= _PRIME
    return total
