"""Pictures that a stored run gives away: files for papers, frames over a distance, a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tasks.coloring.certified import (
    Row,
    best_of_forms,
    certified_rows,
    chosen_rows,
    coloring_of_row,
    in_ranges,
    verdicts_of,
    wider_groups,
)
from tasks.coloring.drawing.run_charts import sweeps_of
from tasks.coloring.drawing.run_figures import coloring_figures, picture_figures, stem_of
from tasks.coloring.problem import problem_of
from tasks.records import Figure, InputError, Stored
from tasks.records.pictures import draw_figures, save_figure

if TYPE_CHECKING:
    from tasks.coloring.certificates.files import Coloring

__all__ = ["gallery", "plot"]

FIGURES = "figures"
_MOST_CARDS = 240
"""Of a gallery: a page of some megabytes."""


def plot(stored: Stored, *, item: str = "", animate: bool = False, to: str = "") -> Iterator[str]:
    """Draw a run as PNG, SVG and PDF; the places of the files.

    These are the figures of its report, and the best coloring of each problem and form.

    Parameters
    ----------
    stored : Stored
    item : str
        Only this coloring, by its key or the name of its certificate.
    animate : bool
        Of a sweep of distances also numbered frames, and a GIF file of them.
    to : str
        Local folder or URI; by default ``figures`` in the run's folder.

    Raises
    ------
    InputError
        If nothing is stored to draw, the item is unknown, or there is nothing to animate.
    StoreError
        If a file cannot be read or written.
    """
    if to and Path(to).is_file():
        raise InputError(f"--to {to} is a file; give a folder")
    rows = chosen_rows(stored, item) if item else certified_rows(stored)
    sweeps = [each for each in sweeps_of(rows) if len(each) > 1] if animate else []
    if animate and (item or not sweeps):
        raise InputError(
            "--animate needs certified colorings for two distances of the last color or more: "
            "leave it out, or plot a sweep"
        )
    own = picture_figures(stored, rows if item else best_of_forms(rows))
    figures = {each.path: each for each in (*own, *(() if item else coloring_figures(stored)))}
    if not figures:
        raise InputError(f"run {stored.run.run_id} has nothing to draw yet")
    return _plotted(stored, list(figures.values()), sweeps, to)


def _plotted(
    stored: Stored, figures: Sequence[Figure], sweeps: Sequence[Sequence[Row]], to: str
) -> Iterator[str]:
    place = to.rstrip("/") or stored.location(FIGURES)
    for each in figures:
        figure = replace(each, draw=cache(each.draw))
        stem = PurePosixPath(figure.path).stem
        if to:
            save_figure(figure.draw(), f"{place}/{stem}.png")
        else:
            draw_figures(stored, [figure])
        for suffix in (".svg", ".pdf"):
            save_figure(figure.draw(), f"{place}/{stem}{suffix}")
        yield from (f"{place}/{stem}{suffix}" for suffix in (".png", ".svg", ".pdf"))
    for rows in sweeps:
        yield from _animated(stored, rows, place)


# --- frames over a distance ---------------------------------------------------------------------


def _animated(stored: Stored, rows: Sequence[Row], place: str) -> Iterator[str]:
    """Frames of colorings by the distance of the last color, all at one scale."""
    from tasks.coloring.drawing.animation import write_frames, write_gif
    from tasks.coloring.drawing.figures import draw_coloring, window_height

    height = max(window_height(_as_asked(stored, row)) for row in rows)
    frames = (
        draw_coloring(_as_asked(stored, row), height=height, title=_frame_title(row))
        for row in rows
    )
    folder = f"{place}/frames-{stem_of(str(rows[0]['num_colors']))}"
    names = write_frames(frames, folder)
    write_gif(folder, names, "distances.gif", seconds=0.5)
    yield from (f"{folder}/{name}" for name in (*names, "distances.gif"))


def _as_asked(stored: Stored, row: Row) -> Coloring:
    """A coloring that forbids what was asked for, and not all that it may."""
    coloring = coloring_of_row(stored, row)
    return replace(coloring, forbidden=problem_of(row).forbidden)


def _frame_title(row: Row) -> str:
    return f"{row['num_colors']} colors, the last one avoids distance {row['distances'][-1]}"


# --- gallery ------------------------------------------------------------------------------------


def gallery(stored: Stored) -> Iterator[str]:
    """Write ``gallery.html`` with all certified colorings into the run's folder; its place.

    Raises
    ------
    InputError
        If there are none, or a certificate is damaged.
    StoreError
        If a file cannot be read or written.
    """
    from tasks.coloring.drawing.gallery import card_of, gallery_page

    run, rows, verdicts = stored.run, chosen_rows(stored), verdicts_of(stored)
    shown = sorted(rows, key=lambda row: row["removed_percent"])[:_MOST_CARDS]
    words = {True: "valid", False: "not valid", None: "not verified yet"}
    cards = (
        card_of(
            _as_asked(stored, row),
            verdict=words[verdicts.get(row["certificate"])],
            file_name=PurePosixPath(row["certificate"]).name,
            facts=_facts(row),
        )
        for row in shown
    )
    source = f"{run.identity.flow} {run.run_id}, code {run.identity.code_version}"
    run.volume.write("gallery.html", gallery_page(cards, source=source).encode())
    yield run.volume.location("gallery.html")
    if len(shown) < len(rows):
        yield f"shown are the {len(shown)} that remove least of {len(rows):,}"


def _facts(row: Row) -> list[tuple[str, str]]:
    """The intervals of distances that colors are proved to avoid, where they are wider than asked.

    >>> _facts({"distances": ["1", "0.45"], "allowed": ["1", "0.4-0.5"]})
    [('all d in', '[0.4, 0.5]')]
    """
    wider = wider_groups(row)
    several = len(wider) > 1
    return [
        (f"{in_ranges(colors)}: " * several + "all d in", f"[{low}, {high}]")
        for colors, low, high in wider
    ]
