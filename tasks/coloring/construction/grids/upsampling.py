"""Finer grids of a coloring: their shape, Fourier interpolation, and the most probable color."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from gpu.torus_conflicts import REMOVED
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.offsets import check_shape
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["discretise", "near_square_shape", "upsample"]

Floats = NDArray[np.floating]


def near_square_shape(lattice: Lattice, num_cells: int, multiple: int = 1) -> tuple[int, ...]:
    """The shape of a grid of about so many cells whose edges are about equally long.

    Parameters
    ----------
    lattice
        Its vectors are the edges of the torus; a reduced basis gives the fattest cells.
    num_cells
        At least 1.
    multiple
        Every size is a multiple of this.

    Raises
    ------
    InputError
        If one of the two is below 1.

    >>> near_square_shape(Lattice.parse([["4", "0"], ["0", "2"]]), 800)
    (40, 20)
    """
    for name, given in (("number of cells", num_cells), ("multiple", multiple)):
        if given < 1:
            raise InputError(f"the {name} of a grid must be at least 1, not {given}")
    lengths = np.linalg.norm(lattice.floats, axis=1)
    sizes = lengths * (num_cells / lengths.prod()) ** (1 / len(lengths))
    most = max(1, num_cells // multiple)  # of a thin lattice, whose cells are long
    multiples = [min(max(1, round(m / multiple)), most) for m in sizes]
    return check_shape([multiple * m for m in multiples], len(sizes))


def upsample(values: Floats, shape: Sequence[int]) -> Floats:
    """Periodic functions on a finer grid by Fourier interpolation.

    The trigonometric polynomial of least degree through the values is evaluated; at an even size
    the highest frequency, which a grid cannot tell from its negative, is split evenly among both.

    Parameters
    ----------
    values : (k, s_1, ..., s_n)
        Logits or probabilities on the points (i_1 / s_1, ..., i_n / s_n) of the torus.
    shape : (m_1, ..., m_n)
        m_a >= s_a.

    Returns
    -------
    upsampled : (k, m_1, ..., m_n) float64

    Raises
    ------
    InputError
        If a size is smaller than it is, or there is another number of sizes.
    """
    values = np.asarray(values, dtype=np.float64)
    given = values.shape[1:]
    if len(shape) != len(given) or any(m < s for m, s in zip(shape, given, strict=True)):
        raise InputError(
            f"values on a grid of shape {given} cannot be upsampled to {shortened(tuple(shape))}: "
            "every size must be at least as large"
        )
    axes = range(1, len(given) + 1)
    spectrum = fft.fftn(values, axes=axes)
    for axis, m in zip(axes, shape, strict=True):
        spectrum = _pad(spectrum, axis, m)
    return fft.ifftn(spectrum, axes=axes, overwrite_x=True).real * (prod(shape) / prod(given))


def _pad(spectrum: NDArray[np.complexfloating], axis: int, m: int) -> NDArray[np.complexfloating]:
    """Zeros at the frequencies of one axis that a coarser grid does not have."""
    s = spectrum.shape[axis]
    if m == s:
        return spectrum
    moved = np.moveaxis(spectrum, axis, -1)
    padded = np.zeros((*moved.shape[:-1], m), dtype=moved.dtype)
    padded[..., : (s + 1) // 2] = moved[..., : (s + 1) // 2]
    padded[..., m - s // 2 :] = moved[..., s - s // 2 :]
    if s % 2 == 0:
        padded[..., m - s // 2] *= 0.5
        padded[..., s // 2] += padded[..., m - s // 2]
    return np.moveaxis(padded, -1, axis)


def discretise(values: Floats, num_colors: int) -> NDArray[np.uint8]:
    """The grid of the most probable colors; of equal ones the lowest.

    Parameters
    ----------
    values : (k, m_1, ...) or (k + 1, m_1, ...)
        Logits or probabilities; a plane k + 1 is that of removed cells.

    Returns
    -------
    grid : (m_1, ...) uint8
        Colors 0 to k - 1, or `REMOVED`.

    Raises
    ------
    InputError
        If there is another number of planes, or a value is not finite.
    """
    if len(values) not in (num_colors, num_colors + 1):
        raise InputError(
            f"{num_colors} colors have {num_colors} or, with removed cells, {num_colors + 1} "
            f"planes of probabilities, not {len(values)}"
        )
    if not np.isfinite(values).all():
        raise InputError("probabilities must be finite: the search that made them diverged")
    grid = values.argmax(axis=0).astype(np.uint8)
    grid[grid == num_colors] = REMOVED
    return grid
