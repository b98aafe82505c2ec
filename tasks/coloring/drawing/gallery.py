"""The gallery: one page with a small picture of every coloring of a run, and what is certain.

The page is one HTML file that needs nothing else.  Cards are grouped by what the colors avoid,
those that remove least first.

>>> from tasks.coloring.certificates.distances import parse_distances
>>> from tasks.coloring.drawing.mosaics import tile_mosaic
>>> square = [(0, 0), (1, 0), (1, 1), (0, 1)]
>>> card = Card(tile_mosaic([(0, square)], [[1, 0], [0, 1]]), parse_distances("9", 1), 0.0,
...             form="1 tile", verdict="invalid", file_name="square.json")
>>> page = gallery_page([card])
>>> page.count("<article"), "square.json" in page
(1, True)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tasks.coloring.certificates.distances import Forbidden
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.drawing._gallery_svg import SIDE, scene_svg
from tasks.coloring.drawing.mosaics import Mosaic
from tasks.coloring.drawing.scenes import avoided, ball_boundary, percent, scene_of
from tasks.coloring.drawing.views import ball_of, form_of, plane_mosaic, setting_of, slice_of
from tasks.records import InputError
from tasks.records.pages import filter_style, filters, page
from tasks.records.report import counted

if TYPE_CHECKING:
    from tasks.coloring.certificates.files import Coloring

__all__ = ["Card", "card_of", "gallery_page"]

_MOST_POINTS = 1500
"""Of the boundaries of cells in a picture, before they are simplified."""
_FILTERS = (("all", "all"), ("valid", "certified"), ("full", "nothing removed"))


@dataclass(frozen=True)
class Card:
    """A coloring in a gallery.

    Attributes
    ----------
    mosaic : Mosaic
        With its periods.
    forbidden : Forbidden
    removed : float
        Removed fraction of the plane.
    form : str
        For example "1945 × 1970 cells", "7 tiles".
    verdict : str
        Of its verification; "valid" if the certificate holds.
    file_name : str
        Of its certificate.
    setting : str
        Where distances are measured, if not in the Euclidean plane.
    ball : (p, 2) floats, optional
        The boundary of the unit ball of its norm, in order; by default the circle.
    facts : tuple of (name, text)
        What else is known.
    """

    mosaic: Mosaic
    forbidden: Forbidden
    removed: float
    form: str
    verdict: str
    file_name: str
    setting: str = ""
    ball: ArrayLike | None = None
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def group(self) -> str:
        """What it avoids, and where."""
        return ", ".join(filter(None, (avoided(self.forbidden), self.setting)))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the filters that show it."""
        facts = {"valid": self.verdict == "valid", "full": self.removed == 0}
        return tuple(name for name, holds in facts.items() if holds)


def card_of(
    coloring: Coloring, *, verdict: str, file_name: str, facts: Iterable[tuple[str, str]] = ()
) -> Card:
    """The card of the coloring of a certificate; of space the slice z = 0.

    Parameters
    ----------
    coloring : CellColoring, PolygonColoring or VoronoiColoring
    verdict, file_name, facts
        As in `Card`.
    """
    is_plane = coloring.lattice.dimension == 2
    vectors = coloring.lattice.floats if is_plane else np.zeros((0, 2))
    window = scene_of(Mosaic((), (), vectors), coloring.forbidden, 0.0, aspect=1.0).window
    if is_plane:
        fineness = float(np.ptp(window[:, 1])) / SIDE
        mosaic = plane_mosaic(coloring, fineness=fineness, most=_MOST_POINTS)
    else:
        assert not isinstance(coloring, PolygonColoring)
        mosaic = slice_of(coloring, 0.0, window)
    return Card(
        mosaic,
        coloring.forbidden,
        float(coloring.removed),
        form_of(coloring),
        verdict,
        file_name,
        setting_of(coloring),
        ball_of(coloring.norm),
        tuple(facts),
    )


def gallery_page(cards: Iterable[Card], *, title: str = "Plane colorings", source: str = "") -> str:
    """Write the page.

    Parameters
    ----------
    cards : iterable of Card
    title : str
    source : str
        Where the colorings come from, for the foot of the page.

    Raises
    ------
    InputError
        If there are no cards.
    """
    shown = sorted(cards, key=_order)
    if not shown:
        raise InputError("a gallery shows one coloring or more; none was given")
    style = (files("tasks.coloring.drawing") / "data" / "gallery.css").read_text("utf-8")
    style += filter_style(name for name, _ in _FILTERS[1:])
    return page(title, _head(shown), _sections(shown), style=style, source=source)


def _order(card: Card) -> tuple[int, str, float, str]:
    return card.forbidden.num_colors, card.group, card.removed, card.file_name


def _head(shown: Sequence[Card]) -> Iterator[str]:
    certified = sum(card.verdict == "valid" for card in shown)
    yield f"<p>{counted(len(shown), 'coloring')}, {certified} certified.</p>"
    yield (
        '<p class="why">Each picture shows some periods of a coloring of the plane. What is black '
        "has no color. The circles show the points at a forbidden distance from the dot in their "
        "middle: none of them has the color of the dot, if the certificate is valid.</p>"
    )
    yield filters(_FILTERS)


def _sections(shown: Sequence[Card]) -> Iterator[str]:
    numbered = enumerate(shown, 1)
    for number, (name, group) in enumerate(groupby(numbered, lambda c: c[1].group), 1):
        members = list(group)
        count = counted(len(members), "coloring")
        yield f'<section aria-labelledby="group-{number}">'
        yield f'<h2 id="group-{number}">{escape(name)} <small>{count}</small></h2>'
        yield '<div class="cards">'
        yield from (_card(card, f"period-{place}") for place, card in members)
        yield "</div></section>"


def _card(card: Card, name: str) -> str:
    scene = scene_of(card.mosaic, card.forbidden, card.removed, aspect=1.0)
    label = escape(f"{card.group}; {percent(card.removed)} removed")
    mark = "mark good" if card.verdict == "valid" else "mark"
    facts = (("removed", percent(card.removed)), ("form", card.form), *card.facts)
    rows = "".join(
        f"<div><dt>{escape(key)}</dt><dd>{escape(text)}</dd></div>" for key, text in facts
    )
    return "\n".join(
        [
            f'<article class="{" ".join(("card", *card.classes))}">',
            scene_svg(scene, label=label, name=name, ball=ball_boundary(card.ball)),
            f'<div class="facts"><dl>{rows}</dl>'
            f'<span class="{mark}">{escape(card.verdict)}</span></div>',
            f"<code>{escape(card.file_name)}</code>",
            "</article>",
        ]
    )
