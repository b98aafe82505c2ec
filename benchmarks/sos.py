"""Sums of squares beside conic solvers and modelling packages, in one run.

CPU seconds of one core, at tolerance 1e-6, every contestant in a process of its own
(`benchmarks.sos_contestants`) with limits on CPU time and memory (`benchmarks.limits`); beyond them
it counts as the limit, and a ratio to it is a lower bound.  Then sparse polynomials in 100
variables, and the classical polynomials.

BLAS must run in one thread (OPENBLAS_NUM_THREADS=1), or CPU seconds are spent on waiting.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable

from benchmarks.calibration import calibrate
from benchmarks.limits import Outcome, run_limited
from benchmarks.sos_contestants import (
    CONTESTANTS,
    NEWTON_SCS,
    OURS,
    SAME_BASIS,
    Cell,
    polynomial_of,
)
from tasks.sos.certify import certify
from tasks.sos.files import load_polynomials
from tasks.sos.planted import STRUCTURES, Structure

LARGE: Cell = (6, 20, 60)
SMALL: tuple[Cell, ...] = ((4, 6, 20), (8, 20, 30), (6, 12, 30))
WIDE: Cell = (100, 10, 20)
WIDE_SEEDS = range(5)
SAME_BASIS_GOAL, NEWTON_GOAL, WIDE_GOAL = 20.0, 50.0, 0.2
MAX_GIB = 8.0
WIDTH = 42

Times = dict[str, Outcome]


def shown(outcome: Outcome) -> str:
    """A time; "> 60" for a lower bound."""
    if outcome.seconds != outcome.seconds:
        return "-"
    return f"> {outcome.seconds:.0f}" if outcome.is_bound else f"{outcome.seconds:.4f}"


def contest(cell: Cell, structure: Structure, seed: int, limit: float) -> Times:
    """Time all contestants on one polynomial."""
    print(f"\n{cell} {structure}, seed {seed}")
    times = {}
    for name, (prepare, *others) in CONTESTANTS.items():
        arguments = (cell, structure, seed, *others)
        times[name] = run_limited(prepare, *arguments, seconds=limit, gib=MAX_GIB)
        outcome = times[name]
        mark = "" if outcome.is_solved or outcome.is_bound else "  NOT SOLVED"
        print(f"  {name:{WIDTH}} {shown(outcome):>9} s  {outcome.note}{mark}", flush=True)
    return times


def fastest(times: Times, names: Iterable[str]) -> Outcome | None:
    """The fastest contestant that solved the problem, or the bound if some were cut off."""
    usable = [times[name] for name in names if times[name].is_solved or times[name].is_bound]
    return min(usable, key=lambda outcome: outcome.seconds, default=None)


def ratio_lines(times: Times) -> None:
    """Print the ratios to every one of our ways that solved the problem."""
    same = fastest(times, SAME_BASIS)
    same_problem = fastest(times, [name for name in SAME_BASIS if name.endswith("max t")])
    newton = fastest(times, NEWTON_SCS)
    for name in OURS:
        if not times[name].is_solved:
            continue
        parts = [
            _ratio("conic, same basis", same, times[name], SAME_BASIS_GOAL),
            _ratio("for max t", same_problem, times[name], SAME_BASIS_GOAL),
            _ratio("SCS, half Newton", newton, times[name], NEWTON_GOAL),
        ]
        print(f"  {name}: " + "; ".join(parts))


def _ratio(what: str, other: Outcome | None, own: Outcome, goal: float) -> str:
    if other is None:
        return f"{what} unsolved"
    ratio = other.seconds / own.seconds
    sign = ">= " if other.is_bound else ""
    verdict = "ok" if ratio >= goal else "BELOW THE GOAL"
    return f"{what} {sign}{ratio:.3g} x (goal {goal:.0f}, {verdict})"


def table(cell: Cell, structures: Iterable[Structure], seeds: int, limit: float) -> bool:
    """All contestants of a cell; whether ours proved everything."""
    holds = True
    for structure in structures:
        for seed in range(seeds):
            times = contest(cell, structure, seed, limit)
            ratio_lines(times)
            holds &= times["ours, with proof"].is_solved
    return holds


def wide() -> bool:
    """Sparse polynomials in 100 variables, with proof."""
    print(f"\n{WIDE}, with proof, CPU seconds; goal {WIDE_GOAL} s")
    holds, worst = True, 0.0
    for structure in STRUCTURES:
        times = []
        for seed in WIDE_SEEDS:
            p = polynomial_of(WIDE, structure, seed)
            start = time.process_time()
            found = certify(p)
            times.append(time.process_time() - start)
            holds &= found.verdict.value == "proved"
        worst = max(worst, *times)
        print(f"  {structure:{WIDTH}} " + " ".join(f"{t:.3f}" for t in times))
    print(f"  most {worst:.3f} s  {'ok' if worst < WIDE_GOAL else 'BELOW THE GOAL'}")
    return holds


def classics() -> None:
    """The classical polynomials, one after the other."""
    counts: dict[str, int] = {}
    longest, total = (0.0, ""), 0.0
    for entry in load_polynomials(["benchmarks"]):
        assert entry.polynomial is not None
        start = time.process_time()
        verdict = certify(entry.polynomial).verdict.value
        spent = time.process_time() - start
        total += spent
        longest = max(longest, (spent, entry.name))
        counts[verdict] = counts.get(verdict, 0) + 1
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(
        f"\n{sum(counts.values())} classical polynomials: {total:.2f} CPU s, most "
        f"{longest[0]:.2f} s for {longest[1]}; {said}"
    )


def main() -> int:
    """Run everything; exit 1 if ours left something unproved."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--limit", type=float, default=60.0, help="CPU seconds of a contestant")
    parser.add_argument("--full", action="store_true", help="600 s, all structures, 3 seeds")
    parser.add_argument("--structures", nargs="*", choices=STRUCTURES, default=None)
    parser.add_argument("--cells", nargs="*", choices=("large", "small", "wide", "classics"))
    arguments = parser.parse_args()
    limit, seeds = (600.0, 3) if arguments.full else (arguments.limit, 1)
    chosen = arguments.cells or ("large", "small", "wide", "classics")
    print(calibrate())
    print(f"load {os.getloadavg()[0]:.1f}; limits {limit:.0f} s, {MAX_GIB:.0f} GiB")
    certify(polynomial_of((2, 4, 4), "dense", 0))
    holds = True
    if "classics" in chosen:
        classics()
    if "wide" in chosen:
        holds &= wide()
    if "small" in chosen:
        few: tuple[Structure, ...] = STRUCTURES if arguments.full else ("dense", "low_rank")
        for cell in SMALL:
            holds &= table(cell, arguments.structures or few, 1, limit)
    if "large" in chosen:
        holds &= table(LARGE, arguments.structures or STRUCTURES, seeds, limit)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
