"""The census against the union-find oracle, in one run: `make bench`.

For each triangulation both rates are taken on one core, after compilation:

* oracle: evaluations per second of the union-find engine on consecutive sign classes;
* census: sign classes per second of the frontier engine, elimination order included.

Their ratio is the figure to quote; absolute times are printed beside the machine's calibration.
Then: the growth of one evaluation with the degree, and the cost of the first compilation.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.calibration import best_seconds, calibrate
from tasks.lattice import honeycomb, load_triangulations, num_points
from tasks.tcurves import exhaustive_census, frontier_census, real_scheme

BARS = {"7_fra": 3e5, "7_honeycomb": 1.5e4, "8_honeycomb": 3e5}
"""Least ratio of the rates that a release must keep."""
ORACLE_BAR = 0.2e6
"""Least evaluations per second of the oracle in degree 7."""
SLOPE_BAR = 2.3
"""Largest log-log slope of one evaluation against the degree."""
COMPILATION_BAR = 60.0
"""Seconds for the first compilation of everything a census needs."""


@dataclass(frozen=True)
class CensusRate:
    """Both engines on one triangulation."""

    triangulation: str
    schemes: int
    oracle_per_second: float
    census_seconds: float
    classes_per_second: float
    ratio: float
    bar: float
    peak_states: int
    peak_mib: float


def rate_of(name: str, bar: float) -> CensusRate:
    """Measure both engines."""
    [triangulation] = load_triangulations([name])
    evaluations = 1 << 18
    oracle = evaluations / best_seconds(lambda: exhaustive_census(triangulation, end=evaluations))
    census = frontier_census(triangulation)
    seconds = best_seconds(
        lambda: frontier_census(triangulation), repeats=5 if triangulation.degree < 8 else 2
    )
    classes = census.sign_classes / seconds
    return CensusRate(
        triangulation=name,
        schemes=len(census.schemes),
        oracle_per_second=oracle,
        census_seconds=seconds,
        classes_per_second=classes,
        ratio=classes / oracle,
        bar=bar,
        peak_states=census.peak_states,
        peak_mib=census.peak_bytes / 2**20,
    )


def evaluation_times(degrees: tuple[int, ...]) -> dict[int, float]:
    """Seconds of one evaluation with random signs on the honeycomb, the complex prepared."""
    times = {}
    for degree in degrees:
        triangulation = honeycomb(degree)
        signs = np.random.default_rng(degree).integers(0, 2, num_points(degree))
        real_scheme(triangulation, signs)
        repeats = max(3, 2000 // degree)
        times[degree] = best_seconds(
            lambda t=triangulation, s=signs: real_scheme(t, s), repeats=repeats
        )
    return times


def slope(times: dict[int, float]) -> float:
    """Fit the exponent k of time ~ degree**k."""
    degrees, seconds = np.array(list(times.items())).T
    return float(np.polyfit(np.log(degrees), np.log(seconds), 1)[0])


def compilation_seconds() -> tuple[float, float]:
    """Seconds until a small census and evaluation are done: empty cache, then filled cache."""
    code = (
        "from tasks.lattice import honeycomb\n"
        "from tasks.tcurves import exhaustive_census, frontier_census, real_scheme\n"
        "t = honeycomb(3); frontier_census(t); frontier_census(t, counts=False)\n"
        "exhaustive_census(t); real_scheme(t, 0)\n"
    )
    seconds = []
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(2):
            start = time.perf_counter()
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            subprocess.run([sys.executable, "-c", code], check=True, env=environment)
            seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1]


def verdict(holds: bool) -> str:
    """Mark whether a bar is met."""
    return "ok" if holds else "BELOW THE BAR"


def report_rates() -> list[CensusRate]:
    """Measure and print the rates of all triangulations with a bar."""
    print(
        f"{'':12} {'oracle/s':>10} {'census s':>9} {'classes/s':>10} {'ratio':>9} {'bar':>8}"
        f" {'states':>8} {'MiB':>6}"
    )
    rates = []
    for name, bar in BARS.items():
        r = rate_of(name, bar)
        rates.append(r)
        print(
            f"{name:12} {r.oracle_per_second:10.3g} {r.census_seconds:9.3f}"
            f" {r.classes_per_second:10.3g} {r.ratio:9.3g} {bar:8.1g} {r.peak_states:8}"
            f" {r.peak_mib:6.1f}  {verdict(r.ratio >= bar)}"
        )
    return rates


def main() -> int:
    """Run everything; exit 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to a file")
    arguments = parser.parse_args()
    machine = calibrate()
    print(machine)
    rates = report_rates()
    oracle = min(r.oracle_per_second for r in rates if r.triangulation.startswith("7_"))
    print(
        f"oracle, degree 7: {oracle:.3g} evaluations/s, bar {ORACLE_BAR:.1g}"
        f"  {verdict(oracle >= ORACLE_BAR)}"
    )
    times = evaluation_times((6, 10, 15, 20, 30, 40, 60))
    exponent = slope(times)
    print("one evaluation: " + ", ".join(f"d={d} {1e3 * t:.2f} ms" for d, t in times.items()))
    print(f"slope {exponent:.2f}, bar {SLOPE_BAR}  {verdict(exponent <= SLOPE_BAR)}")
    cold, warm = compilation_seconds()
    print(
        f"first use {cold:.1f} s with compilation, {warm:.1f} s from the cache, "
        f"bar {COMPILATION_BAR:.0f} s  {verdict(cold <= COMPILATION_BAR)}"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak resident memory {peak:.2f} GiB")
    if arguments.json:
        figures = {
            "machine": machine,
            "rates": [asdict(r) for r in rates],
            "evaluation": times,
            "slope": exponent,
            "compilation": [cold, warm],
            "peak_gib": peak,
        }
        with open(arguments.json, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(figures, file, indent=1)
    holds = (
        all(r.ratio >= r.bar for r in rates)
        and oracle >= ORACLE_BAR
        and exponent <= SLOPE_BAR
        and cold <= COMPILATION_BAR
    )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
