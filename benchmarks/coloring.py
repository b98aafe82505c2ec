"""Plane colorings on one core: `python -m benchmarks.coloring [SECTION ...]`.

Sections: verify, score, repair, members, losses.  Times are CPU seconds of one core, after the
first call of every kernel; each stands beside its bar.  `--grid FILE` verifies the published grid
of 1945 x 1970 cells, where a user has it, in place of a seeded coloring of its lattice.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.calibration import calibrate
from benchmarks.coloring_repair import PUBLISHED, near_the_optimum
from benchmarks.coloring_searches import spectral_and_sampled, together
from gpu.backend import one_thread
from tasks.coloring import (
    CellColoring,
    Interval,
    Lattice,
    conflict_offsets,
    parse_distances,
    score,
    write_certificate,
)
from tasks.coloring.certificates.counts import pair_counts, pair_counts_by_bits
from tasks.coloring.construction.grids.conflicts import PartialColoring, conflict_graph
from tasks.coloring.construction.grids.upsampling import discretise, upsample
from tasks.coloring.interchange.grids import read_grid
from tasks.coloring.search.members import Member
from tasks.coloring.search.starts import Start
from tasks.coloring.search.training import Settings, train_members

SHAPE, COLORS, FACTOR = (1945, 1970), 5, 5
VERIFY_BAR, MEMORY_BAR, COUNTS_BAR = 10.0, 1.5, 3.0
"""CPU seconds, GiB of resident memory, CPU seconds."""
SCORE_BAR = 0.030

T = TypeVar("T")


def seeded_grid() -> np.ndarray:
    """A proper coloring of the published lattice: searched, without conflicts, each cell 5 x 5."""
    vectors = tuple(tuple(map(float, row)) for row in PUBLISHED)
    member = Member(0, COLORS, start=Start(vectors=vectors))
    (found,) = train_members([member], Settings(num_steps=150, lattice_rate=0.0))
    shape = tuple(m // FACTOR for m in SHAPE)
    graph = conflict_graph(Lattice.parse(PUBLISHED), shape, parse_distances(None, COLORS))
    coarse = PartialColoring.of(graph, discretise(upsample(found.logits, shape), COLORS))
    return np.kron(coarse.grid, np.ones((FACTOR, FACTOR), np.uint8))


def verified(path: Path | None) -> bool:
    """`latticework verify` of the published grid or one like it, and what it consists of."""
    lattice = Lattice.parse(PUBLISHED)
    grid = seeded_grid() if path is None else read_grid(path, num_colors=COLORS).grid
    with tempfile.TemporaryDirectory() as folder:
        file = write_certificate(CellColoring.of(grid, lattice, COLORS), Path(folder))
        command = [sys.executable, "-m", "flows.cli", "verify", str(file)]
        (code, said, seconds, gib) = run(command)
    print(said)
    is_met = verdict(
        f"latticework verify of {SHAPE[0]} x {SHAPE[1]} cells: {seconds:.1f} s, {gib:.2f} GiB",
        code == 0 and seconds <= VERIFY_BAR and gib <= MEMORY_BAR,
        f"{VERIFY_BAR:g} s, {MEMORY_BAR:g} GiB",
    )
    offsets, masking = timed(lambda: conflict_offsets(lattice, grid.shape, Interval.of("1")))
    colors = list(range(COLORS))
    counts, counting = timed(lambda: pair_counts(grid, colors, offsets))
    by_bits, bits = timed(lambda: pair_counts_by_bits(grid, colors, offsets))
    print(
        f"  {len(offsets)} offsets in {masking:.2f} s; counts by bit sets in {bits:.2f} s, "
        f"{'equal' if np.array_equal(counts, by_bits) else 'DIFFERENT'}"
    )
    is_right = np.array_equal(counts, by_bits) and counting <= COUNTS_BAR
    return is_met & verdict(f"  counts by FFT in {counting:.2f} s", is_right, f"{COUNTS_BAR:g} s")


def run(command: list[str]) -> tuple[int, str, float, float]:
    """Exit code of a program, what it said, its CPU seconds, and the most GiB that it held."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read().strip()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, gib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20
    return process.returncode, said, seconds, gib


def scored(size: int = 256) -> bool:
    """The exact score of a random grid, after the first call."""
    grid = np.random.default_rng(0).integers(0, COLORS, (size, size))
    lattice = Lattice.parse(PUBLISHED)
    first = timed(lambda: score(grid, lattice))[1]
    best = min(timed(lambda: score(grid, lattice))[1] for _ in range(10))
    text = f"score of {size} x {size} cells: {1e3 * best:.1f} ms, first call {1e3 * first:.0f} ms"
    return verdict(text, best <= SCORE_BAR, f"{1e3 * SCORE_BAR:g} ms")


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """What a call returns, and its CPU seconds."""
    start = time.process_time()
    found = call()
    return found, time.process_time() - start


def verdict(text: str, holds: bool, bar: str) -> bool:
    """Print a figure with its bar."""
    print(f"{text} (bar: {bar}) {'ok' if holds else 'FAILED'}")
    return holds


def main() -> int:
    """Exit 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="by default all")
    parser.add_argument("--grid", type=Path, help="the published grid: .npz, .npy or .csv")
    given = parser.parse_args()
    sections: dict[str, Callable[[], bool]] = {
        "verify": partial(verified, given.grid),
        "score": scored,
        "repair": near_the_optimum,
        "members": together,
        "losses": spectral_and_sampled,
    }
    if unknown := set(given.sections) - set(sections):
        parser.error(f"no section {', '.join(unknown)}: choose from {', '.join(sections)}")
    print(calibrate())
    with one_thread():
        met = [sections[name]() for name in given.sections or sections]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
