"""Kernels of T-curves, compiled or read from the disk once per process, before any clock starts.

Each function does on a small triangulation what the calls of a stage do on large ones, so that the
seconds of an item are those of its work. GPU kernels are left to the first call that has a GPU.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa

from gpu.schemes import scheme_codes, sweep
from tasks.lattice import certify_regularity, honeycomb
from tasks.tcurves._prefilter import Prefilter
from tasks.tcurves.census import exhaustive_census, frontier_census
from tasks.tcurves.hunt import HuntConfig
from tasks.tcurves.hunt_rounds import HuntWork, hunt_rows
from tasks.tcurves.patchwork import octant_grid
from tasks.tcurves.proposals import Origin
from tasks.tcurves.verify import verify_witnesses

DEGREE = 3


@cache
def compile_census() -> None:
    """Both engines of the census, the certificate of regularity, and the verification."""
    cubic = honeycomb(DEGREE)
    certify_regularity(cubic.with_weights(None))
    exhaustive_census(cubic)
    found = frontier_census(cubic).schemes
    witnesses = {
        "scheme": [str(row.scheme) for row in found],
        "witness": [r.witness for r in found],
    }
    verify_witnesses(cubic, pa.table(witnesses))


@cache
def compile_sweep() -> None:
    """The evaluation of ranges and of batches, with and without components counted first."""
    cubic, grid = honeycomb(DEGREE), octant_grid(DEGREE)
    triangles, free = cubic.triangles.astype(np.uint8), np.arange(7, dtype=np.int64)
    words = np.arange(2, dtype=np.int64)
    sweep(triangles, grid, free, 0, 2)
    scheme_codes(triangles[None], grid, words)
    prefilter = Prefilter(cubic, 1)
    prefilter.keep(words)
    list(prefilter.search(free, 0, 2, capacity=2))


@cache
def compile_hunt() -> None:
    """Every move of a hunt, the climb after it, certificate and census."""
    cubic = honeycomb(DEGREE)
    moves = ("seed", "mutation", "crossing", "heights", "symmetric", "mutation")
    origins = tuple(Origin(move, cubic, cubic if move == "crossing" else None) for move in moves)
    config, tried = HuntConfig(degree=DEGREE, proposals=1), np.zeros(0, dtype=np.uint64)
    hunt_rows(HuntWork(config, 1, 0, origins, tried, {}))
