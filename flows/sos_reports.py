"""Reports of the flow `sos-certify`, made from the stored records alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Group

from flows.documents import Document, cell, nothing_stored, stored_places
from flows.reports import is_whole
from flows.sos_exports import MAX_STEM
from tasks.records import Run, Status
from tasks.sos.run import is_whole_text
from tasks.sos.schema import ATTEMPTS_SCHEMA, CERTIFICATE_CHECKS_SCHEMA, CERTIFICATES_SCHEMA
from tasks.sos.verdict import Verdict

__all__ = ["draw_figures", "publish_report", "report_rows", "stored_figures", "terminal_report"]

HEADINGS = {
    "name": "polynomial",
    "verdict": "verdict",
    "basis_size": "basis",
    "blocks": "blocks",
    "num_free": "K",
    "reason": "reason",
}
WORDS = ("polynomial", "verdict", "blocks", "reason")
MAX_NAME = 26
"""Letters of a name in the table, which leave ten for the reason on 80 columns."""
MAX_LISTED = 200
"""Rows of the table; counts are those of all polynomials."""
MAX_REASON = 60
MAX_DEGREE = 30
MAX_DRAWN = 12
"""Pictures of bases; one takes half a second."""
SIZES = "figures/sizes.png"
STAGES = ("basis", "blocks", "solve", "prove", "refute", "write", "check")
"""Stages of the work on one polynomial, in the order in which they begin."""


def report_rows(run: Run) -> list[dict[str, Any]]:
    """One row per stored polynomial, in planned order: its certificate row and more.

    ``stages`` are the seconds of its last execution by stage, ``seconds`` their sum without the
    check, ``valid`` what the check said (None if there was none).
    """
    rows = run.read("certificates", schema=CERTIFICATES_SCHEMA, on_corrupt="skip")
    stages = stage_seconds(run)
    checks = run.read("verification", schema=CERTIFICATE_CHECKS_SCHEMA, on_corrupt="skip")
    valid = dict(zip(checks["name"].to_pylist(), checks["valid"].to_pylist(), strict=True))
    found = []
    for row in rows.to_pylist():
        spent = stages.get(row["name"], {})
        seconds = sum(value for stage, value in spent.items() if stage != "check")
        more = {"stages": spent, "seconds": seconds, "valid": valid.get(row["name"])}
        found.append(row | more)
    return found


def stage_seconds(run: Run) -> dict[str, dict[str, float]]:
    """Polynomial -> stage -> seconds, of the last execution."""
    found: dict[str, dict[str, float]] = {}
    execution = run.read("execution").select(["item", "seconds", "started_at"])
    for row in execution.sort_by("started_at").to_pylist():
        stage, _, name = row["item"].partition(".")
        if stage in STAGES:
            found.setdefault(name, {})[stage] = row["seconds"]
    return found


def terminal_report(run: Run) -> Group:
    """Table with one row per polynomial, counts, and one line per problem."""
    if not run.check(("certificates",)).parts:
        return nothing_stored(run)
    return _document(run).terminal()


def publish_report(run: Run) -> None:
    """Show the report as artifacts of the running Prefect flow, and draw missing figures."""
    _document(run).publish()
    draw_figures(run, only_missing=True)


def markdown_report(run: Run) -> str:
    """The terminal's report as Markdown."""
    return _document(run).markdown()


def _document(run: Run) -> Document:
    """The report."""
    rows = report_rows(run)
    cells = [_cells(row) for row in rows[:MAX_LISTED]]
    lines = list(_lines(rows))
    return Document(run, [*HEADINGS.values()], WORDS, cells, lines, "polynomial", "reason")


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


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Counts, agreement with what is known, the independent check, and all problems."""
    if len(rows) > MAX_LISTED:
        yield f"{len(rows) - MAX_LISTED:,} more polynomials are in the table certificates"
    counts = Counter(row["verdict"] or row["status"] for row in rows)
    order = [verdict.value for verdict in Verdict] + [status.value for status in Status]
    parts = [f"{counts[word]:,} {word}" for word in order if counts[word]]
    what = "polynomial" if len(rows) == 1 else "polynomials"
    yield f"{len(rows):,} {what}: {', '.join(parts)}"
    yield from _known(rows)
    yield from _times(rows)
    checked = [row["valid"] for row in rows if row["valid"] is not None]
    if checked:
        yield (
            f"certificates checked again by another program: {len(checked):,}, "
            f"valid: {sum(checked):,}"
        )
    yield from (
        f"{row['name']}: not valid, see table verification" for row in rows if row["valid"] is False
    )
    for row in rows:
        if row["status"] != Status.OK:
            yield f"{row['name']}: {row['status']}, {row['reason']}"
        elif len(row["reason"]) > MAX_REASON:
            yield f"{row['name']}: {row['verdict']}, {row['reason']}"


def _times(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Seconds, as far as they are stored."""
    if timed := [row for row in rows if row["stages"]]:
        slowest = max(timed, key=lambda row: row["seconds"])
        total = sum(row["seconds"] for row in timed)
        yield (f"seconds: {total:.3g} in all, at most {slowest['seconds']:.3g} ({slowest['name']})")


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
    for row in wrong:
        yield f"WRONG? {row['name']}: {row['verdict']}, but the input says {_claim(row)}"


def _claim(row: dict[str, Any]) -> str:
    """What the input says of a polynomial."""
    if row["verdict"] == Verdict.NEGATIVE and row["known_nonneg"]:
        return "that it is nonnegative"
    return f"that it is {'a' if row['known_sos'] else 'no'} sum of squares"


# --- figures ------------------------------------------------------------------------------------


def draw_figures(run: Run, *, only_missing: bool = False) -> list[str]:
    """Draw bases inside Newton polytopes, and sizes and times of all polynomials, as PNG.

    Parameters
    ----------
    run : Run
    only_missing : bool
        Leave pictures alone that are there already and whole.

    Returns
    -------
    list of str
        Places of ``figures/sizes.png`` and, for at most `MAX_DRAWN` polynomials in 2 or 3
        variables, of ``figures/basis-<name>.png``.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    rows = report_rows(run)
    is_new = not only_missing
    for row in _drawable(rows):
        if not (only_missing and is_whole(run, _figure_path(row["name"]))):
            _draw_basis(run, row)
            is_new = True
    if any(row["basis_size"] for row in rows) and (is_new or not is_whole(run, SIZES)):
        _draw_sizes(run, rows)
    return stored_figures(run)


def stored_figures(run: Run) -> list[str]:
    """Places of the pictures that are there."""
    rows = run.read("certificates", schema=CERTIFICATES_SCHEMA, on_corrupt="skip")
    paths = [SIZES, *map(_figure_path, rows["name"].to_pylist())]
    return stored_places(run, *paths)


def _drawable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first rows with a basis that can be drawn."""
    return [row for row in rows if row["basis"] and _can_draw(row)][:MAX_DRAWN]


def _can_draw(row: dict[str, Any]) -> bool:
    """Whether the polynomial is small and stored as a whole."""
    is_small = row["num_variables"] in (2, 3) and row["degree"] <= MAX_DEGREE
    return is_small and is_whole_text(row["polynomial"])


def _draw_basis(run: Run, row: dict[str, Any]) -> None:
    """Draw one polynomial."""
    from tasks.records.pictures import save_figure
    from tasks.sos.figures import draw_basis
    from tasks.sos.polynomials.parsing import parse_polynomial

    polynomial = parse_polynomial(row["polynomial"], row["variables"])
    name = shortened_name(row["name"])
    figure = draw_basis(polynomial, row["basis"], name=name, verdict=row["verdict"])
    save_figure(figure, run.volume.location(_figure_path(row["name"])))


def _draw_sizes(run: Run, rows: list[dict[str, Any]]) -> None:
    """Draw sizes and times of all polynomials."""
    from tasks.records.pictures import save_figure
    from tasks.sos.figures import draw_sizes

    attempts = run.read("attempts", schema=ATTEMPTS_SCHEMA, on_corrupt="skip")
    figure = draw_sizes(rows, attempts.to_pylist())
    save_figure(figure, run.volume.location(SIZES))


def _figure_path(name: str) -> str:
    """Place of the picture of a polynomial in its run; different for different names."""
    stem = quote(name, safe="")
    if len(stem) > MAX_STEM:
        stem = f"{stem[: MAX_STEM - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return f"figures/basis-{stem}.png"
