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
from collections.abc import Iterable

from benchmarks.calibration import calibrate
from benchmarks.limits import Outcome, time_apart
from benchmarks.sos_contestants import (
    ACCURATE,
    CONTESTANTS,
    NEWTON_SCS,
    OURS,
    QUICK,
    SAME_BASIS,
    Cell,
    polynomial_of,
)
from tasks.records.isolation import cpu_seconds
from tasks.sos.certify import certify
from tasks.sos.polynomials.files import load_polynomials
from tests.sos.planted import STRUCTURES, Structure

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


def contest(
    cell: Cell, structure: Structure, seed: int, limit: float, names: Iterable[str]
) -> Times:
    """Time contestants on one polynomial."""
    print(f"\n{cell} {structure}, seed {seed}")
    times = {}
    for name in names:
        prepare, *others = CONTESTANTS[name]
        arguments = (cell, structure, seed, *others)
        times[name] = time_apart(prepare, *arguments, seconds=limit, gib=MAX_GIB)
        outcome = times[name]
        mark = "" if outcome.is_solved or outcome.is_bound else "  NOT SOLVED"
        print(f"  {name:{WIDTH}} {shown(outcome):>9} s  {outcome.note}{mark}", flush=True)
    return times


def fastest(times: Times, names: Iterable[str]) -> Outcome | None:
    """The fastest contestant that solved the problem, or the bound if some were cut off."""
    found = [times[name] for name in names if name in times]
    usable = [outcome for outcome in found if outcome.is_solved or outcome.is_bound]
    return min(usable, key=lambda outcome: outcome.seconds, default=None)


def report_ratios(times: Times) -> None:
    """Print the ratios of others to every one of our ways that solved the problem."""
    sides = {
        "conic on the same basis": (fastest(times, SAME_BASIS), SAME_BASIS_GOAL),
        "the same for max t": (
            fastest(times, [name for name in SAME_BASIS if name.endswith("max t")]),
            SAME_BASIS_GOAL,
        ),
        "to 1e-10": (fastest(times, ACCURATE), SAME_BASIS_GOAL),
        "SCS on half Newton": (fastest(times, NEWTON_SCS), NEWTON_GOAL),
    }
    for name in OURS:
        if times[name].is_solved:
            said = [ratio(what, other, times[name], goal) for what, (other, goal) in sides.items()]
            print(f"  ratio to {name}: " + "; ".join(text for text in said if text))


def ratio(what: str, other: Outcome | None, own: Outcome, goal: float) -> str:
    """One ratio with its goal; empty if there is nothing to compare with."""
    if other is None:
        return ""
    value = other.seconds / own.seconds
    sign = ">= " if other.is_bound else ""
    verdict = "ok" if value >= goal else "BELOW THE GOAL"
    return f"{what} {sign}{value:.3g} x (goal {goal:.0f}, {verdict})"


def table(
    cell: Cell, structures: Iterable[Structure], limit: float, *, seeds: int, is_full: bool
) -> bool:
    """Time all contestants on seed 0, the quick ones on others; whether ours proved everything."""
    holds = True
    for structure in structures:
        for seed in range(seeds):
            names = CONTESTANTS if seed == 0 or is_full else QUICK
            times = contest(cell, structure, seed, limit, names)
            if cell == LARGE:
                report_ratios(times)
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
            start = cpu_seconds()
            found = certify(p)
            times.append(cpu_seconds() - start)
            holds &= found.verdict.value == "proved"
        worst = max(worst, *times)
        print(f"  {structure:{WIDTH}} " + " ".join(f"{t:.3f}" for t in times))
    print(f"  most {worst:.3f} s  {'ok' if worst < WIDE_GOAL else 'BELOW THE GOAL'}")
    return holds


def classics() -> None:
    """The classical polynomials, one after the other, after a round for compilation."""
    counts: dict[str, int] = {}
    longest, total = (0.0, ""), 0.0
    entries = load_polynomials(["benchmarks"])
    for entry in entries:
        assert entry.polynomial is not None
        certify(entry.polynomial)
    for entry in entries:
        assert entry.polynomial is not None
        start = cpu_seconds()
        verdict = certify(entry.polynomial).verdict.value
        spent = cpu_seconds() - start
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
    parser.add_argument("--full", action="store_true", help="600 s, everything on every seed")
    parser.add_argument("--seeds", type=int, default=3, help="polynomials of (6, 20, 60)")
    parser.add_argument("--structures", nargs="*", choices=STRUCTURES, default=None)
    parser.add_argument("--cells", nargs="*", choices=("large", "small", "wide", "classics"))
    arguments = parser.parse_args()
    limit = 600.0 if arguments.full else arguments.limit
    chosen = arguments.cells or ("large", "small", "wide", "classics")
    print(calibrate())
    print(f"load {os.getloadavg()[0]:.1f}; limits {limit:.0f} s, {MAX_GIB:.0f} GiB")
    certify(polynomial_of((2, 4, 4), "dense", 0))
    holds = True
    if "classics" in chosen:
        classics()
    if "wide" in chosen:
        holds &= wide()
    is_full = arguments.full
    if "small" in chosen:
        few: tuple[Structure, ...] = STRUCTURES if is_full else ("dense", "low_rank")
        for cell in SMALL:
            structures = arguments.structures or few
            holds &= table(cell, structures, limit, seeds=1, is_full=is_full)
    if "large" in chosen:
        structures = arguments.structures or STRUCTURES
        holds &= table(LARGE, structures, limit, seeds=arguments.seeds, is_full=is_full)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
