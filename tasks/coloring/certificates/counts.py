"""Pairs of cells of one color at given offsets: for all offsets at once, and one by one.

For the set X of cells of a color on the torus Z_m (m_1 x ... x m_n), the number of i with i and
i + d in X is the autocorrelation of its indicator, the inverse Fourier transform of |X^|^2. These
are integers, so an error below 1/2 is none after rounding. Let a transform have the relative error
e in the Euclidean norm (`transform_error`) and N cells. Then for sets of n_c elements, n together,
the sum of their power spectra has errors that add to at most (2 e + e^2 + 8 u) N n, u = 2^-53, and
the counts, which are at most n and whose sum is sum_c n_c^2, are off by at most

    (2 e + e^2 + 8 u) n + 2 e sqrt(n sum_c n_c^2).                                        (1)

In the same way the numbers of partners of cells, the convolution of the indicator with that of q
offsets, are off by at most 2 (2 e + e^2 + 8 u) sqrt(n q) + 2 e sqrt(n q min(n, q)).

Where these bounds are not below 1/2, and as the twin of the transforms, bit sets count in integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2, sqrt

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.certificates.bits import TorusBits, num_bits
from tasks.coloring.certificates.offsets import residues

__all__ = ["conflicting_cells", "conflicting_cells_by_bits", "pair_counts", "pair_counts_by_bits"]
__all__ += ["partner_counts", "partner_counts_by_bits", "spectrum_of_offsets", "transform_error"]

_UNIT = 2.0**-53
_SMOOTH = 13
"""Lengths whose prime factors are not larger are transformed stage by stage."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Grid = NDArray[np.uint8]


def pair_counts(grid: Grid, colors: int | Sequence[int], offsets: Ints) -> Ints:
    """How many i have grid[i] = grid[i + d] = c, for each offset d and summed over colors c.

    Parameters
    ----------
    grid
        (m_1, ..., m_n), on the torus.
    colors
        One color or several; for several together one inverse transform is made.
    offsets
        (q, n), any integers.

    Returns
    -------
    (q,). Ordered pairs: d and -d have the same number; d = 0 counts the cells themselves.
    """
    chosen = [colors] if isinstance(colors, int | np.integer) else list(colors)
    error = _pair_error(grid, chosen)
    if error >= 0.5:
        return pair_counts_by_bits(grid, chosen, offsets)
    places = np.mod(offsets, np.array(grid.shape))
    return _rounded(_autocorrelation(grid, chosen)[tuple(places.T)], error)


def pair_counts_by_bits(grid: Grid, colors: int | Sequence[int], offsets: Ints) -> Ints:
    """The same numbers as those of `pair_counts`, by bit sets."""
    chosen = [colors] if isinstance(colors, int | np.integer) else list(colors)
    places = np.mod(offsets, np.array(grid.shape)).reshape(-1, grid.ndim)
    opposite = np.mod(-places, np.array(grid.shape))
    flat, mirrored = (np.ravel_multi_index(tuple(p.T), grid.shape) for p in (places, opposite))
    shifts, inverse = np.unique(np.minimum(flat, mirrored), return_inverse=True)
    rows = np.column_stack(np.unravel_index(shifts, grid.shape))
    counts = np.zeros(len(shifts), dtype=np.int64)
    for color in chosen:
        bits = TorusBits(grid == color)
        both = np.empty_like(bits.words)
        for place, words in bits.shifted(rows):
            counts[place] += num_bits(np.bitwise_and(words, bits.words, out=both))
    return counts[inverse]


def _autocorrelation(grid: Grid, colors: Sequence[int]) -> NDArray[np.float64]:
    from scipy.fft import irfftn, rfftn  # takes a while to import

    half = (*grid.shape[:-1], grid.shape[-1] // 2 + 1)
    power = np.zeros(half)
    for color in colors:
        spectrum = rfftn((grid == color).astype(np.float64), overwrite_x=True)
        parts = np.square(spectrum.view(np.float64), out=spectrum.view(np.float64))
        power += parts[..., 0::2]
        power += parts[..., 1::2]
    return irfftn(power, s=grid.shape, overwrite_x=True)


def _rounded(values: NDArray[np.float64], error: float) -> Ints:
    """The integers next to values with this error, which must be below 1/2."""
    integers = np.rint(values)
    assert error < 0.5 and (np.abs(values - integers) <= error).all()
    return integers.astype(np.int64)


def _pair_error(grid: Grid, colors: Sequence[int]) -> float:
    histogram = np.bincount(grid.reshape(-1), minlength=256)
    sizes = [int(histogram[color]) for color in colors]
    n, e = sum(sizes), transform_error(grid.shape)
    return (2 * e + e * e + 8 * _UNIT) * n + 2 * e * sqrt(n * sum(size**2 for size in sizes))


def transform_error(shape: Sequence[int]) -> float:
    """A bound of the relative error, in the Euclidean norm, of a transform of this shape.

    A stage of radix p sums p products: each output has an error of at most (p + 6) u times the sum
    of the absolute values, u = 2^-53, with roots of unity that are right to the last bit. In the
    Euclidean norm, where the stage itself stretches by sqrt(p), that is sqrt(p) (p + 6) u.

    A length m with a large prime factor may be done by Bluestein's convolution, of a length M < 4 m
    with factors up to 11 only: with the relative error e_M of its transforms, a spectrum of at most
    2 m to multiply with, and its Euclidean norm sqrt(2 m M), the error is below
    e_M (4 sqrt(m) + sqrt(2 M) + 10). Then the larger of both bounds is taken. All is doubled.
    """
    return 2 * _UNIT * sum(max(_by_stages(m), _by_convolution(m)) for m in shape)


def _by_stages(m: int) -> float:
    return sum(sqrt(p) * (p + 6) for p in _prime_factors(m))


def _by_convolution(m: int) -> float:
    if max(_prime_factors(m), default=1) <= _SMOOTH:
        return 0.0
    stages = 17 * log2(4 * m)  # sqrt(p) (p + 6) <= 17 log2(p) for p <= 11
    return stages * (4 * sqrt(m) + sqrt(8 * m) + 10)


def _prime_factors(m: int) -> list[int]:
    factors, p = [], 2
    while p * p <= m:
        while m % p == 0:
            factors, m = [*factors, p], m // p
        p += 1
    return factors + [m] * (m > 1)


def spectrum_of_offsets(shape: Sequence[int], places: Ints) -> NDArray[np.float64]:
    """The transform of the indicator of a set of offsets: real, since d and -d are both in it.

    Parameters
    ----------
    places
        Flat indices of the grid, as from `residues`.
    """
    from scipy.fft import rfftn

    mask = np.zeros(tuple(shape))
    mask.reshape(-1)[places] = 1.0
    return np.ascontiguousarray(rfftn(mask).real)


def partner_counts(members: Bools, places: Ints, spectrum: NDArray[np.float64]) -> Ints:
    """How many i + d are in a set, for each cell i and over a symmetric set of offsets d.

    Parameters
    ----------
    members
        The set, (m_1, ..., m_n).
    places, spectrum
        The offsets modulo the shape, each once, and their `spectrum_of_offsets`.

    Returns
    -------
    (m_1, ..., m_n), for cells of the set and others.
    """
    from scipy.fft import irfftn, rfftn

    n, q, e = int(np.count_nonzero(members)), len(places), transform_error(members.shape)
    error = 2 * (2 * e + e * e + 8 * _UNIT) * sqrt(n * q) + 2 * e * sqrt(n * q * min(n, q))
    if error >= 0.5:
        return partner_counts_by_bits(members, places)
    product = rfftn(members.astype(np.float64))
    product *= spectrum
    return _rounded(irfftn(product, s=members.shape, overwrite_x=True), error)


def partner_counts_by_bits(members: Bools, places: Ints) -> Ints:
    """The same numbers as those of `partner_counts`, by bit sets; slow."""
    bits, counts = TorusBits(members), np.zeros(members.shape, dtype=np.int64)
    rows = np.column_stack(np.unravel_index(places, members.shape))
    for _, words in bits.shifted(rows):
        counts += bits.unpacked(words)
    return counts


def conflicting_cells(grid: Grid, offsets: Sequence[Ints]) -> Bools:
    """Which cells have a partner of their color at one of the offsets of that color.

    Parameters
    ----------
    grid
        (m_1, ..., m_n).
    offsets
        One symmetric array (q, n) per color; cells of other values are not looked at.
    """
    found = np.zeros(grid.shape, dtype=np.bool_)
    spectra: dict[bytes, NDArray[np.float64]] = {}
    for color, mask in enumerate(offsets):
        members, places = grid == color, residues(mask, grid.shape)
        key = places.tobytes()
        if key not in spectra:
            spectra[key] = spectrum_of_offsets(grid.shape, places)
        found |= members & (partner_counts(members, places, spectra[key]) > 0)
    return found


def conflicting_cells_by_bits(grid: Grid, offsets: Sequence[Ints]) -> Bools:
    """The same cells as those of `conflicting_cells`, by bit sets."""
    found = np.zeros(grid.shape, dtype=np.bool_)
    for color, mask in enumerate(offsets):
        bits = TorusBits(grid == color)
        rows = np.column_stack(np.unravel_index(residues(mask, grid.shape), grid.shape))
        union = np.zeros_like(bits.words)
        for _, words in bits.shifted(rows):
            union |= words & bits.words
        found |= bits.unpacked(union)
    return found
