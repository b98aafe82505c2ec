"""Pictures of data sets: distributions of sizes, K, terms and cancellations.

>>> figure = draw_cards([])
>>> [axes.get_title(loc="left") for axes in figure.axes]
['basis size m', 'free dimensions K', 'terms of p', 'squares of the basis that cancel']
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks.records.figures import lighten, new_figure
from tasks.records.palette import CYCLE
from tasks.sos.sampling.cards import DatasetCard

__all__ = ["MAX_DRAWN", "draw_cards"]

MAX_DRAWN = 12
"""Data sets in one picture."""
_PANELS = {
    "sizes": "basis size m",
    "num_free": "free dimensions K",
    "num_terms": "terms of p",
    "hidden": "squares of the basis that cancel",
}


def draw_cards(cards: Sequence[DatasetCard]) -> Figure:
    """Draw, for the first `MAX_DRAWN` data sets, which share of the rows exceeds a value."""
    figure = new_figure()
    panels = figure.subplots(2, 2, gridspec_kw={"hspace": 0.34, "wspace": 0.18})
    for axes, (name, title) in zip(panels.flat, _PANELS.items(), strict=True):
        lighten(axes, y="share of rows above", title=title, size=9)
        axes.set_ylim(-0.02, 1.02)
        for k, card in enumerate(cards[:MAX_DRAWN]):
            _draw_tail(axes, card, name, k)
        if name in ("num_free", "num_terms"):
            axes.set_xscale("symlog", linthresh=10)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.subplots_adjust(left=0.07, right=0.97, top=0.94, bottom=0.15)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_tail(axes: Axes, card: DatasetCard, name: str, k: int) -> None:
    """The share of rows above every value, as steps."""
    histogram = sorted(card.histograms[name].items())
    values = np.array([0, *(value for value, _ in histogram)])
    above = 1 - np.cumsum([0, *(count for _, count in histogram)]) / max(1, card.num_rows)
    style = "-" if k < len(CYCLE) else "--"
    color = CYCLE[k % len(CYCLE)]
    axes.step(values, above, where="post", color=color, ls=style, lw=1.6, label=card.dataset)
