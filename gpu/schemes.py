"""Scheme codes of batches and ranges, on the CPU or a GPU: one signature, the same codes.

>>> import numpy as np
>>> from gpu.octants import grid_of_degree
>>> triangles = np.array([[[0, 1, 3], [1, 2, 4], [1, 3, 4], [3, 4, 5]]], dtype=np.uint8)
>>> scheme_codes(triangles, grid_of_degree(2), np.array([0, 5])).tolist()
[2, 2]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu import blocks, octants
from gpu.backend import Device, resolve_device
from gpu.octants import Grid

FAILED = octants.FAILED
VARIED_POINTS = 8
"""Points that vary within a block of a sweep; fitted on degrees 6 to 9."""


class Counts(NamedTuple):
    """Histogram of a range of sign vectors, in ascending order of the codes."""

    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    witnesses: NDArray[np.int64]
    """The smallest sign vector of each code, as a word by point."""
    failures: int
    """Sign vectors without a code; to be done again by another method."""


def check_triangles(triangles: NDArray[np.uint8], size: int) -> None:
    """Refuse shapes that no kernel reads."""
    if triangles.ndim != 3 or triangles.shape[2] != 3 or len(triangles) not in (1, size):
        raise ValueError(
            f"triangles must have the shape (1, F, 3) or ({size}, F, 3), not {triangles.shape}"
        )


def scheme_codes(
    triangles: NDArray[np.uint8],
    grid: Grid,
    signs: NDArray[np.int64],
    *,
    device: Device = "cpu",
    parallel: bool = False,
) -> NDArray[np.int64]:
    """Evaluate a batch of (triangulation, signs).

    Parameters
    ----------
    triangles : uint8 (1, F, 3) or (B, F, 3)
        One triangulation for all instances, or one for each; point indices.
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
        Scheme codes (see `gpu.forests`), the same on every device; `FAILED` where there is none.
    """
    check_triangles(triangles, signs.size)
    if resolve_device(device) == "cuda":
        from gpu import cuda_schemes

        return cuda_schemes.scheme_codes(triangles, grid, signs)
    return octants.scheme_codes(triangles, grid, signs, parallel=parallel)


def _edges(triangles: NDArray[np.uint8]) -> NDArray[np.int64]:
    """List the edges (E, 2) of one triangulation (F, 3)."""
    pairs = np.sort(triangles[:, [[0, 1], [0, 2], [1, 2]]].reshape(-1, 2).astype(np.int64), axis=1)
    return np.unique(pairs, axis=0)


def sweep(
    triangles: NDArray[np.uint8],
    grid: Grid,
    free_points: NDArray[np.int64],
    begin: int,
    end: int,
    *,
    device: Device = "cpu",
) -> Counts:
    """Evaluate every sign vector of a range and count the schemes.

    Parameters
    ----------
    triangles : uint8 (F, 3)
    grid : Grid
    free_points : int64 (f,), ascending
        Bit i of begin <= k < end is the sign of point free_points[i]; all other signs are 0.
    device : {"auto", "cpu", "cuda"}
    """
    if resolve_device(device) == "cuda":
        from gpu import cuda_schemes

        return Counts(*cuda_schemes.sweep(triangles, grid, free_points, begin, end))
    neighbors = np.zeros(64, dtype=np.int64)
    octants.fill_neighbors(triangles, neighbors)
    codes, counts, witnesses, failures = blocks.sweep(
        neighbors, _edges(triangles), grid, free_points, begin, end, VARIED_POINTS
    )
    used = np.flatnonzero(counts)
    used = used[np.argsort(codes[used])]
    return Counts(codes[used], counts[used], witnesses[used], int(failures))
