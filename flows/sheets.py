"""Tables that fit a terminal: a wide one is shown as several, each with the columns of keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

__all__ = ["Sheet"]

GAP = 2
"""Characters between columns."""


@dataclass(frozen=True)
class Sheet:
    """One table of a report.

    Attributes
    ----------
    title : str
    headings : tuple of str
    num_words : int
        Columns of words; numbers follow.
    rows : tuple of tuple of str
    num_keys : int
        Columns that say what a row is about; in a narrow terminal the others follow in several
        tables, each with these. Of two columns of words the first one becomes lines of its own.
    """

    title: str
    headings: tuple[str, ...]
    num_words: int
    rows: tuple[tuple[str, ...], ...]
    num_keys: int = 2

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the tables of the terminal."""
        titles, headings, rows = self._nested()
        joined = len(self.headings) - len(headings)
        keys, num_words = self.num_keys - joined, self.num_words - joined
        yield Text(f"\n{self.title}", style="italic")
        for columns in _fitting(headings, rows, keys, options.max_width):
            table = Table(box=SIMPLE_HEAD, collapse_padding=True)
            for k in columns:
                table.add_column(headings[k], justify="left" if k < num_words else "right")
            for row in rows:
                table.add_row(*(Text(row[k]) for k in columns), style="bold" * (row[0] in titles))
            yield table

    def _nested(self) -> tuple[set[str], tuple[str, ...], list[tuple[str, ...]]]:
        """Lines of their own, headings and rows as the terminal shows them."""
        if self.num_words < 2:
            return set(), self.headings, list(self.rows)
        rows: list[tuple[str, ...]] = []
        titles = dict.fromkeys(row[0] for row in self.rows)
        blank = ("",) * (len(self.headings) - 2)
        for title in titles:
            rows.append((title, *blank))
            rows += [(f"  {row[1]}", *row[2:]) for row in self.rows if row[0] == title]
        return set(titles), self.headings[1:], rows

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


def _fitting(
    headings: Sequence[str], rows: Sequence[Sequence[str]], keys: int, width: int
) -> Iterator[list[int]]:
    """Columns of tables that are not wider than the terminal, each with the key columns."""
    widths = [
        GAP + max(map(cell_len, (heading, *(row[k] for row in rows))))
        for k, heading in enumerate(headings)
    ]
    columns = list(range(keys))
    for k in range(keys, len(headings)):
        if len(columns) > keys and GAP + sum(widths[j] for j in (*columns, k)) > width:
            yield columns
            columns = list(range(keys))
        columns.append(k)
    yield columns
