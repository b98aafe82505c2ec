"""The CUDA kernels on a GPU against their CPU twin.

These tests import nothing but NumPy, Numba, CuPy and `gpu`, so that they run on a bare GPU node:
`python -m pytest -c /dev/null --rootdir . -p no:cacheprovider tests/gpu/test_gpu_device.py`.
"""

import numpy as np
import pytest

from gpu import schemes
from gpu.octants import grid_of_degree

pytestmark = pytest.mark.gpu


def honeycomb(degree):
    """Triangles of the honeycomb triangulation, uint8 (d^2, 3)."""
    index = {}
    for x in range(degree + 1):
        for y in range(degree + 1 - x):
            index[x, y] = len(index)
    up = [(index[x, y], index[x + 1, y], index[x, y + 1]) for x, y in index if x + y < degree]
    down = [
        (index[x + 1, y], index[x, y + 1], index[x + 1, y + 1])
        for x, y in index
        if x + y < degree - 1
    ]
    return np.array(up + down, dtype=np.uint8)


def num_points(degree):
    return (degree + 1) * (degree + 2) // 2


@pytest.mark.parametrize("degree", range(1, 10))
@pytest.mark.parametrize("each", [False, True])
def test_batches_give_the_same_codes(degree, each):
    signs = np.random.default_rng(degree).integers(0, 1 << num_points(degree), 100_000)
    triangles = honeycomb(degree)[None]
    if each:
        triangles = np.repeat(triangles, signs.size, axis=0)
    grid = grid_of_degree(degree)
    on_gpu = schemes.scheme_codes(triangles, grid, signs, device="cuda")
    assert (on_gpu == schemes.scheme_codes(triangles, grid, signs)).all()


@pytest.mark.parametrize("degree", range(2, 10))
def test_sweeps_give_the_same_counts_and_witnesses(degree):
    n = num_points(degree)
    free = np.array([p for p in range(n) if p not in (0, 1, degree + 1)], dtype=np.int64)
    end = min(1 << free.size, 1 << 20)
    arguments = (honeycomb(degree), grid_of_degree(degree), free, 0, end)
    on_gpu, on_cpu = (schemes.sweep(*arguments, device=device) for device in ("cuda", "cpu"))
    for ours, theirs in zip(on_gpu, on_cpu, strict=True):
        assert np.array_equal(ours, theirs)
