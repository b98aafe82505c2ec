"""The census of a triangulation: its real schemes, counted over all 2^(n-3) sign classes.

Two engines give the same histogram:

* `frontier_census` runs the frontier dynamic program (`gpu.frontier`), whose work depends on the
  number of distinguishable pasts and not on the number of sign classes;
* `exhaustive_census` evaluates every sign class (`gpu.isotopy`), the oracle and baseline.

Both are exact.  The frontier program is limited by its memory budget, exhaustive enumeration by
time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu.frontier import DONE, OUT_OF_MEMORY, Layer, Step, advance
from gpu.isotopy import sweep
from tasks.lattice import Triangulation, num_points
from tasks.records import BudgetExceeded, InputError
from tasks.tcurves.patchwork import patchwork
from tasks.tcurves.program import Program, frontier_program
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.signs import canonical_word, gauge_points, num_sign_classes

MAX_CENSUS_DEGREE = 9
"""Sign vectors and scheme codes of higher degrees do not fit one 64-bit word."""

MAX_EXHAUSTIVE_CLASSES = 1 << 34
"""About ten hours on one core; beyond this, exhaustive enumeration is refused."""


@dataclass(frozen=True)
class SchemeCount:
    """One row of a histogram."""

    scheme: Scheme
    count: int
    """Sign classes with this scheme; 0 if counting was off."""
    witness: int
    """A canonical sign vector with this scheme, as a word (see `tasks.tcurves.signs`)."""


@dataclass(frozen=True)
class Census:
    """A histogram, in the order of `Scheme`, and what it cost."""

    triangulation: Triangulation
    schemes: tuple[SchemeCount, ...]
    peak_states: int
    """Most states of a layer (frontier) or 1 (exhaustive)."""
    transitions: int
    """State transitions (frontier) or evaluations (exhaustive)."""
    peak_bytes: int
    """Most memory that two layers took together."""

    @property
    def sign_classes(self) -> int:
        """2^(n-3)."""
        return num_sign_classes(self.triangulation.degree)


def _check_degree(triangulation: Triangulation) -> None:
    """Refuse degrees beyond the packed words."""
    if triangulation.degree > MAX_CENSUS_DEGREE:
        raise InputError(
            f"triangulation {triangulation.name} has degree {triangulation.degree}; "
            f"a census goes up to degree {MAX_CENSUS_DEGREE}"
        )


def _histogram(
    triangulation: Triangulation,
    rows: Iterable[tuple[int, int, int]],
) -> tuple[SchemeCount, ...]:
    """Turn (code, count, witness) into sorted rows with canonical witnesses."""
    degree = triangulation.degree
    schemes = [
        SchemeCount(
            Scheme.from_code(code, pseudo_line=bool(degree % 2)),
            count,
            canonical_word(degree, witness),
        )
        for code, count, witness in rows
    ]
    return tuple(sorted(schemes, key=lambda row: row.scheme.sort_key))


def frontier_census(
    triangulation: Triangulation,
    *,
    max_bytes: int = 4 << 30,
    counts: bool = True,
    min_ovals: int = 0,
    program: Program | None = None,
) -> Census:
    """Count all schemes of a triangulation with the frontier dynamic program.

    Parameters
    ----------
    triangulation : Triangulation
        Degree 1..9.
    max_bytes : int
        Memory budget for the states.
    counts : bool
        Count the sign classes of each scheme; without, only the set of schemes and witnesses is
        found, in a little less memory.
    min_ovals : int
        Keep only schemes with at least this many ovals; states that cannot reach it any more are
        dropped, which saves time and memory near the Harnack bound.
    program : Program, optional
        A prepared program of the same triangulation.

    Returns
    -------
    Census

    Raises
    ------
    BudgetExceeded
        If two layers of states would take more than `max_bytes`; says how far the census came.
    """
    _check_degree(triangulation)
    program = frontier_program(triangulation) if program is None else program
    floors = _region_floors(program, min_ovals)
    layer = _initial_layer(counts)
    peak_states = transitions = peak_bytes = held_bytes = 0
    for index, (step, floor) in enumerate(zip(program.steps, floors, strict=True)):
        num_old = layer.witnesses.size
        outcome, layer, held_bytes, step_bytes = advance(
            step._replace(min_regions=floor), layer, held_bytes, max_bytes
        )
        transitions += 2 * num_old
        peak_bytes = max(peak_bytes, step_bytes)
        peak_states = max(peak_states, layer.witnesses.size)
        if outcome != DONE:
            _refuse(triangulation, outcome, index, len(program.steps), num_old, max_bytes)
    rows = _final_rows(triangulation, layer, counts, min_ovals)
    return Census(
        triangulation, _histogram(triangulation, rows), peak_states, transitions, peak_bytes
    )


def _initial_layer(counts: bool) -> Layer:
    """Make the layer before any point: one empty state."""
    one = np.array([1], dtype=np.int64)
    return Layer(
        keys=np.zeros(1, dtype=np.int64),
        offsets=np.array([0, 1], dtype=np.int64),
        counts=one if counts else one[:0],
        witnesses=np.zeros(1, dtype=np.int64),
    )


def _refuse(
    triangulation: Triangulation, outcome: int, done: int, steps: int, states: int, max_bytes: int
) -> None:
    """Say why the frontier program stopped."""
    reached = f"after {done} of {steps} points, with {states} states"
    if outcome == OUT_OF_MEMORY:
        raise BudgetExceeded(
            f"census of {triangulation.name}: more than {max_bytes / 2**30:.3g} GiB needed "
            f"({reached}); raise memory_gib or set min_ovals"
        )
    raise BudgetExceeded(
        f"census of {triangulation.name}: its frontier is too wide for packed states ({reached})"
    )


def _final_rows(
    triangulation: Triangulation, layer: Layer, counts: bool, min_ovals: int
) -> list[tuple[int, int, int]]:
    """Read the last layer; with counts, check that no sign vector was lost or counted twice."""
    codes, witnesses = layer.keys.tolist(), layer.witnesses.tolist()
    totals = layer.counts.tolist() if counts else [0] * len(codes)
    n = num_points(triangulation.degree)
    if counts and min_ovals == 0 and sum(totals) != 1 << n:
        raise OverflowError(f"counts add up to {sum(totals)}, not to 2^{n}: 64 bits overflowed")
    if any(total % 8 for total in totals):
        raise OverflowError("a count is no multiple of the order 8 of the gauge group")
    return [
        (code, total // 8, witness)
        for code, total, witness in zip(codes, totals, witnesses, strict=True)
        if code.bit_count() >= min_ovals
    ]


def most_new_regions(step: Step) -> int:
    """Bound the regions that a step can add: copies all of whose new edges can be bichromatic.

    A copy joined to an old region adds none.  The edges of a point to old points fall into the
    three nonzero classes of p + q mod 2; the bound runs over all signs of the old points.
    """
    slots = range(step.num_old_slots, step.num_old_slots + step.num_copies)
    positions = sorted(set(step.edges[:, 2].tolist()))[:12]  # fewer edges: a weaker bound
    rows = step.edges.tolist()
    best = 0
    for word in range(1 << len(positions)):
        sign = {p: (word >> i) & 1 for i, p in enumerate(positions)}
        joined = {b for _, b, p, _, parity, _ in rows if p in sign and sign[p] ^ parity == 0}
        best = max(best, sum(slot not in joined for slot in slots))
    return best


def _region_floors(program: Program, min_ovals: int) -> list[int]:
    """For each step, the regions a state must have made to be able to reach `min_ovals`."""
    if min_ovals <= 0:
        return [0] * len(program.steps)
    floors = []
    still_to_come = 0
    for step in reversed(program.steps):
        floors.append(max(0, min_ovals + 1 - still_to_come))
        still_to_come += most_new_regions(step)
    return floors[::-1]


def exhaustive_census(
    triangulation: Triangulation, *, begin: int = 0, end: int | None = None
) -> Census:
    """Count all schemes of a triangulation by evaluating every sign class.

    Parameters
    ----------
    triangulation : Triangulation
        Degree 1..9.
    begin, end : int
        Range of sign classes, by default all.  Class k has the bits of k as the signs of the points
        other than (0,0), (0,1), (1,0), in ascending order.

    Raises
    ------
    BudgetExceeded
        If the range is longer than `MAX_EXHAUSTIVE_CLASSES`.
    """
    _check_degree(triangulation)
    degree = triangulation.degree
    end = num_sign_classes(degree) if end is None else end
    if end - begin > MAX_EXHAUSTIVE_CLASSES:
        raise BudgetExceeded(
            f"census of {triangulation.name}: {end - begin} sign classes are too many for the "
            "union-find engine; use engine=frontier"
        )
    complex_ = patchwork(triangulation)
    fixed = gauge_points(degree)
    free = np.array([p for p in range(num_points(degree)) if p not in fixed], dtype=np.int64)
    codes, counts, witnesses, failures = sweep(
        complex_.edges,
        complex_.num_vertices,
        num_points(degree),
        bool(degree % 2),
        free,
        begin,
        end,
    )
    if failures:
        raise ArithmeticError(f"{failures} sign classes gave no rooted tree")
    used: NDArray[np.int64] = np.flatnonzero(counts)
    rows = zip(codes[used].tolist(), counts[used].tolist(), witnesses[used].tolist(), strict=True)
    return Census(triangulation, _histogram(triangulation, rows), 1, end - begin, 0)
