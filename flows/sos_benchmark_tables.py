"""Tables of the flow `sos-benchmark`, two of them in the layout of arXiv:2510.13444.

Table 1: structures and methods down, points (n, degree, m) across. Table 2: points (n, degree)
down, methods across, mean seconds. The cell of the classical polynomials has no place in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from rich.console import Group, RenderableType
from rich.text import Text

from flows.documents import Document, escaped
from flows.sheets import Sheet
from tasks.sos.benchmarking.config import CLASSICS
from tasks.sos.benchmarking.summary import REFERENCE, Line
from tasks.sos.sampling.cells import Cell

__all__ = [
    "BenchmarkDocument",
    "joined",
    "line_tables",
    "paper_tables",
    "seconds_table",
    "structure_table",
]

ENOUGH = 500
"""Polynomials of a cell from which on its interval is at most 9 points wide, 0.8 at 100 %."""
NOTHING = "–"
NAN = float("nan")
KEYS = ("cell", "method")
STAGES = ("basis", "blocks", "solve", "prove", "refute", "write", "stopped")


@dataclass(frozen=True)
class BenchmarkDocument(Document):
    """A report of several tables; the one that a `Document` has is for Prefect.

    Attributes
    ----------
    sheets : tuple of Sheet
        Above the lines.
    papers : tuple of Sheet
        Below them.
    """

    sheets: tuple[Sheet, ...] = ()
    papers: tuple[Sheet, ...] = ()

    def terminal(self) -> Group:
        """Tables, lines, tables."""
        title = Text(f"{self.run.identity.flow} {self.run.run_id}", style="italic")
        lines = [Text(f"* {line}") for line in self.lines]
        parts: list[RenderableType] = [title, *self.sheets, *lines, *self.papers]
        return Group(*parts)

    def markdown(self) -> str:
        """The same as Markdown."""
        parts = [
            f"# {self.run.identity.flow} `{self.run.run_id}`",
            *(sheet.markdown() for sheet in self.sheets),
            "\n".join(f"* {escaped(line)}" for line in self.lines),
            *(sheet.markdown() for sheet in self.papers),
            f"Tables: `{self.run.path}`",
        ]
        return "\n\n".join(parts)


def line_tables(lines: Sequence[Line]) -> tuple[Sheet, ...]:
    """What was decided; sizes and times; seconds by stage."""
    return (
        Sheet(
            "Exact verdicts, with 95 % intervals",
            (*KEYS, "count", "decided", "first try", "stopped"),
            2,
            tuple((line.cell, line.method, *_decided(line)) for line in lines),
        ),
        Sheet(
            "Mean sizes of the first and the last basis, number of bases, seconds",
            (*KEYS, "first", "last", "bases", "s", "faster"),
            2,
            tuple((line.cell, line.method, *_sizes(line)) for line in lines),
        ),
        _stage_table(lines),
    )


def joined(sheets: Sequence[Sheet]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of one wide table, from tables with the same rows."""
    first, *others = sheets
    headings = [*first.headings, *(name for sheet in others for name in sheet.headings[2:])]
    rows = [
        [*row, *(text for sheet in others for text in sheet.rows[k][2:])]
        for k, row in enumerate(first.rows)
    ]
    return headings, rows


def _decided(line: Line) -> tuple[str, ...]:
    first = f"{100 * line.first_try.share:.1f} %"
    return f"{line.decided.count:,}", str(line.decided), first, str(line.num_stopped or "")


def _sizes(line: Line) -> tuple[str, ...]:
    return (
        _number(line.first_size, ".1f"),
        _number(line.last_size, ".1f"),
        _number(line.num_bases, ".2f"),
        _number(line.seconds, ".3f"),
        _number(line.speed_up, ".2f"),
    )


def _stage_table(lines: Sequence[Line]) -> Sheet:
    """Mean seconds by stage, in the order of the work."""
    found = {name for line in lines for name in line.stages}
    stages = [name for name in STAGES if name in found] + sorted(found - {*STAGES})
    rows = [
        (line.cell, line.method, *(_number(line.stages.get(name, NAN), ".4f") for name in stages))
        for line in lines
    ]
    names = ("limit" if name == "stopped" else name for name in stages)
    return Sheet("Mean seconds by stage", (*KEYS, *names), 2, tuple(rows))


def _number(value: float, how: str) -> str:
    return f"{value:{how}}" if isfinite(value) else ""


def paper_tables(lines: Sequence[Line]) -> tuple[Sheet, ...]:
    """Both tables; none for the classics alone."""
    placed = [(Cell.parse(line.cell), line) for line in lines if line.cell != CLASSICS]
    return (structure_table(placed), seconds_table(placed)) if placed else ()


Placed = Sequence[tuple[Cell, Line]]


def structure_table(placed: Placed) -> Sheet:
    """Table 1: size of the last basis, seconds, speed-up and share decided."""
    points = list(dict.fromkeys(_triple(cell) for cell, _ in placed))
    found = {(cell.family, line.method, _triple(cell)): line for cell, line in placed}
    pairs = dict.fromkeys((cell.family, line.method) for cell, line in placed)
    structures = list(dict.fromkeys(family for family, _ in pairs))
    ordered = sorted(pairs, key=lambda pair: structures.index(pair[0]))
    return Sheet(
        f"Table 1: basis size / seconds / times faster than {REFERENCE} / decided % (polynomials), "
        "by (n, degree, m)",
        ("structure", "method", *points),
        2,
        tuple(
            (*pair, *(_entry(found.get((*pair, point)), _four) for point in points))
            for pair in ordered
        ),
    )


def seconds_table(placed: Placed) -> Sheet:
    """Table 2: mean seconds over all structures and sizes; with the share decided if below 1."""
    methods = list(dict.fromkeys(line.method for _, line in placed))
    points = dict.fromkeys((cell.num_variables, 2 * cell.half_degree) for cell, _ in placed)
    return Sheet(
        "Table 2: mean seconds (share decided where it is below 100 %)",
        ("variables", "degree", *methods),
        0,
        tuple((str(n), str(degree), *_means(placed, n, degree, methods)) for n, degree in points),
    )


def _means(placed: Placed, n: int, degree: int, methods: Sequence[str]) -> Iterator[str]:
    here = [line for c, line in placed if (c.num_variables, 2 * c.half_degree) == (n, degree)]
    for method in methods:
        mine = [line for line in here if line.method == method]
        count = sum(line.decided.count for line in mine)
        decided = sum(line.decided.successes for line in mine)
        share = "" if decided == count else f" ({100 * decided / max(count, 1):.0f} %)"
        yield f"{_mean_seconds(mine):.3g}{share}" if decided else NOTHING


def _mean_seconds(lines: Sequence[Line]) -> float:
    """Over the trials of all lines that have a time."""
    timed = [(line.seconds, line.decided.count - line.num_untimed) for line in lines]
    total = sum(count for _, count in timed)
    return sum(seconds * count for seconds, count in timed if count) / max(total, 1)


def _triple(cell: Cell) -> str:
    return f"{cell.num_variables}, {2 * cell.half_degree}, {cell.size}"


def _entry(line: Line | None, words: Callable[[Line], str]) -> str:
    return NOTHING if line is None else words(line)


def _four(line: Line) -> str:
    size = f"{line.last_size:.1f}" if isfinite(line.last_size) else NOTHING
    faster = f"{line.speed_up:.2f}" if isfinite(line.speed_up) else NOTHING
    decided = f"{100 * line.decided.share:.1f} ({line.decided.count:,})"
    seconds = f"{line.seconds:.3g}" if isfinite(line.seconds) else NOTHING
    return f"{size} / {seconds} / {faster} / {decided}"
