"""What the census charts show, without a drawing library: rows, columns and places.

Schemes are listed by descending number of ovals, then in natural order of their notation, so that
<9> comes before <10>.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from tasks.records import InputError
from tasks.tcurves.schemes import Scheme

MAX_ROWS = 60
"""Triangulations in a coverage matrix, which would get too tall with more."""

_COLUMNS = ("triangulation", "scheme", "count", "is_maximal")


def natural_key(scheme: Scheme) -> tuple[int, tuple[tuple[int, int, str], ...]]:
    """Order schemes by descending number of ovals, then notation with numbers as numbers."""
    tokens = re.findall(r"\d+|\D", str(scheme))
    parts = ((0, int(t), "") if t.isdigit() else (1, 0, t) for t in tokens)
    return -scheme.ovals, tuple(parts)


@dataclass(frozen=True)
class Bar:
    """A scheme in a histogram."""

    scheme: Scheme
    count: int | None
    """Sign classes; None if they were not counted."""
    is_maximal: bool


@dataclass(frozen=True)
class Heading:
    """The line above all schemes of one number of ovals."""

    ovals: int
    num_schemes: int
    is_maximal: bool


def _rows(histogram: pa.Table) -> list[dict[str, object]]:
    """Read the columns that charts need."""
    missing = [name for name in _COLUMNS if name not in histogram.column_names]
    if missing:
        raise InputError(
            f"a histogram needs the columns {', '.join(_COLUMNS)}; missing: {', '.join(missing)}"
        )
    if histogram.num_rows == 0:
        raise InputError("the histogram has no rows; there is nothing to draw")
    return histogram.select(list(_COLUMNS)).to_pylist()


def histogram_bars(histogram: pa.Table) -> tuple[str, list[Bar]]:
    """Read the histogram of one triangulation: (its name, its bars in order).

    Raises
    ------
    InputError
        If a column is missing, there are no rows, or rows of several triangulations.
    """
    rows = _rows(histogram)
    names = sorted({str(row["triangulation"]) for row in rows})
    if len(names) > 1:
        some = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        raise InputError(
            f"the histogram has rows of {len(names)} triangulations ({some}); draw one at a time"
        )
    bars = [
        Bar(Scheme.parse(str(row["scheme"])), _count(row["count"]), bool(row["is_maximal"]))
        for row in rows
    ]
    return names[0], sorted(bars, key=lambda bar: natural_key(bar.scheme))


def _count(value: object) -> int | None:
    """Read a count; 0 means, like null, that it was not counted."""
    return int(str(value)) if value else None


def with_headings(bars: Iterable[Bar]) -> list[Bar | Heading]:
    """Put a heading before the bars of each number of ovals."""
    lines: list[Bar | Heading] = []
    for ovals, group in groupby(bars, key=lambda bar: bar.scheme.ovals):
        members = list(group)
        lines += [Heading(ovals, len(members), members[0].is_maximal), *members]
    return lines


def in_columns(lines: Sequence[Bar | Heading], num_columns: int) -> list[list[Bar | Heading]]:
    """Break lines into columns of about equal length, no heading at the end of one."""
    length = math.ceil(len(lines) / num_columns)
    columns: list[list[Bar | Heading]] = []
    begin = 0
    while begin < len(lines):
        end = min(begin + length, len(lines))
        if isinstance(lines[end - 1], Heading):
            end -= 1
        columns.append(list(lines[begin:end]))
        begin = end
    return columns


def swarm(values: ArrayLike, *, diameter: float, step: float, reach: float) -> NDArray[np.float64]:
    """Spread dots on a line sideways so that none overlap, as far as they stay within +-reach.

    Parameters
    ----------
    values : float (m,)
        Places along the line.
    diameter : float
        Extent of a dot along the line, in units of the values.
    step : float
        Extent of a dot sideways, in units of the shifts.
    reach : float
        Largest sideways shift.

    Returns
    -------
    float64 (m,)
        Shifts, multiples of `step`, as close to 0 as possible; where all are taken, dots overlap.
        O(m^2).
    """
    places = np.asarray(values, dtype=np.float64)
    shifts = np.zeros_like(places)
    count = int(reach / step)
    slots = step * np.array([0, *(s * k for k in range(1, count + 1) for s in (1, -1))])
    order = np.argsort(places, kind="stable")
    for done, i in enumerate(order):
        earlier = order[:done]
        near = earlier[np.abs(places[earlier] - places[i]) < diameter]
        free = [slot for slot in slots if not np.isclose(shifts[near], slot).any()]
        shifts[i] = free[0] if free else slots[done % slots.size]
    return shifts


@dataclass(frozen=True)
class Coverage:
    """Which triangulation reaches which scheme."""

    names: tuple[str, ...]
    """r triangulations, in the order of the table."""
    schemes: tuple[Scheme, ...]
    """c schemes, known or reached."""
    reached: NDArray[np.bool_]
    """(r, c)."""
    is_known: NDArray[np.bool_]
    """(c,): False for reached schemes off the list of known ones; all True without a list."""
    union: NDArray[np.bool_]
    """(c,): reached by some triangulation, also one that is not among the rows."""


def coverage(histogram: pa.Table, known: Sequence[str]) -> Coverage:
    """Compare the schemes in a histogram of any number of triangulations with known ones.

    Raises
    ------
    InputError
        If a column is missing, there are no rows, or a scheme is not Viro notation.
    """
    pairs = [
        (str(row["triangulation"]), Scheme.parse(str(row["scheme"]))) for row in _rows(histogram)
    ]
    listed = {Scheme.parse(text) for text in known}
    names = tuple(dict.fromkeys(name for name, _ in pairs))
    schemes = tuple(sorted(listed | {scheme for _, scheme in pairs}, key=natural_key))
    column = {scheme: i for i, scheme in enumerate(schemes)}
    reached = np.zeros((len(names), len(schemes)), dtype=bool)
    for name, scheme in pairs:
        reached[names.index(name), column[scheme]] = True
    shown = _most_reaching(reached)
    return Coverage(
        names=tuple(names[i] for i in shown),
        schemes=schemes,
        reached=reached[shown],
        is_known=np.array([not listed or scheme in listed for scheme in schemes]),
        union=np.asarray(reached.any(axis=0)),
    )


def _most_reaching(reached: NDArray[np.bool_]) -> list[int]:
    """Choose the rows that reach most, at most `MAX_ROWS`, in their order."""
    totals = reached.sum(axis=1)
    return sorted(np.argsort(-totals, kind="stable")[:MAX_ROWS].tolist())


def by_ovals(
    matrix: Coverage,
) -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """Count schemes per number of ovals.

    Returns
    -------
    ovals : list of int
        The k numbers of ovals that occur, descending.
    totals : int64 (k,)
        Schemes, known or reached.
    reached : int64 (r + 1, k)
        Schemes that each triangulation reaches, and their union.
    """
    numbers = np.array([scheme.ovals for scheme in matrix.schemes])
    ovals = sorted(set(numbers.tolist()), reverse=True)
    member = (numbers[:, None] == np.array(ovals)).astype(np.int64)
    rows = np.vstack([matrix.reached, matrix.union]).astype(np.int64)
    return ovals, member.sum(axis=0), rows @ member
