"""CuPy launcher of gpu/cuda/components.cu.

Not measured: no figures of a GPU are claimed until they have been taken on one.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import cupy
import numpy as np
from numpy.typing import NDArray

from gpu.component_matrix import layout_of, pack_layout, tables_of
from gpu.cuda_schemes import THREADS, num_blocks
from gpu.octants import Grid


@lru_cache(maxsize=1)
def _module() -> Any:
    """Compile the kernels for the device at hand."""
    source = (files("gpu") / "cuda" / "components.cu").read_text("utf-8")
    return cupy.RawModule(code=source, options=("-std=c++17",), name_expressions=None)


def num_components(
    triangles: NDArray[np.uint8], grid: Grid, signs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count components on the current device (see `gpu.components.num_components`)."""
    counts = cupy.empty(signs.size, dtype=cupy.int64)
    if len(triangles) == 1:
        tables = tables_of(triangles[0], grid)
        name, sizes = "components_fixed", [np.int32(size) for size in tables.shape[:2]]
        arguments = [cupy.asarray(tables), *sizes]
    else:
        name, layout = "components_each", pack_layout(layout_of(grid))
        arguments = [cupy.asarray(triangles), np.int32(triangles.shape[1]), layout]
    _module().get_function(name)(
        (num_blocks(signs.size),),
        (THREADS,),
        (*arguments, cupy.asarray(signs), counts, np.int64(signs.size)),
    )
    return cupy.asnumpy(counts)
