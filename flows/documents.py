"""A report as a document: one table and some lines, for the terminal, as Markdown, for Prefect."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tasks.records import Run
from tasks.records.errors import printable

__all__ = ["Document", "cell", "escaped", "nothing_stored", "stored_places"]

# Code between backticks is left alone; an underscore within a word is plain text.
_SPECIAL = re.compile(r"(`[^`]*`)|([\\`*\[\]<>~]|(?<!\w)_|_(?!\w))")


@dataclass(frozen=True)
class Document:
    """What a person reads about a run.

    Attributes
    ----------
    run : Run
        The run.
    headings : sequence of str
        Headings of the table.
    words : collection of str
        Those of them above words; all others stand above numbers.
    rows : sequence of sequence of str
        One text per heading.
    lines : sequence of str
        What follows from the table.
    subject : str
        What a row is about.
    elastic : str
        Heading of the column that is cut first where the terminal is narrow.

    Control characters in the texts are shown as escapes.
    """

    run: Run
    headings: Sequence[str]
    words: Collection[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[str]
    subject: str = "triangulation"
    elastic: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", [[printable(text) for text in row] for row in self.rows])
        object.__setattr__(self, "lines", [printable(line) for line in self.lines])

    def terminal(self) -> Group:
        """Table and lines for the terminal."""
        title = f"{self.run.identity.flow} {self.run.run_id}"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True)
        for heading in self.headings:
            justify = "left" if heading in self.words else "right"
            table.add_column(heading, justify=justify, no_wrap=heading != self.elastic)
        for row in self.rows:
            cells = zip(self.headings, row, strict=True)
            table.add_row(*(_cut(text) if name == self.elastic else text for name, text in cells))
        return Group(table, *(Text(line) for line in self.lines))

    def markdown(self) -> str:
        """The same as Markdown."""
        lines = [
            f"# {self.run.identity.flow} `{self.run.run_id}`",
            "",
            f"| {' | '.join(self.headings)} |",
            "|" + " --- |" * len(self.headings),
            *(f"| {' | '.join(map(escaped, row))} |" for row in self.rows),
            "",
            *(f"* {escaped(line)}" for line in self.lines),
            "",
            f"Tables: `{self.run.path}`",
        ]
        return "\n".join(lines)

    def publish(self) -> None:
        """Show it as artifacts of the running Prefect flow."""
        # Imported here: the command line makes reports without Prefect.
        from prefect.artifacts import create_markdown_artifact, create_table_artifact

        key = f"{self.run.identity.flow}-{self.run.run_id}"
        create_markdown_artifact(self.markdown(), key=key, description="report of the run")
        rows = [dict(zip(self.headings, row, strict=True)) for row in self.rows]
        create_table_artifact(rows, key=f"{key}-summary", description=f"one row per {self.subject}")


def nothing_stored(run: Run) -> Group:
    """What the terminal shows of a run without results."""
    return Group(Text(f"{run.identity.flow} {run.run_id}: nothing is stored yet"))


def stored_places(run: Run, *paths: str) -> list[str]:
    """Places of those files of a run that are there."""
    return [run.volume.location(path) for path in paths if run.volume.exists(path)]


def cell(value: Any) -> str:
    """One value as people read it: digits in groups, nothing for nothing."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cut(text: str) -> Text:
    """Text that is never wrapped."""
    return Text(text, no_wrap=True, overflow="ellipsis")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: x*y*z without italics, <J> without a tag, bars as bars."""
    marked = _SPECIAL.sub(lambda found: found[1] or f"\\{found[2]}", text)
    return marked.replace("|", "&#124;")
