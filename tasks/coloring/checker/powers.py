"""Signs of u^q + v^q - w^q for rational q >= 1, by integer roots."""

from __future__ import annotations

from math import isqrt

from tasks.coloring.checker.numbers import Number, floor_of, floor_scaled, sign

PRECISIONS = (64, 256)
"""Bits of w, tried in turn."""


def compare_powers(u: Number, v: Number, w: Number, r: int, s: int) -> int | None:
    """The sign of u^(r/s) + v^(r/s) - w^(r/s) for r >= s >= 1 and numbers u, v >= 0, w > 0.

    Exact for s = 1, and where u or v is 0 or not below w.  Else every number is enclosed between
    integers of 64, then of 256 bits, and so is its power; None if the enclosures overlap.
    """
    if u >= w or v >= w:
        return 1 if (u > w or v > w or (u and v)) else 0
    if not u or not v:
        return -1
    if s == 1:
        return sign(u**r + v**r - w**r)
    for bits in PRECISIONS:
        shift = bits - floor_of(w).bit_length()
        (u0, u1), (v0, v1), (w0, w1) = (_enclosed(x, shift, r, s) for x in (u, v, w))
        if u0 + v0 > w1:
            return 1
        if u1 + v1 < w0:
            return -1
    return None


def _enclosed(x: Number, shift: int, r: int, s: int) -> tuple[int, int]:
    """Integers below and above (2^shift x)^(r/s)."""
    low = floor_scaled(x, shift)
    return integer_root(low**r, s), integer_root((low + 1) ** r, s) + 1


def integer_root(x: int, s: int) -> int:
    """The integer part of the s-th root of x >= 0."""
    if s == 1 or x < 2:
        return x
    if s == 2:
        return isqrt(x)
    # Newton's steps fall from above the root until they are at it.
    root = 1 << -(-x.bit_length() // s)
    while True:
        smaller = ((s - 1) * root + x // root ** (s - 1)) // s
        if smaller >= root:
            return root
        root = smaller
