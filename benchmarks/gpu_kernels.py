"""The CUDA kernels on one GPU: `python -m benchmarks.gpu_kernels`.

Imports nothing but NumPy, Numba, CuPy and `gpu`, so that it runs on a bare GPU node. No figure has
been taken yet.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from gpu import schemes
from gpu.backend import cuda_problem
from gpu.octants import grid_of_degree

DEGREE = 7
NUM_POINTS = 36
SWEEP_GOAL, EACH_GOAL = 3e9, 1e9
"""Goals on one H100, in evaluations per second."""
WORD_OPERATIONS = 6
"""Operations on 64-bit words per visited point: lowest bit, clear, load, and, and-not, or."""


def honeycomb() -> np.ndarray:
    """Triangles of the honeycomb triangulation, uint8 (d^2, 3)."""
    points = [(x, y) for x in range(DEGREE + 1) for y in range(DEGREE + 1 - x)]
    index = {point: i for i, point in enumerate(points)}
    up = [(index[x, y], index[x + 1, y], index[x, y + 1]) for x, y in points if x + y < DEGREE]
    down = [
        (index[x + 1, y], index[x, y + 1], index[x + 1, y + 1])
        for x, y in points
        if x + y < DEGREE - 1
    ]
    return np.array(up + down, dtype=np.uint8)


def rate(function: Callable[[], object], evaluations: int) -> float:
    """Evaluations per second of the fastest of three calls, after one that compiles."""
    function()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return evaluations / min(times)


def main() -> int:
    """Measure a sweep and a batch; exit 1 without a GPU."""
    problem = cuda_problem()
    if problem:
        print(f"not measured: {problem}")
        return 1
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    processors = cupy.cuda.Device().attributes["MultiProcessorCount"]
    hertz = 1e3 * cupy.cuda.Device().attributes["ClockRate"]
    triangles, grid, span = honeycomb(), grid_of_degree(DEGREE), 1 << 33
    free = np.array([p for p in range(NUM_POINTS) if p not in (0, 1, 8)], dtype=np.int64)
    sweep = rate(lambda: schemes.sweep(triangles, grid, free, 0, span, device="cuda"), span)
    signs = np.random.default_rng(0).integers(0, 1 << NUM_POINTS, 1 << 22)
    each = np.repeat(triangles[None], signs.size, axis=0)
    batch = rate(lambda: schemes.scheme_codes(each, grid, signs, device="cuda"), signs.size)
    operations = 4 * NUM_POINTS * WORD_OPERATIONS
    # A multiprocessor does 64 integer operations of 32 bits per clock, two for one on a word.
    bound = processors * 32 * hertz / operations
    print(f"{name}: {processors} multiprocessors at {hertz / 1e9:.2f} GHz")
    print(f"sweep, one triangulation: {sweep:.3g}/s, goal {SWEEP_GOAL:.0e}")
    print(f"batch, a triangulation each, with transfers: {batch:.3g}/s, goal {EACH_GOAL:.0e}")
    print(
        f"per evaluation: at least {operations} word operations, {triangles.size + 16} bytes for a "
        f"batch, none for a sweep; the operations alone allow {bound:.3g}/s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
