"""Reports of studies, shown: in the terminal, as Markdown, as Prefect artifacts, with figures.

The terminal's form begins with what was found and fits two screens; the whole is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from flows.study import Study, load
from tasks.records import Figure, Report, Stored, Table
from tasks.records.markdown import REPORT, markdown
from tasks.records.pictures import draw_figures

__all__ = ["figures_of", "publish", "report_of", "terminal"]

SCREENS_ROWS = 56
"""Lines of tables in the short form: with findings and notes it fits two screens of 40 lines."""
MAX_ROWS = 30
MAX_NOTES = 14
GAP = 2
"""Characters between columns."""


def report_of(study: Study, stored: Stored) -> Report:
    """The report of a run; it says so first if nothing is stored, or parts are damaged."""
    if stored.is_empty(study.stages[0].tables[0]):
        return Report(["nothing is stored yet"])
    report, damaged = load(study.report)(stored), len(stored.run.check().faults)
    if not damaged:
        return report
    what = "1 damaged part is" if damaged == 1 else f"{damaged} damaged parts are"
    first = f"{what} left out of this report: run the same command again to make it whole"
    return replace(report, findings=[first, *report.findings])


# --- terminal -----------------------------------------------------------------------------------


def terminal(report: Report, title: str, *, full: bool = False) -> Group:
    """Findings, tables and notes; of long ones the beginning, unless all is asked for."""
    parts: list[RenderableType] = [Text(title, style="bold")]
    parts += [Text(line) for line in report.findings]
    room = SCREENS_ROWS
    for number, table in enumerate(report.tables):
        most = len(table.rows) if full else max(0, min(MAX_ROWS, room - 3))
        if most < min(3, len(table.rows)):
            left = len(report.tables) - number
            parts.append(Text(f"{left} more table{'s' * (left > 1)}: --full"))
            break
        parts.append(_Sheet(table, most))
        room -= min(most, len(table.rows)) + 3
        if (hidden := len(table.rows) - most) > 0:
            what = table.subject if hidden == 1 else f"{table.subject}s"
            parts.append(Text(f"{hidden:,} more {what}: --full"))
    notes = report.notes if full else report.notes[:MAX_NOTES]
    parts += [Text(line) for line in notes]
    if hidden := len(report.notes) - len(notes):
        parts.append(Text(f"{hidden:,} more note{'s' * (hidden > 1)}: --full"))
    return Group(*parts)


class _Sheet:
    """A table that fits the terminal: a wide one is shown as several, each with its key columns."""

    def __init__(self, table: Table, most: int) -> None:
        self.table = table
        self.rows = table.rows[:most]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the tables of the terminal."""
        table = self.table
        if table.title:
            yield Text(f"\n{table.title}", style="italic")
        for columns in self._fitting(options.max_width):
            shown = RichTable(box=SIMPLE_HEAD, collapse_padding=True)
            for k in columns:
                heading = table.headings[k]
                justify = "left" if heading in table.words else "right"
                shown.add_column(heading, justify=justify, no_wrap=heading != table.elastic)
            for row in self.rows:
                shown.add_row(*(self._text(k, row[k]) for k in columns))
            yield shown

    def _text(self, column: int, text: str) -> Text:
        """Text that is never wrapped; of the elastic column it may be cut."""
        is_elastic = self.table.headings[column] == self.table.elastic
        return Text(text, no_wrap=True, overflow="ellipsis" if is_elastic else "fold")

    def _fitting(self, width: int) -> Iterator[list[int]]:
        """Columns of tables that are not wider than the terminal, each with the key columns."""
        headings, keys = self.table.headings, self.table.num_keys
        if self.table.elastic:
            yield list(range(len(headings)))
            return
        widths = [
            GAP + max(map(cell_len, (heading, *(row[k] for row in self.rows))))
            for k, heading in enumerate(headings)
        ]
        columns = list(range(keys))
        for k in range(keys, len(headings)):
            if len(columns) > keys and GAP + sum(widths[j] for j in (*columns, k)) > width:
                yield columns
                columns = list(range(keys))
            columns.append(k)
        yield columns


# --- Prefect ------------------------------------------------------------------------------------


def publish(study: Study, stored: Stored) -> None:
    """Draw what is missing, write ``report.md``, show the report as Prefect artifacts."""
    # Imported here: the command line makes reports without Prefect.
    from prefect.artifacts import create_markdown_artifact, create_table_artifact

    run, report, figures = stored.run, report_of(study, stored), figures_of(study, stored)
    places = draw_figures(stored, figures, only_missing=True)
    run.volume.write(REPORT, markdown(report, run, figures).encode())
    key = f"{run.identity.flow}-{run.run_id}"
    shown = "\n".join([markdown(report, run), *(f"* figure: `{place}`" for place in places)])
    create_markdown_artifact(shown, key=key, description="report of the run")
    for table in report.tables[:1]:
        rows = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
        what = f"one row per {table.subject}"
        create_table_artifact(rows, key=f"{key}-summary", description=what)


def figures_of(study: Study, stored: Stored) -> list[Figure]:
    """The pictures of a run, drawn or not."""
    if not study.figures or stored.is_empty(study.stages[0].tables[0]):
        return []
    return list(load(study.figures)(stored))
