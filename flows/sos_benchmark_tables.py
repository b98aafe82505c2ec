"""Tables of the flow `sos-benchmark` in the layout of arXiv:2510.13444.

Table 1: structures and methods down, points (n, degree, m) across. Table 2: points (n, degree)
down, methods across, mean seconds. The cell of the classical polynomials has no place in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from flows.documents import Document
from tasks.sos.benchmarking.config import CLASSICS
from tasks.sos.benchmarking.summary import REFERENCE, Line
from tasks.sos.sampling.cells import Cell

__all__ = ["BenchmarkDocument", "Sheet", "paper_tables", "seconds_table", "structure_table"]

ENOUGH = 500
"""Polynomials of a cell from which on its interval is at most 9 points wide, 0.8 at 100 %."""
NOTHING = "–"


@dataclass(frozen=True)
class Sheet:
    """One more table of a report: a title, headings, the first of them above words, rows."""

    title: str
    headings: tuple[str, ...]
    num_words: int
    rows: tuple[tuple[str, ...], ...]

    def terminal(self) -> Table:
        """For the terminal."""
        table = Table(title=self.title, title_justify="left", box=SIMPLE_HEAD)
        for k, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if k < self.num_words else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """As Markdown."""
        marks = [" --- |" if k < self.num_words else " ---: |" for k in range(len(self.headings))]
        return "\n".join(
            [
                f"## {self.title}",
                "",
                f"| {' | '.join(self.headings)} |",
                "|" + "".join(marks),
                *(f"| {' | '.join(row)} |" for row in self.rows),
            ]
        )


@dataclass(frozen=True)
class BenchmarkDocument(Document):
    """A report with further tables."""

    sheets: tuple[Sheet, ...] = ()

    def terminal(self) -> Group:
        """Table, lines, and the further tables below."""
        parts: list[RenderableType] = [super().terminal()]
        return Group(*parts, *(sheet.terminal() for sheet in self.sheets))

    def markdown(self) -> str:
        """The same as Markdown."""
        return "\n\n".join([super().markdown(), *(sheet.markdown() for sheet in self.sheets)])


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
        seconds = sum(line.seconds * line.decided.count for line in mine) / max(count, 1)
        share = "" if decided == count else f" ({100 * decided / max(count, 1):.0f} %)"
        yield f"{seconds:.3g}{share}" if decided else NOTHING


def _triple(cell: Cell) -> str:
    return f"{cell.num_variables}, {2 * cell.half_degree}, {cell.size}"


def _entry(line: Line | None, words: Callable[[Line], str]) -> str:
    return NOTHING if line is None else words(line)


def _four(line: Line) -> str:
    size = f"{line.last_size:.1f}" if isfinite(line.last_size) else NOTHING
    faster = f"{line.speed_up:.2f}" if isfinite(line.speed_up) else NOTHING
    decided = f"{100 * line.decided.share:.1f} ({line.decided.count:,})"
    return f"{size} / {line.seconds:.3g} / {faster} / {decided}"
