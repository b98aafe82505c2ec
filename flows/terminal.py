"""What a person sees in the terminal: progress on stderr, tables on stdout, both by rich."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pyarrow as pa
    from pydantic import BaseModel

    from workers.stages import StageProgress

__all__ = ["arrow_table", "config_table", "fields_help", "progress_bars", "send_logs_to"]

MAX_ROWS = 200
LINE_SECONDS = 15.0
"""Between two lines about one step, without a terminal."""
# The last two send logs and events; on a busy machine they still report a backlog at exit.
PREFECT_LOGGERS = ("prefect", "APILogWorker", "EventsWorker")


@contextmanager
def progress_bars(console: Console) -> Iterator[ProgressDisplay]:
    """Bars on a terminal, a few lines a minute anywhere else."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[current]}", markup=False),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bars:
        yield ProgressDisplay(console, bars)


class ProgressDisplay:
    """A listener (see `flows.progress`) that draws what it hears.

    Without a terminal it prints the first and the last state of every step, and between them one
    line in `LINE_SECONDS` with an estimate of the end.
    """

    def __init__(self, console: Console, bars: Progress) -> None:
        self.console = console
        self.bars = bars
        self._steps: dict[str, _Shown] = {}

    def __call__(self, progress: StageProgress) -> None:
        """Show how far a step is."""
        step = progress.step
        if step not in self._steps:
            task = self.bars.add_task(step, total=None, current="")
            self._steps[step] = _Shown(task, progress.finished, time.monotonic())
        shown = self._steps[step]
        if not progress.total:
            self._say(step)
            return
        self.bars.update(
            shown.task,
            completed=progress.finished,
            total=progress.total,
            current=describe_current(progress),
        )
        if shown.is_due(progress):
            self._say(describe_state(progress, shown.seconds_left(progress)))

    def _say(self, line: str) -> None:
        """One plain line, where there is no terminal to draw on."""
        if not self.console.is_terminal:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)


@dataclass
class _Shown:
    """What was shown of a step, and when it was first heard of."""

    task: TaskID
    first: int
    started: float
    said: tuple[int, int] = (-1, -1)
    """Finished items and total of the last line."""
    at: float = float("-inf")

    def is_due(self, progress: StageProgress) -> bool:
        """Whether this state is to be told; notes that it was."""
        now, state = time.monotonic(), (progress.finished, progress.total)
        is_end = progress.finished == progress.total
        if state == self.said or (now - self.at < LINE_SECONDS and not is_end):
            return False
        self.said, self.at = state, now
        return True

    def seconds_left(self, progress: StageProgress) -> float | None:
        """Estimated from the pace so far; None before there is one."""
        done = progress.finished - self.first
        if done <= 0 or progress.finished == progress.total:
            return None
        return (time.monotonic() - self.started) / done * (progress.total - progress.finished)


def describe_state(progress: StageProgress, left: float | None) -> str:
    """One line: counts, the time that is left, what has been found."""
    failed = f", {progress.failed} failed" if progress.failed else ""
    end = "" if left is None or left < LINE_SECONDS else f", about {_duration(left)} left"
    note = f" ({progress.note})" if progress.note else ""
    return f"{progress.step}: {progress.finished:,} of {progress.total:,}{failed}{end}{note}"


def _duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe_current(progress: StageProgress) -> str:
    """What has been found, and the items that are computed now, the first three by name."""
    more = f" and {len(progress.current) - 3} more" if len(progress.current) > 3 else ""
    items = ", ".join(progress.current[:3]) + more
    return "; ".join(part for part in (progress.note, items) if part)


class ConsoleHandler(logging.Handler):
    """Log records as plain lines on a console, above its bars, never wrapped.

    Warnings; with `verbose` all messages, and Prefect's own, which repeat ours with tracebacks.
    """

    def __init__(self, console: Console, *, verbose: bool) -> None:
        super().__init__(logging.INFO if verbose else logging.WARNING)
        self.console = console
        self.verbose = verbose
        # Prefect leaves the root logger alone if it has a handler with a formatter.
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        if self.verbose or record.name.partition(".")[0] not in PREFECT_LOGGERS:
            line = f"{record.levelname.lower()}: {self.format(record)}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def send_logs_to(console: Console, *, verbose: bool) -> None:
    """Show log records on a console, in place of an earlier one; before Prefect is imported."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, ConsoleHandler)]:
        root.removeHandler(handler)
    root.addHandler(ConsoleHandler(console, verbose=verbose))


def fields_help(config_class: type[BaseModel]) -> Group:
    """Fields of a config: name, type, bounds and default, below them the meaning."""
    schema = config_class.model_json_schema()
    lines: list[Text | Padding] = []
    for name, field in schema["properties"].items():
        default = f"default {json.dumps(field['default'])}" if "default" in field else "required"
        facts = [fact for fact in (_type_of(field), _bounds_of(field), default) if fact]
        if "$ref" in field:
            facts = [f"a config of its own, set by {name}.FIELD"]
        lines.append(Text.assemble((name, "bold"), f": {', '.join(facts)}"))
        meaning = " ".join(field.get("description", "").split())
        lines.append(Padding(Text(meaning), (0, 0, 0, 4)))
    return Group(*lines)


def _type_of(field: Mapping[str, Any]) -> str:
    """JSON type of a field, in words."""
    if "enum" in field:
        return "one of"
    if field.get("type") == "array":
        items = field.get("items", {})
        return f"list of {'names' if 'enum' in items else _type_of(items) + 's'}"
    return str(field.get("type", "value"))


def _bounds_of(field: Mapping[str, Any]) -> str:
    """Bounds or choices of a field, in words."""
    choices = field.get("enum") or field.get("items", {}).get("enum")
    if choices:
        return " | ".join(map(str, choices))
    signs = {
        "minimum": ">=",
        "exclusiveMinimum": ">",
        "maximum": "<=",
        "exclusiveMaximum": "<",
        "minItems": "length >=",
        "maxItems": "length <=",
    }
    return ", ".join(f"{sign} {field[key]}" for key, sign in signs.items() if key in field)


def config_table(config: BaseModel, title: str) -> Table:
    """Values of one config."""
    table = Table(title=title, title_justify="left")
    table.add_column("key")
    table.add_column("value", overflow="fold")
    for key, value in config.model_dump(mode="json").items():
        table.add_row(key, json.dumps(value))
    return table


def arrow_table(data: pa.Table, title: str = "") -> Table:
    """The first rows of an Arrow table, with a caption when there are more."""
    table = Table(title=title or None, title_justify="left")
    for name in data.column_names:
        table.add_column(name, overflow="fold")
    shown = (column.to_pylist() for column in data.slice(0, MAX_ROWS).columns)
    for row in zip(*shown, strict=True):
        table.add_row(*map(str, row))
    if data.num_rows > MAX_ROWS:
        table.caption = f"{MAX_ROWS} of {data.num_rows} rows; use --sql to choose"
    return table
