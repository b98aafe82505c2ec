"""CuPy launcher of gpu/cuda/schemes.cu.

Not measured: no figures of a GPU are claimed until they have been taken on one.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import cupy
import numpy as np
from numpy.typing import NDArray

from gpu.octants import Grid, pack_grid

THREADS = 128
TABLE_SLOTS = 1 << 16
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


@lru_cache(maxsize=1)
def _module() -> Any:
    """Compile the kernels for the device at hand."""
    source = (files("gpu") / "cuda" / "schemes.cu").read_text("utf-8")
    return cupy.RawModule(code=source, options=("-std=c++17",), name_expressions=None)


def num_blocks(total: int) -> int:
    """Choose enough blocks to fill the device, and no more than there is work for."""
    processors = cupy.cuda.Device().attributes["MultiProcessorCount"]
    return max(1, min((total + THREADS - 1) // THREADS, 16 * processors))


def scheme_codes(
    triangles: NDArray[np.uint8], grid: Grid, signs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Evaluate a batch on the current device (see `gpu.schemes.scheme_codes`)."""
    total = signs.size
    codes = cupy.empty(total, dtype=cupy.int64)
    name = "codes_fixed" if len(triangles) == 1 else "codes_each"
    _module().get_function(name)(
        (num_blocks(total),),
        (THREADS,),
        (
            cupy.asarray(triangles),
            np.int32(triangles.shape[1]),
            pack_grid(grid),
            cupy.asarray(signs),
            codes,
            np.int64(total),
        ),
    )
    return cupy.asnumpy(codes)


def sweep(
    triangles: NDArray[np.uint8], grid: Grid, free_points: NDArray[np.int64], begin: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Count the schemes of a range on the current device (see `gpu.schemes.sweep`)."""
    codes = cupy.full(TABLE_SLOTS, _EMPTY, dtype=cupy.uint64)
    counts = cupy.zeros(TABLE_SLOTS, dtype=cupy.uint64)
    witnesses = cupy.full(TABLE_SLOTS, _EMPTY, dtype=cupy.uint64)
    failures = cupy.zeros(1, dtype=cupy.uint64)
    _module().get_function("sweep")(
        (num_blocks(end - begin),),
        (THREADS,),
        (
            cupy.asarray(triangles),
            np.int32(len(triangles)),
            pack_grid(grid),
            cupy.asarray(free_points.astype(np.uint8)),
            np.int32(free_points.size),
            np.uint64(begin),
            np.uint64(end),
            codes,
            counts,
            witnesses,
            np.uint32(TABLE_SLOTS),
            failures,
        ),
    )
    host = [cupy.asnumpy(array) for array in (codes, counts, witnesses)]
    used = np.flatnonzero(host[1])
    used = used[np.argsort(host[0][used])]
    found = [array[used].view(np.int64) for array in host]
    return found[0], found[1], found[2], int(failures[0])
