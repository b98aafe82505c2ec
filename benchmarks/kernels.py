"""The kernels that evaluate sign vectors one by one, in one run: `make bench`.

CPU, one core, degree 7, after compilation: the block sweep of one triangulation, batches of random
signs on one triangulation, and batches with a triangulation for each instance, beside the
union-find oracle and the plain Python reference. Then, in degrees 7 and 8, sweeps for schemes with
many ovals: counting components first beside the plain kernel, the two taken in turns. For GPUs see
`benchmarks.gpu_kernels`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.calibration import best_seconds, calibrate
from gpu import isotopy, reference, schemes
from tasks.lattice import load_triangulations, num_points, random_flips
from tasks.tcurves import harnack_bound, num_sign_classes
from tasks.tcurves._prefilter import Prefilter
from tasks.tcurves.patchwork import octant_grid, patchwork
from tasks.tcurves.signs import gauge_points

DEGREE = 7
SWEEP_BAR, EACH_BAR = 2e6, 1e6
"""Least evaluations per second and core of the CPU kernels."""


def free_points(degree: int) -> np.ndarray:
    """Points whose signs are not fixed by the gauge."""
    fixed = gauge_points(degree)
    return np.array([p for p in range(num_points(degree)) if p not in fixed], dtype=np.int64)


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
    free, begin, span = free_points(DEGREE), 1 << 30, 1 << 18
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


def in_turns(functions: Iterable[Callable[[], object]], *, repeats: int = 5) -> list[float]:
    """Seconds of the fastest of some calls of each function, called in turns after compilation."""
    functions = list(functions)
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats + 1):
        for function, own in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            own.append(time.perf_counter() - start)
    return [min(own[1:]) for own in times]


def many_ovals(name: str) -> None:
    """Measure sweeps for schemes with many ovals: components first, and the plain kernel."""
    [triangulation] = load_triangulations([name])
    degree, triangles = triangulation.degree, triangulation.triangles.astype(np.uint8)
    grid, free = octant_grid(degree), free_points(degree)
    begin, span = num_sign_classes(degree) // 3, 1 << 18
    words = np.random.default_rng(0).integers(0, 1 << triangulation.num_points, 1 << 16)

    def evaluate(left: np.ndarray) -> int:
        schemes.scheme_codes(triangles[None], grid, left)
        return left.size

    def sweep() -> schemes.Counts:
        return schemes.sweep(triangles, grid, free, begin, begin + span)

    most = harnack_bound(degree) - degree % 2
    print(f"{name}, one core: components first, against the plain kernel")
    for fewer in (0, 2, 4, 6, 8, 10, 12, 14):
        prefilter = Prefilter(triangulation, most - fewer)

        def search(prefilter: Prefilter = prefilter) -> int:
            end = begin + span
            return sum(map(evaluate, prefilter.search(free, begin, end, capacity=1 << 20)))

        def keep(prefilter: Prefilter = prefilter) -> int:
            return evaluate(prefilter.keep(words))

        seconds = in_turns([lambda: evaluate(words), keep, sweep, search])
        print(
            f"  >= {most - fewer:2} ovals: random signs {seconds[0] / seconds[1]:7.3g} x, "
            f"{keep() / words.size:8.2g} left; range {seconds[2] / seconds[3]:7.3g} x, "
            f"{search() / span:8.2g} left"
        )


def main() -> int:
    """Run everything; exit 1 if a bar is missed."""
    print(calibrate())
    held = [cpu(name) for name in ("7_honeycomb", "7_cen")]
    for name in ("7_honeycomb", "7_cen", "8_honeycomb"):
        many_ovals(name)
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
