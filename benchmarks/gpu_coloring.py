"""Search for colorings on one GPU: `python -m benchmarks.gpu_coloring [--out FOLDER]`.

Five colors are searched for seven minutes; then the best are repaired on the CPU, certified, and
the certificate of the best is written to the folder.  And 1,024 members at 48 x 48 points are
trained on the GPU and, fewer of them, on one CPU core.  Needs neither Ray nor Prefect nor pydantic,
so that it runs on a bare GPU node; `--device cpu --small` tries it on a CPU, where no bar counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from benchmarks.one_gpu import measured, options
from tasks.coloring import CellColoring, Lattice, verify_cells, write_certificate
from tasks.coloring.construction.grids.repair import RepairSettings, repair
from tasks.coloring.search.halving import best, removal_estimate
from tasks.coloring.search.members import Member
from tasks.coloring.search.starts import Start
from tasks.coloring.search.training import Outcome, Settings, train_members

COLORS = 5
REMOVED_BAR, SEARCH_SECONDS = 0.039, 420.0
SPEED_BAR = 100.0
PENALTIES = (0.02, 0.035, 0.05)


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes
    ----------
    search : float
        Seconds of search.
    members : int
        Of one batch of the search; of these the best `kept` continue on finer grids.
    rungs : tuple of Settings
        Trainings of a batch.
    repair : RepairSettings
    batch, alone, steps : int
        Members on the device and on the core, and their steps, when speeds are measured.
    side : int
        Points along each side of their grids.
    """

    search: float
    members: int
    kept: int
    rungs: tuple[Settings, ...]
    repair: RepairSettings
    batch: int
    alone: int
    steps: int
    side: int


FULL = Sizes(
    search=SEARCH_SECONDS,
    members=1024,
    kept=64,
    rungs=(
        Settings(shape=(24, 24), num_steps=300, batch_size=1024),
        Settings(shape=(48, 48), num_steps=300, batch_size=64, first_penalty=0.0, margin=0.03),
        Settings(shape=(96, 96), num_steps=300, batch_size=64, first_penalty=0.0, margin=0.01),
    ),
    repair=RepairSettings(cells=512**2, refinements=2, steps=20_000, exchanges=20_000),
    batch=1024,
    alone=1,
    steps=200,
    side=48,
)
SMALL = Sizes(
    search=2.0,
    members=6,
    kept=2,
    rungs=(
        Settings(shape=(12, 12), num_steps=20, batch_size=6),
        Settings(shape=(16, 16), num_steps=10, batch_size=2, first_penalty=0.0),
    ),
    repair=RepairSettings(cells=48**2, refinements=1, steps=50, exchanges=50),
    batch=4,
    alone=1,
    steps=5,
    side=16,
)


def search(sizes: Sizes, device: str) -> tuple[list[Outcome], int]:
    """The best members of all batches that begin within the time, and how many there were.

    A batch is left out if one as long as the longest would end too late.
    """
    ends, longest = time.perf_counter() + sizes.search, 0.0
    found: list[Outcome] = []
    for number in count():
        began = time.perf_counter()
        if began + longest > ends and number:
            return found, number * sizes.members
        found = best([*found, *one_batch(number, sizes, device)], 4, removal_estimate)
        longest = max(longest, time.perf_counter() - began)
    raise AssertionError


def one_batch(number: int, sizes: Sizes, device: str) -> list[Outcome]:
    """Members from random lattices; the best continue on finer grids."""
    first = number * sizes.members
    members = [
        Member(seed, COLORS, PENALTIES[seed % len(PENALTIES)], start=Start(areas=(3.0, 14.0)))
        for seed in range(first, first + sizes.members)
    ]
    found: list[Outcome] | None = None
    for settings in sizes.rungs:
        found = train_members(members, settings, starts=found, device=device)
        found = best(found, sizes.kept, removal_estimate)
        members = [outcome.member for outcome in found]
    return found or []


def report_search(sizes: Sizes, device: str, folder: Path) -> bool:
    """Search, then repair on the CPU and certify."""
    began = time.perf_counter()
    found, members = search(sizes, device)
    taken = time.perf_counter() - began
    print(
        f"{COLORS} colors: {members} members in {taken:.0f} s of search (at most {sizes.search:g})"
    )
    certified = []
    for outcome in found:
        lattice = Lattice.parse(outcome.lattice_texts)
        began = time.perf_counter()
        repaired = repair(outcome.logits, lattice, COLORS, settings=sizes.repair)
        coloring = CellColoring.of(repaired.grid, lattice, COLORS)
        assert verify_cells(coloring).valid
        certified.append((repaired.removed, write_certificate(coloring, folder)))
        print(
            f"  seed {outcome.member.seed}: estimate {removal_estimate(outcome):.4%}, certified "
            f"{float(repaired.removed):.4%} after {time.perf_counter() - began:.0f} s of repair",
            flush=True,
        )
    removed, file = min(certified)
    for _, other in certified:
        if other != file:
            other.unlink()
    is_met = removed <= REMOVED_BAR
    print(f"  {file}: removed {float(removed):.4%} (at most {REMOVED_BAR:.1%}: {word(is_met)})")
    return is_met


def report_speed(sizes: Sizes, device: str) -> bool:
    """Member-steps per second on the device and on one CPU core."""
    settings = Settings(shape=(sizes.side,) * 2, num_steps=sizes.steps, batch_size=sizes.batch)
    members = [Member(seed, COLORS) for seed in range(sizes.batch)]
    rates = {}
    for name, chosen, own, where in (
        (device, members, settings, device),
        ("one core, alone", members[: sizes.alone], settings, "cpu"),
        ("one core, 64 together", members[:64], replace(settings, batch_size=64), "cpu"),
    ):
        train_members(chosen, replace(own, num_steps=2), device=where)
        steps = len(chosen) * own.num_steps
        rates[name] = steps / wall(lambda: train_members(chosen, own, device=where))  # noqa: B023
        print(f"  {name}: {rates[name]:.0f} member-steps/s at {sizes.side} x {sizes.side} points")
    on_device, *on_core = rates.values()
    is_met = on_device >= SPEED_BAR * max(on_core)
    ratios = " and ".join(f"{on_device / rate:.1f}" for rate in on_core)
    print(
        f"  {device} is {ratios} times as fast (at least {SPEED_BAR:g} times both: {word(is_met)})"
    )
    return is_met


def wall(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def word(holds: bool) -> str:
    """Whether a bar is met."""
    return "ok" if holds else "MISSED"


def main() -> int:
    """Exit 1 if a bar is missed on a GPU."""
    parser = options(__doc__, "seconds of search, few members")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the certificate")
    parser.add_argument("--only", choices=("search", "speed"))
    given = parser.parse_args()
    return measured(given.device, lambda: bars_met(given))


def bars_met(given: argparse.Namespace) -> Iterator[bool]:
    """Whether each bar is met."""
    sizes = SMALL if given.small else FULL
    given.out.mkdir(parents=True, exist_ok=True)
    if given.only != "search":
        yield report_speed(sizes, given.device)
    if given.only != "speed":
        yield report_search(sizes, given.device, given.out)


if __name__ == "__main__":
    sys.exit(main())
