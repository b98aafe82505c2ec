"""Products, powers and values of lists of terms, by flint's sparse polynomials.

A list of terms is (rows int32 (T, n), T coefficients fmpq), canonical as in `_terms`.

Products and powers are computed in one variable per word of `_packing`, mostly a single
one, which is faster than one per variable.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx
from numpy.typing import NDArray

from tasks.records import InputError
from tasks.records.errors import shortened
from tasks.sos.polynomials._packing import Packing, largest_digits
from tasks.sos.polynomials._terms import MAX_EXPONENT

MAX_TERMS = 1_000_000
"""A product or power that may have more terms is refused."""

MAX_BITS = 1 << 30
"""A product or power is refused if all its coefficients together may have more bits: 128 MiB."""

Terms = tuple[NDArray[np.int32], tuple[fmpq, ...]]


def product(p: Terms, q: Terms) -> Terms:
    """The terms of p q; `InputError` if there may be more than `MAX_TERMS` or `MAX_BITS`."""
    if not (len(p[0]) and len(q[0])):
        return p if len(q[0]) else q
    largest = [a + b for a, b in zip(largest_digits(p[0]), largest_digits(q[0]), strict=True)]
    what = f"a product of {len(p[0])} by {len(q[0])} terms"
    size = _check_size(len(p[0]) * len(q[0]), largest, what)
    _check_bits(size, _bits(p[1]) + _bits(q[1]), what)
    packing = Packing(largest)
    return _unpacked(packing, _packed(packing, *p) * _packed(packing, *q))


def power(rows: NDArray[np.int32], values: tuple[fmpq, ...], k: int) -> Terms:
    """The terms of p^k.

    Raises
    ------
    InputError
        If k < 0, or there may be more than `MAX_TERMS` terms or `MAX_BITS` bits.
    """
    num_terms, n = rows.shape
    if k < 0:
        raise InputError(f"the power {shortened(k)} is negative: give one from 0 on")
    if k == 0:
        return np.zeros((1, n), dtype=np.int32), (fmpq(1),)
    if num_terms == 0:
        return rows, values
    largest = [a * k for a in largest_digits(rows)]
    what = f"the power {shortened(k)} of {num_terms} terms"
    size = _check_size(_choose(num_terms + k - 1, k), largest, what)
    # Multinomial coefficients of degree k have at most k log2(T) bits.
    _check_bits(size, k * ((num_terms - 1).bit_length() + _bits(values)), what)
    packing = Packing(largest)
    return _unpacked(packing, _packed(packing, rows, values) ** k)


def value(rows: NDArray[np.int32], values: tuple[fmpq, ...], point: Sequence[fmpq]) -> fmpq:
    """p(point)."""
    terms = dict(zip(map(tuple, rows.tolist()), values, strict=True))
    return fmpq(_context(len(point), Ordering.deglex).from_dict(terms)(*point))


def _packed(packing: Packing, rows: NDArray[np.int32], values: Sequence[fmpq]) -> fmpq_mpoly:
    """The flint polynomial with words for exponents."""
    words = zip(*packing.words(rows).T.tolist(), strict=True)
    return _context(packing.num_words, Ordering.lex).from_dict(
        dict(zip(words, values, strict=True))
    )


def _unpacked(packing: Packing, polynomial: fmpq_mpoly) -> Terms:
    """The inverse of `_packed`."""
    values = tuple(polynomial.coeffs())
    words = np.array(polynomial.monoms(), dtype=np.int64)
    return packing.rows(words.reshape(len(values), packing.num_words)), values


def _context(num_variables: int, ordering: Ordering) -> fmpq_mpoly_ctx:
    return fmpq_mpoly_ctx.get(tuple(f"x{i}" for i in range(num_variables)), ordering)


def _choose(n: int, k: int) -> int:
    """n over k, or some number above `MAX_TERMS` if it exceeds that."""
    k = min(k, n - k)
    # n over k is at least 2^k, and at least n if k > 0.
    return MAX_TERMS + 1 if k >= 20 or (k and n > MAX_TERMS) else comb(n, k)


def _check_size(size: int, largest: Sequence[int], what: str) -> int:
    """A bound on the number of terms, given one by the number of factors' terms."""
    degree, *exponents = largest
    if degree > MAX_EXPONENT:
        raise InputError(f"{what} has a degree of more than {MAX_EXPONENT}")
    box = 1
    for exponent in exponents:
        box = min(box * (exponent + 1), MAX_TERMS + 1)
    size = min(size, box, _choose(degree + len(exponents), len(exponents)))
    if size > MAX_TERMS:
        raise InputError(f"{what} may have more than {MAX_TERMS} terms, too many to expand")
    return size


def _bits(values: Sequence[fmpq]) -> int:
    """What a factor adds to the bits of a product: those of its largest number, none for ±1."""
    bits = max(value.height_bits() for value in values)
    return 0 if bits == 1 else bits


def _check_bits(size: int, bits: int, what: str) -> None:
    if size * bits > MAX_BITS:
        raise InputError(
            f"{what} may have {size} coefficients of {shortened(bits)} bits, too large"
        )
