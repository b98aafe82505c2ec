"""The pictures of a stored run: its best colorings, its best search, and charts of what it did.

matplotlib, which is slow to import, is imported when one is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

from tasks.coloring.certified import Row, best_of_forms, certified_rows, coloring_of_row
from tasks.coloring.drawing.conflict_marks import marked_grid
from tasks.coloring.drawing.run_charts import (
    distance_rows,
    interval_rows,
    is_sweep,
    progress_rows,
    refinement_rows,
    search_rows,
)
from tasks.coloring.drawing.views import ball_of
from tasks.coloring.fields import Field
from tasks.coloring.items import START
from tasks.coloring.plan import search_rank
from tasks.coloring.problem import Problem, named_norm, problem_of
from tasks.coloring.published import published_of
from tasks.records import Figure, Status, Stored

Picture: TypeAlias = Any
"""A figure of matplotlib."""

__all__ = ["coloring_figures", "picture_figures", "stem_of"]

_MOST_PICTURES = 6
"""Of colorings in a report."""
_LONGEST = 100
"""Characters of names of files."""
_MEASURE = "points removed or in conflict, %"


def coloring_figures(stored: Stored) -> Iterator[Figure]:
    """The best colorings of cells and of polygons, the best search, and the charts.

    Of many problems the colorings that remove least are shown.
    """
    best = best_of_forms(certified_rows(stored))
    if len(best) > _MOST_PICTURES:
        shown = sorted(best, key=lambda row: row["removed_percent"])[:_MOST_PICTURES]
        best = [row for row in best if row in shown]
    yield from picture_figures(stored, best)
    runs = [row for row in stored.rows("runs") if row["status"] == Status.OK]
    problems = {row["problem"] for row in runs}
    if len(problems) == 1:
        yield from _search_figures(stored, runs)
    for name, rows, draw, tables in (
        ("refinement", refinement_rows(stored), "draw_penalties", ("constructions",)),
        ("progress", progress_rows(stored), "draw_progress", ("constructions",)),
    ):
        if rows:
            yield Figure(f"figures/{name}.png", partial(_chart, stored, draw, rows), tables)
    if is_sweep(stored):
        draw_sweep = partial(_sweep, stored)
        yield Figure("figures/distances.png", draw_sweep, ("runs", "constructions"))


def picture_figures(stored: Stored, rows: Sequence[Row]) -> Iterator[Figure]:
    """A picture of each of some certified colorings, named by problem and form, or by its key."""
    best = best_of_forms(certified_rows(stored))
    for row in rows:
        name = f"{row['form']}-{row['problem']}" if row in best else row["item"]
        draw = partial(_coloring, stored, row)
        yield Figure(f"figures/{stem_of(name)}.png", draw, ("constructions",), row["item"])


def stem_of(name: str) -> str:
    """A key as the name of a file.

    >>> stem_of("cells-6.5x1_sqrt(2/9)-0.5")
    'cells-6.5x1_sqrt_2_9_-0.5'
    """
    stem = re.sub(r"[^A-Za-z0-9._+=-]+", "_", name).strip("._")
    digest = sha256(name.encode()).hexdigest()[:8]
    return stem if len(stem) <= _LONGEST else f"{stem[: _LONGEST - 9]}-{digest}"


# --- colorings ----------------------------------------------------------------------------------


def _coloring(stored: Stored, row: Row) -> Picture:
    from tasks.coloring.drawing.figures import draw_coloring

    return draw_coloring(coloring_of_row(stored, row))


def _search_figures(stored: Stored, runs: Sequence[Row]) -> Iterator[Figure]:
    """What the best search found, and all of them as dots."""
    found = [row for row in runs if row["field"] and row["estimate"] is not None]
    if found and found[0]["dimension"] == 2:
        best = min(found, key=search_rank)
        draw = partial(_search, stored, best)
        yield Figure("figures/search.png", draw, ("runs",))
    rows = search_rows(runs)
    if len(rows) > 1:
        draw = partial(_searches, stored, rows)
        yield Figure("figures/searches.png", draw, ("runs",))


def _search(stored: Stored, row: Row) -> Picture:
    """What a search found, with its conflicts, or a given coloring before it is repaired."""
    from tasks.coloring.drawing.figures import draw_grid

    problem = problem_of(row)
    found = marked_grid(Field.unpack(bytes(stored.run.volume.read(row["field"]))), problem)
    what = "the given coloring" if row["run"] == START else "what the best search found"
    return draw_grid(
        found.grid,
        found.lattice.floats,
        problem.forbidden,
        conflicts=found.marks,
        ball=ball_of(named_norm(problem.norm, 2)),
        title=f"{problem.words}: {what}, before any repair",
    )


# --- charts -------------------------------------------------------------------------------------


def _chart(stored: Stored, draw: str, rows: Sequence[Row]) -> Picture:
    from tasks.coloring.drawing import charts

    return getattr(charts, draw)(rows, records=levels(stored))


def _searches(stored: Stored, rows: Sequence[Row]) -> Picture:
    from tasks.coloring.drawing.charts import draw_searches

    least = dict(list(levels(stored).items())[:1])
    title = "what searches found on their finest grid, before any repair"
    return draw_searches(rows, records=least, title=title)


def _sweep(stored: Stored) -> Picture:
    from tasks.coloring.drawing.charts import draw_intervals

    title = "what is removed or in conflict over the distance d of the last color"
    rows, bars = distance_rows(stored), interval_rows(stored)
    return draw_intervals(rows, bars, measure=_MEASURE, title=title)


def levels(stored: Stored) -> dict[str, float]:
    """Published removed fractions of the problem of a run; none of a run of several."""
    rows = stored.rows("runs")
    problems: list[Problem] = list({row["problem"]: problem_of(row) for row in rows}.values())
    published = published_of(problems[0]) if len(problems) == 1 else None
    if published is None:
        return {}
    known = {"published": published.best, "published, formal": published.formal}
    return {name: float(value) / 100 for name, value in known.items() if value}
