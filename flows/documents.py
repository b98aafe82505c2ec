"""A report as a document: one table and some lines, for the terminal, as Markdown, for Prefect."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tasks.records import Run

__all__ = ["Document", "cell"]


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
    """

    run: Run
    headings: Sequence[str]
    words: Collection[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[str]

    def terminal(self) -> Group:
        """Table and lines for the terminal."""
        title = f"{self.run.identity.flow} {self.run.run_id}"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True)
        for heading in self.headings:
            justify = "left" if heading in self.words else "right"
            table.add_column(heading, justify=justify, no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return Group(table, *(Text(line) for line in self.lines))

    def markdown(self) -> str:
        """The same as Markdown."""
        lines = [
            f"# {self.run.identity.flow} `{self.run.run_id}`",
            "",
            f"| {' | '.join(self.headings)} |",
            "|" + " --- |" * len(self.headings),
            *(f"| {' | '.join(row)} |" for row in self.rows),
            "",
            *(f"* {line}" for line in self.lines),
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
        create_table_artifact(rows, key=f"{key}-summary", description="one row per triangulation")


def cell(value: Any) -> str:
    """One value as people read it: digits in groups, nothing for nothing."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
