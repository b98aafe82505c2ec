"""A report as data: what was found, tables, notes, and the figures that belong to it.

Fields make reports of stored rows alone, so that one can be made again at any time; how a report
is shown (terminal, Markdown, Prefect) is not known here.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.records.errors import printable

__all__ = ["Figure", "Report", "Table", "cell", "counted"]


def counted(number: int, noun: str) -> str:
    """A number of things in words.

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


@dataclass(frozen=True)
class Table:
    """One table of a report; control characters in its texts are shown as escapes.

    Attributes
    ----------
    headings : sequence of str
    rows : sequence of sequence of str
        One text per heading.
    title : str
    words : collection of str
        Headings above words; all others stand above numbers.
    num_keys : int
        Leading columns that say what a row is about.
    elastic : str
        Heading of the column that is cut first where there is little room.
    subject : str
        What a row is about, in the singular.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    words: Collection[str] = ()
    num_keys: int = 1
    elastic: str = ""
    subject: str = "row"

    def __post_init__(self) -> None:
        shown = [[printable(str(text)) for text in row] for row in self.rows]
        object.__setattr__(self, "rows", shown)


@dataclass(frozen=True)
class Report:
    """What a person reads about a run.

    Attributes
    ----------
    findings : sequence of str
        One line each, what was found first.
    tables : sequence of Table
        The most important one first.
    notes : sequence of str
        What else is to be known: how numbers were made, what failed.
    """

    findings: Sequence[str]
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("findings", "notes"):
            object.__setattr__(self, name, [printable(line) for line in getattr(self, name)])


@dataclass(frozen=True)
class Figure:
    """A picture of a run.

    Attributes
    ----------
    path : str
        Place in the run's folder, ending in .png.
    draw : callable
        Makes the matplotlib figure.
    tables : tuple of str
        Tables whose rows it shows; it is drawn again when these change.
    key : str
        Item whose rows it shows; empty for all.
    """

    path: str
    draw: Callable[[], Any]
    tables: tuple[str, ...]
    key: str = ""


def cell(value: Any) -> str:
    """One value as people read it: digits in groups, nothing for nothing."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
