"""The certified colorings of a stored run: rows of ``constructions``, and what their files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from math import ceil, floor
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tasks.coloring.certificates.distances import Distance, Interval
from tasks.coloring.plan import coloring_rank
from tasks.records.errors import InputError, shortened
from tasks.records.status import Status

if TYPE_CHECKING:
    from tasks.coloring.certificates.files import Coloring
    from tasks.records.stored import Stored

__all__ = ["best_of_forms", "certified_rows", "chosen_rows", "coloring_of_row", "verdicts_of"]
__all__ += ["in_ranges", "wider_groups", "wider_intervals"]

Row = Mapping[str, Any]

_DIGITS = 10**5


def certified_rows(stored: Stored) -> list[dict[str, Any]]:
    """Rows of all colorings with certificates, problem by problem, the best first."""
    rows = stored.rows("constructions")
    made = [row for row in rows if row["status"] == Status.OK and row["certificate"]]
    order = {name: number for number, name in enumerate(dict.fromkeys(r["problem"] for r in rows))}
    made.sort(key=lambda row: (order[row["problem"]], *coloring_rank(row)))
    return made


def chosen_rows(stored: Stored, item: str = "") -> list[dict[str, Any]]:
    """The same rows, or that of one coloring, by its key or by the name of its certificate.

    Raises
    ------
    InputError
        If there are none, or not this one.
    """
    rows = certified_rows(stored)
    if not rows:
        raise InputError(f"run {stored.run.run_id} has no certified coloring yet")
    if not item:
        return rows
    wanted = item.removesuffix(".json")
    chosen = [
        row for row in rows if wanted in (row["item"], PurePosixPath(row["certificate"]).stem)
    ]
    if not chosen:
        raise _unknown(stored, item)
    return chosen


def _names(row: Row) -> tuple[str, ...]:
    file = PurePosixPath(row["certificate"])
    return row["item"], file.name, file.stem


def _unknown(stored: Stored, item: str) -> InputError:
    rows, run_id = stored.rows("constructions"), stored.run.run_id
    for row in rows:
        if row["item"] == item:
            reason = row["reason"] or "it has not been made"
            return InputError(f"coloring {item} of run {run_id} has no certificate: {reason}")
    close = get_close_matches(item, [row["item"] for row in rows], n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return InputError(f"run {run_id} has no coloring {shortened(item)}{hint}")


def best_of_forms(rows: Sequence[Row]) -> list[Row]:
    """Of sorted rows the first of each problem and form."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        found.setdefault((row["problem"], row["form"]), row)
    return list(found.values())


def coloring_of_row(stored: Stored, row: Row) -> Coloring:
    """The coloring of a row, from its certificate.

    Raises
    ------
    InputError
        If the certificate is damaged.
    StoreError
        If it is missing.
    """
    from tasks.coloring.certificates.files import read_certificate

    return read_certificate(bytes(stored.run.volume.read(row["certificate"])))


def wider_intervals(row: Row) -> list[tuple[int, str, str]]:
    """Colors that are proved to avoid more than was asked: color, least and largest distance.

    Bounds are rounded inwards to five decimals; intervals that vanish then are left out.

    >>> wider_intervals({"distances": ["1", "0.45"], "allowed": ["1", "0.401234567-0.5"]})
    [(1, '0.40124', '0.5')]
    """
    found = []
    asked, proved = row["distances"], row["allowed"] or row["distances"]
    for color in range(len(asked)):
        if proved[color] == asked[color] or "," in proved[color]:
            continue
        interval = Interval.parse(proved[color])
        least, largest = ceil(_scaled(interval.low)), floor(_scaled(interval.high))
        if least < largest:
            found.append((color, _decimal(least), _decimal(largest)))
    return found


def wider_groups(row: Row) -> list[tuple[tuple[int, ...], str, str]]:
    """The same with all colors of one interval together.

    >>> wider_groups({"distances": ["0.5", "0.5"], "allowed": ["0.4-0.6", "0.4-0.6"]})
    [((0, 1), '0.4', '0.6')]
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for color, low, high in wider_intervals(row):
        groups.setdefault((low, high), []).append(color)
    return [(tuple(colors), low, high) for (low, high), colors in groups.items()]


def in_ranges(colors: Sequence[int]) -> str:
    """Rising numbers of colors in words.

    >>> in_ranges([8]), in_ranges([0, 1]), in_ranges([0, 1, 2, 3, 5])
    ('color 8', 'colors 0 and 1', 'colors 0 to 3 and 5')
    """
    runs: list[list[int]] = []
    for color in colors:
        if runs and color == runs[-1][-1] + 1:
            runs[-1].append(color)
        else:
            runs.append([color])
    texts = []
    for run in runs:
        texts += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)
    *first, last = texts
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"color{'s' * (len(colors) > 1)} {listed}"


def _scaled(distance: Distance) -> Fraction:
    """A distance in units of the last decimal, exactly if it is rational."""
    value = distance.value
    exact = value.a if value is not None and not value.b else Fraction(float(distance))
    return _DIGITS * exact


def _decimal(scaled: int) -> str:
    """All of its digits, unlike those of a float."""
    return f"{Decimal(scaled) / _DIGITS:f}"


def verdicts_of(stored: Stored) -> dict[str, bool]:
    """Certificate -> whether both checkers found it valid, for all that were verified."""
    rows = stored.rows("verification")
    return {row["certificate"]: bool(row["valid"]) for row in rows if row["certificate"]}
