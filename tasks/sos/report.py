"""Report of a run that certifies polynomials, its figures, and what is told while it works."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import cell
from tasks.sos.run import is_whole_text
from tasks.sos.verdict import Verdict

__all__ = ["CertifyTally", "certify_figures", "certify_report", "certify_rows"]

HEADINGS = {
    "name": "polynomial",
    "verdict": "verdict",
    "basis_size": "basis",
    "blocks": "blocks",
    "num_free": "K",
    "reason": "reason",
}
WORDS = ("polynomial", "verdict", "blocks", "reason")
COLUMNS = ("name", "status", "verdict", "reason", "agrees", "known_sos", "known_nonneg")
SIZES = ("basis_size", "block_sizes", "num_free", "num_variables", "degree")
MAX_NAME = 26
"""Letters of a name in the table, which leave ten for the reason on 80 columns."""
MAX_LISTED = 200
"""Rows of the table, and problems that are named; counts are those of all polynomials."""
MAX_REASON = 60
MAX_DEGREE = 30
MAX_DRAWN = 12
"""Pictures of bases; one takes half a second."""
MAX_STEM = 80
STAGES = ("basis", "blocks", "solve", "prove", "refute", "write", "check")
"""Stages of the work on one polynomial, in the order in which they begin."""


def certify_report(stored: Stored) -> Report:
    """Counts and comparisons, then one row per polynomial, then problems."""
    rows = certify_rows(stored)
    table = Table(
        [*HEADINGS.values()],
        [_cells(row) for row in rows[:MAX_LISTED]],
        words=WORDS,
        elastic="reason",
        subject="polynomial",
    )
    return Report([*_findings(rows)], [table], [*_notes(rows)])


def certify_rows(stored: Stored) -> list[dict[str, Any]]:
    """One row per stored polynomial, in planned order: columns of its certificate row and more.

    ``stages`` are the seconds of its last execution by stage, ``seconds`` their sum without the
    check, ``valid`` what the check said (None if there was none).
    """
    stages = _stage_seconds(stored)
    checks = stored.table("verification").select(["name", "valid"]).to_pylist()
    valid = {row["name"]: row["valid"] for row in checks}
    found = []
    for row in stored.table("certificates").select([*COLUMNS, *SIZES]).to_pylist():
        spent = stages.get(row["name"], {})
        seconds = sum(value for stage, value in spent.items() if stage != "check")
        more = {"stages": spent, "seconds": seconds, "valid": valid.get(row["name"])}
        found.append(row | more)
    return found


def _stage_seconds(stored: Stored) -> dict[str, dict[str, float]]:
    """Polynomial -> stage -> seconds, of the last execution."""
    found: dict[str, dict[str, float]] = {}
    for item, seconds in stored.seconds().items():
        stage, _, name = item.partition(".")
        if stage in STAGES:
            found.setdefault(name, {})[stage] = seconds
    return found


def _cells(row: dict[str, Any]) -> list[str]:
    """A row as people read it; a contradiction shows beside the verdict."""
    verdict = row["verdict"] or row["status"]
    values = row | {
        "name": shortened_name(row["name"], MAX_NAME),
        "verdict": f"{verdict} (WRONG?)" if row["agrees"] is False else verdict,
        "blocks": describe_blocks(row["block_sizes"]),
        "reason": row["reason"] if len(row["reason"]) <= MAX_REASON else "see below",
    }
    return [cell(values[name]) for name in HEADINGS]


def shortened_name(name: str, limit: int = 36) -> str:
    """At most so many characters."""
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def describe_blocks(sizes: Sequence[int] | None) -> str:
    """Sizes of blocks, largest first, with their numbers.

    >>> describe_blocks([2, 3, 2, 1])
    '3 + 2·2 + 1'
    """
    counts = sorted(Counter(sizes or ()).items(), reverse=True)
    parts = [f"{count}·{size}" if count > 1 else str(size) for size, count in counts]
    return " + ".join(parts if len(parts) <= 3 else [*parts[:2], "..."])


def _findings(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Counts, agreement with what is known, the independent check."""
    counts = Counter(row["verdict"] or row["status"] for row in rows)
    order = [verdict.value for verdict in Verdict] + [status.value for status in Status]
    parts = [f"{counts[word]:,} {word}" for word in order if counts[word]]
    what = "polynomial" if len(rows) == 1 else "polynomials"
    yield f"{len(rows):,} {what}: {', '.join(parts)}"
    yield from _known(rows)
    checked = [row["valid"] for row in rows if row["valid"] is not None]
    if checked:
        yield (
            f"certificates checked again by another program: {len(checked):,}, "
            f"valid: {sum(checked):,}"
        )


def _known(rows: list[dict[str, Any]]) -> Iterator[str]:
    """How the verdicts compare with what the input says."""
    sums = [row for row in rows if row["known_sos"] is True]
    others = [row for row in rows if row["known_sos"] is False]
    if sums:
        proved = sum(row["verdict"] == Verdict.PROVED for row in sums)
        yield f"known sums of squares: {len(sums):,}, proved: {proved:,}"
    if others:
        refuted = (Verdict.REFUTED_SOS, Verdict.NEGATIVE)
        done = sum(row["verdict"] in refuted for row in others)
        yield f"known to be none: {len(others):,}, refuted: {done:,}"
    wrong = [row for row in rows if row["agrees"] is False]
    if sums or others or wrong:
        yield f"answers that contradict what is known: {len(wrong):,}"
    for row in wrong[:MAX_LISTED]:
        yield f"WRONG? {row['name']}: {row['verdict']}, but the input says {_claim(row)}"


def _claim(row: dict[str, Any]) -> str:
    """What the input says of a polynomial."""
    if row["verdict"] == Verdict.NEGATIVE and row["known_nonneg"]:
        return "that it is nonnegative"
    return f"that it is {'a' if row['known_sos'] else 'no'} sum of squares"


def _notes(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What is not ok, then what found no room in the table, then seconds."""
    problems = [*_problems(rows)]
    yield from problems[:MAX_LISTED]
    for count, what in ((len(problems), "problems"), (len(rows), "polynomials")):
        if count > MAX_LISTED:
            yield f"{count - MAX_LISTED:,} more {what} are in the table certificates"
    if timed := [row for row in rows if row["stages"]]:
        slowest = max(timed, key=lambda row: row["seconds"])
        total = sum(row["seconds"] for row in timed)
        yield f"seconds: {total:.3g} in all, at most {slowest['seconds']:.3g} ({slowest['name']})"


def _problems(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Certificates that are not valid, failures, and reasons that are long."""
    yield from (
        f"{row['name']}: not valid, see table verification" for row in rows if row["valid"] is False
    )
    for row in rows:
        if row["status"] != Status.OK:
            yield f"{row['name']}: {row['status']}, {row['reason']}"
        elif len(row["reason"]) > MAX_REASON:
            yield f"{row['name']}: {row['verdict']}, {row['reason']}"


# --- figures ------------------------------------------------------------------------------------


def certify_figures(stored: Stored) -> Iterator[Figure]:
    """Bases inside Newton polytopes of the first polynomials in 2 or 3 variables, then sizes."""
    certificates = stored.table("certificates")
    small = pc.field("num_variables").isin([2, 3]) & (pc.field("degree") <= MAX_DEGREE)
    columns = ["item", "name", "verdict", "basis", "polynomial", "variables"]
    rows = certificates.filter(small & pc.field("basis").is_valid()).select(columns)
    whole = (row for row in _each(rows) if is_whole_text(row["polynomial"]))
    for row in islice(whole, MAX_DRAWN):
        place, draw = _figure_path(row["name"]), partial(_basis, row)
        yield Figure(place, draw, ("certificates",), row["item"])
    if certificates["basis_size"].null_count < certificates.num_rows:
        yield Figure("figures/sizes.png", partial(_sizes, stored), ("certificates", "attempts"))


def _each(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """Row by row: few of many are wanted."""
    for start in range(0, rows.num_rows, MAX_DRAWN):
        yield from rows.slice(start, MAX_DRAWN).to_pylist()


def _basis(row: Mapping[str, Any]) -> Any:
    from tasks.sos.figures import draw_basis
    from tasks.sos.polynomials.parsing import parse_polynomial

    polynomial = parse_polynomial(row["polynomial"], row["variables"])
    name = shortened_name(row["name"])
    return draw_basis(polynomial, row["basis"], name=name, verdict=row["verdict"])


def _sizes(stored: Stored) -> Any:
    from tasks.sos.figures import draw_sizes

    return draw_sizes(certify_rows(stored), stored.rows("attempts"))


def _figure_path(name: str) -> str:
    """Place of the picture of a polynomial in its run; different for different names."""
    stem = quote(name, safe="")
    if len(stem) > MAX_STEM:
        stem = f"{stem[: MAX_STEM - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return f"figures/basis-{stem}.png"


# --- progress -----------------------------------------------------------------------------------


class CertifyTally:
    """Verdicts so far.

    Parameters
    ----------
    stored : Stored
        Rows that it holds are counted.
    """

    def __init__(self, stored: Stored) -> None:
        self._verdicts: dict[str, str] = {}
        self.add({"certificates": stored.table("certificates")})

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Take a batch into account; a polynomial that is done again counts once."""
        rows = tables["certificates"].select(["name", "verdict", "status"]).to_pylist()
        self._verdicts |= {row["name"]: row["verdict"] or row["status"] for row in rows}

    def describe(self) -> str:
        """One phrase: how many of each."""
        counts = sorted(Counter(self._verdicts.values()).items())
        return ", ".join(f"{count:,} {verdict}" for verdict, count in counts) or "none yet"
