"""Bounds on products and powers: what may be too large to expand is refused beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from flint import fmpq_mpoly

from tasks.records import InputError
from tasks.records.errors import shortened
from tasks.sos.polynomials._terms import MAX_EXPONENT

MAX_TERMS = 1_000_000
"""A product or power that may have more terms is refused."""

MAX_BITS = 1 << 30
"""A product or power is refused if all its coefficients together may have more bits: 128 MiB."""


def check_product(p: fmpq_mpoly, q: fmpq_mpoly) -> None:
    """`InputError` if p q may have more than `MAX_TERMS` or `MAX_BITS`."""
    if not (len(p) and len(q)):
        return
    largest = [a + b for a, b in zip(_largest(p), _largest(q), strict=True)]
    what = f"a product of {len(p)} by {len(q)} terms"
    size = _check_size(len(p) * len(q), largest, what)
    _check_bits(size, _bits(p) + _bits(q), what)


def check_power(p: fmpq_mpoly, k: int) -> None:
    """`InputError` if k < 0, or if p^k may have more than `MAX_TERMS` or `MAX_BITS`."""
    if k < 0:
        raise InputError(f"the power {shortened(k)} is negative: give one from 0 on")
    if k == 0 or not len(p):
        return
    what = f"the power {shortened(k)} of {len(p)} terms"
    size = _check_size(_choose(len(p) + k - 1, k), [a * k for a in _largest(p)], what)
    # Multinomial coefficients of degree k have at most k log2(T) bits.
    _check_bits(size, k * ((len(p) - 1).bit_length() + _bits(p)), what)


def _largest(p: fmpq_mpoly) -> list[int]:
    """The degree and the largest exponent of each variable."""
    return [int(p.total_degree()), *map(int, p.degrees())]


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


def _bits(p: fmpq_mpoly) -> int:
    """What a factor adds to the bits of a product: those of its largest number, none for ±1."""
    bits = max(value.height_bits() for value in p.coeffs())
    return 0 if bits == 1 else bits


def _check_bits(size: int, bits: int, what: str) -> None:
    if size * bits > MAX_BITS:
        raise InputError(
            f"{what} may have {size} coefficients of {shortened(bits)} bits, too large"
        )
