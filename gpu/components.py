"""Components of T-curves by rank over F2: a count that shares nothing with the search for regions.

A curve of degree d has g + 1 - rank A(s) components, J included, with g = (d-1)(d-2)/2 and the
component matrix A(s) of `gpu.component_matrix`.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from gpu.backend import Device, resolve_device
from gpu.component_matrix import (
    MAX_ROWS,
    check,
    extend,
    fill_rows,
    layout_of,
    rank_within,
    tables_of,
)
from gpu.octants import Grid

_CHUNK = 4096


@njit(cache=True, nogil=True)
def _count_fixed(tables, signs, counts, begin, end):
    """Count the components for begin <= k < end on one triangulation."""
    basis = np.zeros(MAX_ROWS, np.uint32)
    num_rows = tables.shape[0]
    for k in range(begin, end):
        counts[k] = num_rows + 1 - rank_within(tables, signs[k], num_rows, basis)


@njit(cache=True, nogil=True)
def _count_each(triangles, layout, signs, counts, begin, end):
    """Count the components for begin <= k < end, each on a triangulation of its own."""
    rows = np.zeros(layout.num_rows + 1, np.int64)
    basis = np.zeros(MAX_ROWS, np.int64)
    for k in range(begin, end):
        fill_rows(triangles[k], layout, signs[k], rows)
        rank = 0
        for i in range(layout.num_rows):
            rank = extend(basis, rank, rows[i])
        counts[k] = layout.num_rows + 1 - rank


@njit(cache=True, parallel=True)
def _count_in_parallel(tables, triangles, layout, signs, counts):
    """Count a batch on all threads of Numba."""
    for chunk in prange((signs.size + _CHUNK - 1) // _CHUNK):
        begin = chunk * _CHUNK
        end = min(begin + _CHUNK, signs.size)
        if triangles.shape[0] == 1:
            _count_fixed(tables, signs, counts, begin, end)
        else:
            _count_each(triangles, layout, signs, counts, begin, end)


def num_components(
    triangles: NDArray[np.uint8],
    grid: Grid,
    signs: NDArray[np.int64],
    *,
    device: Device = "cpu",
    parallel: bool = False,
) -> NDArray[np.int64]:
    """Count the components of a batch of (triangulation, signs), J included.

    Parameters
    ----------
    triangles : uint8 (1, d^2, 3) or (B, d^2, 3)
        One unimodular triangulation for all instances, or one for each; point indices.
    grid : Grid
        Of the degree, which is at most 9.
    signs : int64 (B,)
        Bit p is the sign of point p.
    device : {"auto", "cpu", "cuda"}
    parallel : bool
        On the CPU, use all threads that Numba may use.

    Returns
    -------
    int64 (B,)
        Numbers from 1 to g + 1, the same on every device; meaningless where the triangles are no
        triangulation.

    Raises
    ------
    ValueError
        For other shapes, points or signs that the degree does not have, or a degree above 9.
    """
    layout = layout_of(grid)
    check(triangles, grid, signs)
    if resolve_device(device) == "cuda":
        from gpu import cuda_components

        return cuda_components.num_components(triangles, grid, signs)
    counts = np.empty(signs.size, dtype=np.int64)
    tables = tables_of(triangles[0], grid) if len(triangles) == 1 else np.zeros((0, 0, 0), "u4")
    if parallel:
        _count_in_parallel(tables, triangles, layout, signs, counts)
    elif len(triangles) == 1:
        _count_fixed(tables, signs, counts, 0, signs.size)
    else:
        _count_each(triangles, layout, signs, counts, 0, signs.size)
    return counts
