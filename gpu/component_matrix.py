"""The component matrix of a T-curve over F2, row by row and tabulated.

The *component matrix* A(s) is symmetric, with a row for each of the g = (d-1)(d-2)/2 interior
points of d*Delta_2, and the curve has g + 1 - rank A(s) components, J included.  A is a sum over
triangles: with points mod 2 and, for the edge ab of a triangle abc with delta = a + b,

    h = s_c + lambda(c) (s_a + s_b + 1),    lambda = x if delta has x-part 1, else y,

h is added to A_aa, A_bb, A_ab and A_ba, as far as a and b are interior.  (The two triangles at an
edge, with c and f opposite, add up to the twist of the edge: s_c + s_f, and s_a + s_b + 1 more if
c + f = delta, since lambda(c) + lambda(f) = lambda(c + f).)

A row is one word; g <= 28 in degree 9.  A row is reduced by the independent rows before it with one
XOR and one minimum each.  A is affine in s, and for many sign vectors of one triangulation it comes
from tables: with the points cut into digits of 6 bits, row i is the XOR of one entry per digit.
`gpu.component_search` does with less than the whole matrix.

References
----------
A. Renaudineau, K. Shaw, Bounding the Betti numbers of real hypersurfaces near the tropical limit
(2023); the matrix as written in `tasks.tcurves.twists`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gpu.octants import Grid
from gpu.schemes import check_triangles

MAX_ROWS = 28
"""Interior points in degree 9."""
DIGIT_BITS = 6
"""Bits of a digit: larger tables measured no faster, smaller ones slower (degrees 7 and 8)."""


class Layout(NamedTuple):
    """What the degree alone says about the points."""

    row: NDArray[np.int64]
    """(64,): row of each interior point, g for the others."""
    bit: NDArray[np.int64]
    """(64,): column of each interior point as a bit, 0 for the others."""
    parity: NDArray[np.int64]
    """(64,): the point mod 2, as x + 2 y."""
    num_rows: int
    """g."""


def layout_of(grid: Grid) -> Layout:
    """Number the interior points.

    Raises
    ------
    ValueError
        If the degree is larger than 9.
    """
    degree = int(grid.masks[0]).bit_count() - 1
    if degree > 9:
        raise ValueError(f"degree {degree} does not fit one word; at most 9")
    left, bottom, slanted, everything = (int(mask) for mask in grid.masks)
    inside = everything & ~(left | bottom | slanted)
    p = np.arange(64)
    is_inside = (inside >> p & 1).astype(bool)
    row = np.cumsum(is_inside) - 1
    x, y = (int(bits) >> p & 1 for bits in grid.quadrant_bits[1:3])
    num_rows = inside.bit_count()
    return Layout(
        row=np.where(is_inside, row, num_rows),
        bit=np.where(is_inside, np.int64(1) << np.maximum(row, 0), 0),
        parity=x + 2 * y,
        num_rows=num_rows,
    )


def check(triangles: NDArray[np.uint8], grid: Grid, signs: NDArray[np.int64]) -> None:
    """Refuse what cannot be triangulations of the degree with signs."""
    check_triangles(triangles, signs.size)
    degree = int(grid.masks[0]).bit_count() - 1
    num_points = int(grid.masks[3]).bit_count()
    if triangles.shape[1] != degree**2:
        raise ValueError(f"degree {degree} has {degree**2} triangles, not {triangles.shape[1]}")
    if triangles.size and triangles.max() >= num_points:
        raise ValueError(f"degree {degree} has the points 0 to {num_points - 1}, not more")
    if signs.size and not 0 <= signs.min() <= signs.max() < 1 << num_points:
        raise ValueError(f"degree {degree} has sign words from 0 to {(1 << num_points) - 1}")


# --- one matrix ---------------------------------------------------------------------------------


@njit(cache=True)
def _add_edge(a, b, c, layout, signs, rows):
    """Add h of the edge ab of the triangle abc to the rows."""
    delta = layout.parity[a] ^ layout.parity[b]
    h = signs >> c & 1
    if layout.parity[c] & delta & -delta:
        h ^= (signs >> a & 1) ^ (signs >> b & 1) ^ 1
    change = -h & (layout.bit[a] | layout.bit[b])
    rows[layout.row[a]] ^= change
    rows[layout.row[b]] ^= change


@njit(cache=True)
def fill_rows(triangles, layout, signs, rows):
    """Write A(s) of a triangulation (F, 3) to the rows (g + 1,); the last one is spare."""
    rows[:] = 0
    for f in range(triangles.shape[0]):
        a, b, c = np.int64(triangles[f, 0]), np.int64(triangles[f, 1]), np.int64(triangles[f, 2])
        _add_edge(a, b, c, layout, signs, rows)
        _add_edge(b, c, a, layout, signs, rows)
        _add_edge(c, a, b, layout, signs, rows)


@njit(cache=True)
def extend(basis, size, row):
    """Reduce a row by the first `size` rows of a basis and append the rest; return the size."""
    # Every row has lost the leading bits of those before it, hence the order of the basis is right.
    for i in range(size):
        row = min(row, row ^ basis[i])
    if row == 0:
        return size
    basis[size] = row
    return size + 1


# --- one triangulation --------------------------------------------------------------------------


@njit(cache=True)
def _tables(triangles, layout, num_points):
    """Tabulate A by the digits of s: (g, digits, 2^DIGIT_BITS); digit 0 holds the constant, too."""
    num_digits = (num_points + DIGIT_BITS - 1) // DIGIT_BITS
    tables = np.zeros((layout.num_rows, num_digits, 1 << DIGIT_BITS), np.uint32)
    constant = np.zeros(layout.num_rows + 1, np.int64)
    rows = np.zeros(layout.num_rows + 1, np.int64)
    fill_rows(triangles, layout, 0, constant)
    for p in range(num_points):
        fill_rows(triangles, layout, 1 << p, rows)
        digit, weight = p // DIGIT_BITS, 1 << (p % DIGIT_BITS)
        for i in range(layout.num_rows):
            change = np.uint32(rows[i] ^ constant[i])
            for value in range(weight, 2 * weight):
                tables[i, digit, value] = tables[i, digit, value - weight] ^ change
    for i in range(layout.num_rows):
        tables[i, 0] ^= np.uint32(constant[i])
    return tables


def tables_of(triangles: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint32]:
    """Tabulate A(s) of one triangulation (F, 3): uint32 (g, digits, 2^DIGIT_BITS)."""
    return _tables(triangles, layout_of(grid), int(grid.masks[3]).bit_count())


@njit(cache=True)
def row_of(tables, i, signs):
    """Look up row i of A(s)."""
    row = np.uint32(0)
    for digit in range(tables.shape[1]):
        row ^= tables[i, digit, signs & ((1 << DIGIT_BITS) - 1)]
        signs >>= DIGIT_BITS
    return row


@njit(cache=True)
def rank_within(tables, signs, bound, basis):
    """Return the rank of A(s), or bound + 1 if it is larger than the bound."""
    rank = 0
    for i in range(tables.shape[0]):
        rank = extend(basis, rank, row_of(tables, i, signs))
        if rank > bound:
            break
    return rank
