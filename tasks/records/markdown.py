"""Reports as Markdown, for ``report.md`` in a run's folder and for Prefect."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from tasks.records.report import Figure, Report, Table
from tasks.records.run import Run

__all__ = ["REPORT", "escaped", "markdown", "stored_findings"]

REPORT = "report.md"
"""Place of the whole report in a run's folder."""
BAR = "&#124;"
# Code between backticks is left alone; an underscore within a word is plain text.
SPECIAL = re.compile(r"(`[^`]*`)|([\\`*\[\]<>~]|(?<!\w)_|_(?!\w))")
_ESCAPE = re.compile(r"(`[^`]*`)|\\([\\`*\[\]<>~_])")


def markdown(report: Report, run: Run, figures: Sequence[Figure] = ()) -> str:
    """The whole report as Markdown; figures by their places in the run's folder."""
    parts = [f"# {run.identity.flow} `{run.run_id}`"]
    parts += ["\n".join(f"* {escaped(line)}" for line in report.findings)]
    parts += [_markdown_table(table) for table in report.tables]
    parts += ["\n".join(f"* {escaped(line)}" for line in report.notes)]
    parts += [f"![{escaped(each.path)}]({quote(each.path)})" for each in figures]
    return "\n\n".join([*filter(None, parts), f"Results: `{run.path}`\n"])


def stored_findings(run: Run) -> list[str]:
    """The findings of a run as its ``report.md`` has them; empty without that file."""
    if not run.volume.exists(REPORT):
        return []
    text = run.volume.read(REPORT).to_pybytes().decode("utf-8", "replace")
    paragraph = text.split("\n\n", 2)[1:2]
    lines = [line.replace(BAR, "|") for each in paragraph for line in each.splitlines()]
    found = (line[2:] for line in lines if line.startswith("* "))
    return [_ESCAPE.sub(lambda part: part[1] or part[2], line) for line in found]


def _markdown_table(table: Table) -> str:
    marks = ["---" if heading in table.words else "---:" for heading in table.headings]
    lines = [
        f"| {' | '.join(map(escaped, table.headings))} |",
        f"| {' | '.join(marks)} |",
        *(f"| {' | '.join(map(escaped, row))} |" for row in table.rows),
    ]
    return "\n".join(([f"## {escaped(table.title)}", ""] if table.title else []) + lines)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: x*y*z without italics, <J> without a tag, bars as bars."""
    marked = SPECIAL.sub(lambda found: found[1] or f"\\{found[2]}", text)
    return marked.replace("|", BAR)
