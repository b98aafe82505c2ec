"""Random polynomials with known bases: rows per CPU second of one core, in one run.

Every figure is the best of some turns, after compilation, and counts everything from the random
numbers to the Arrow table of a shard as it is written; reading counts one row at a time in a random
order, as training takes them.  The bars are those of the point n6-d10-m30.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from benchmarks.calibration import calibrate
from tasks.records import RunIdentity, rows_table
from tasks.records.isolation import cpu_seconds
from tasks.records.parts import serialize
from tasks.sos.sampling.cells import FAMILIES, Cell
from tasks.sos.sampling.generation import Rows
from tasks.sos.sampling.reading import ShardReader
from tasks.sos.sampling.schema import Mode, polynomials_schema
from tasks.sos.sampling.shards import shard_table

POINT = "n6-d10-m30"
OTHERS = ("n4-d3-m20", "n8-d10-m30", "n6-d10-m60", "n6-d20-m40", "n100-d5-m20")
STRUCTURES = FAMILIES[:4]
BARS = {"compact": 15_000.0, "expanded": 2_000.0}
"""Least rows per second at the point, for each of the four structures."""
ROWS, READ, TURNS = 2000, 1000, 3
IDENTITY = RunIdentity("sos-dataset", "{}", inputs=(), code_version="benchmark")


def shard_bytes(cell: Cell, mode: Mode) -> bytes:
    """The file of one shard."""
    rows = Rows.generate(cell, seed=0, first=0, count=ROWS, terms=mode == "expanded")
    table = rows_table(polynomials_schema({"mode": mode}), shard_table(rows, mode), IDENTITY)
    return serialize(table, {}).to_pybytes()


def best(call: Callable[[], object]) -> float:
    """CPU seconds of the fastest of some calls."""
    times = []
    for _ in range(TURNS):
        start = cpu_seconds()
        call()
        times.append(cpu_seconds() - start)
    return min(times)


def measure(family: str, point: str) -> dict[str, float]:
    """Print the rows per second of a cell in both modes, and the bytes per row."""
    cell, rates, parts = Cell.of(family, point), {}, []
    modes: tuple[Mode, ...] = ("compact", "expanded")
    for mode in modes:
        size = len(shard_bytes(cell, mode))
        rates[mode] = ROWS / best(lambda mode=mode: shard_bytes(cell, mode))
        parts.append(f"{mode} {rates[mode]:8,.0f}/s {size / ROWS:8,.0f} bytes")
    print(f"{cell.name:32} {', '.join(parts)}")
    return rates


def reading(mode: Mode) -> None:
    """Print how many rows are read per second in a random order."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard.arrow"
        path.write_bytes(shard_bytes(Cell.of("dense", POINT), mode))
        reader = ShardReader([path])
        seconds = best(lambda: sum(1 for _ in islice(reader.rows(), READ)))
    print(f"read in a random order, {mode}: {READ / seconds:,.0f}/s")


def main() -> int:
    """Run everything; exit 1 if a bar is missed."""
    print(calibrate())
    rates = [measure(family, POINT) for family in FAMILIES][: len(STRUCTURES)]
    for point in OTHERS:
        for family in STRUCTURES:
            measure(family, point)
    reading("compact")
    reading("expanded")
    holds = True
    for mode, bar in BARS.items():
        worst = min(rate[mode] for rate in rates)
        holds &= worst >= bar
        verdict = "ok" if worst >= bar else "BELOW THE BAR"
        print(f"{mode} at {POINT}, slowest structure: {worst:,.0f}/s, bar {bar:,.0f}  {verdict}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
