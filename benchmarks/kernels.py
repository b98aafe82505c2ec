"""The kernels that evaluate sign vectors one by one, in one run: `make bench`.

CPU, one core, degree 7, after compilation: the block sweep of one triangulation, batches of random
signs on one triangulation, and batches with a triangulation for each instance, beside the
union-find oracle and the plain Python reference. For GPUs see `benchmarks.gpu_kernels`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from benchmarks.calibration import best_seconds, calibrate
from gpu import isotopy, reference, schemes
from tasks.lattice import honeycomb, load_triangulations, random_flips
from tasks.tcurves.patchwork import octant_grid, patchwork
from tasks.tcurves.signs import gauge_points

DEGREE = 7
SWEEP_BAR, EACH_BAR = 2e6, 1e6
"""Least evaluations per second and core of the CPU kernels."""


def free_points() -> np.ndarray:
    """Points whose signs are not fixed by the gauge."""
    n = honeycomb(DEGREE).num_points
    return np.array([p for p in range(n) if p not in gauge_points(DEGREE)], dtype=np.int64)


def rate(function: Callable[[], object], evaluations: int, *, repeats: int = 5) -> float:
    """Evaluations per second, after one call that compiles."""
    function()
    return evaluations / best_seconds(function, repeats=repeats)


def line(what: str, value: float, base: float, bar: float | None = None) -> bool:
    """Print one figure, its ratio to the oracle and its bar; return whether it holds."""
    holds = bar is None or value >= bar
    verdict = "" if bar is None else f"  bar {bar:.0e}  {'ok' if holds else 'BELOW THE BAR'}"
    print(f"{what:48} {value:10.3g}/s  {value / base:8.3g} x union-find{verdict}")
    return holds


def cpu(name: str) -> bool:
    """Measure the CPU kernels on one triangulation."""
    [triangulation] = load_triangulations([name])
    grid, complex_ = octant_grid(DEGREE), patchwork(triangulation)
    triangles = triangulation.triangles.astype(np.uint8)
    rng = np.random.default_rng(0)
    signs = rng.integers(0, 1 << triangulation.num_points, 1 << 16)
    others = [random_flips(triangulation, 50, rng) for _ in range(64)]
    each = np.stack([other.triangles for other in others]).astype(np.uint8)
    each = each[rng.integers(0, len(each), signs.size)]
    free, begin, span = free_points(), 1 << 30, 1 << 18
    oracle_arguments = (complex_.edges, complex_.num_vertices, triangulation.num_points, True, free)
    oracle = rate(lambda: isotopy.sweep(*oracle_arguments, begin, begin + (span >> 2)), span >> 2)
    few = [((s >> np.arange(triangulation.num_points)) & 1) for s in signs[:50]]
    plain = rate(
        lambda: [
            reference.scheme_code(complex_.edges, complex_.num_vertices, True, s) for s in few
        ],
        len(few),
        repeats=1,
    )
    print(f"{name}, one core")
    line("  Python reference", plain, oracle)
    line("  union-find (oracle)", oracle, oracle)
    line(
        "  octants, one triangulation, random signs",
        rate(lambda: schemes.scheme_codes(triangles[None], grid, signs), signs.size),
        oracle,
    )
    holds = line(
        "  octants, a triangulation for each instance",
        rate(lambda: schemes.scheme_codes(each, grid, signs), signs.size),
        oracle,
        EACH_BAR,
    )
    return (
        line(
            "  blocks, one triangulation, range of signs",
            rate(lambda: schemes.sweep(triangles, grid, free, begin, begin + span), span),
            oracle,
            SWEEP_BAR,
        )
        and holds
    )


def main() -> int:
    """Run everything; exit 1 if a bar is missed."""
    print(calibrate())
    held = [cpu(name) for name in ("7_honeycomb", "7_cen")]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
