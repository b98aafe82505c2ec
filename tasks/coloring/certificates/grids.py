"""Grids of colors: bytes from 0 to k - 1, and 255 for cells that are removed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.coloring.certificates.distances import Forbidden, check_num_colors
from tasks.coloring.certificates.offsets import check_shape
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["REMOVED", "as_grid", "check_colors", "num_colors_of"]

REMOVED = 255
"""The value of cells without a color."""


def as_grid(grid: ArrayLike, dimension: int) -> NDArray[np.uint8]:
    """The grid as bytes (m_1, ..., m_n), contiguous.

    Raises
    ------
    InputError
        If it has another dimension, no cells or too many, or values that are no bytes.
    """
    array = np.asarray(grid)
    check_shape(array.shape, dimension)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(
            f"a grid holds integers, colors from 0 and {REMOVED} for removed cells, not "
            f"{array.dtype} values"
        )
    wrong = array[(array < 0) | (array > REMOVED)]
    if len(wrong):
        raise InputError(
            f"a grid holds colors from 0 and {REMOVED}, not {shortened(int(wrong[0]))}"
        )
    return np.ascontiguousarray(array.astype(np.uint8))


def check_colors(grid: NDArray[np.uint8], num_colors: int) -> None:
    """Check that the values are colors below k, or `REMOVED`.

    Raises
    ------
    InputError
        That names the first cell with another value.
    """
    wrong = (grid >= num_colors) & (grid != REMOVED)
    if wrong.any():
        cell = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"cell {cell} holds {grid[cell]}: allowed are the colors 0 to {num_colors - 1} and "
            f"{REMOVED} for removed cells"
        )


def num_colors_of(grid: NDArray[np.uint8], distances: object, num_colors: int | None) -> int:
    """The number of colors: k if given, else that of listed distances, else that of the grid.

    Raises
    ------
    InputError
        If the grid holds a color that does not exist then.
    """
    if num_colors is not None:
        k = check_num_colors(num_colors)
    elif isinstance(distances, Forbidden):
        k = distances.num_colors
    elif isinstance(distances, Sequence | np.ndarray) and not isinstance(distances, str):
        k = check_num_colors(len(distances))
    else:
        k = check_num_colors(int(np.max(grid, initial=0, where=grid != REMOVED)) + 1)
    check_colors(grid, k)
    return k
