"""Colors of the pictures: those of Okabe and Ito, distinct for color-blind readers.

References
----------
M. Okabe, K. Ito, Color universal design: how to make figures and presentations that are friendly
to colorblind people (2008).
"""

from __future__ import annotations

from tasks.sos.verdict import Verdict

INK, TEXT, GRAY, PALE = "#22262B", "#555B63", "#8A9099", "#E4E7EA"
"""Grays of headings and marks, of text, of lines, of grids."""

BLUE, VERMILION, SKY, ORANGE, GREEN, PURPLE = (
    "#0072B2",
    "#D55E00",
    "#56B4E9",
    "#E69F00",
    "#009E73",
    "#CC79A7",
)

_BLOCKS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)

VERDICT_COLORS = {
    Verdict.PROVED: GREEN,
    Verdict.NUMERICAL: ORANGE,
    Verdict.REFUTED_SOS: VERMILION,
    Verdict.NEGATIVE: PURPLE,
    Verdict.UNDECIDED: GRAY,
}

RULE_COLORS = {"even-sqrt": SKY, "newton": ORANGE, "full": GRAY}

STAGE_COLORS = {
    "basis": SKY,
    "blocks": GRAY,
    "solve": BLUE,
    "prove": GREEN,
    "refute": VERMILION,
    "write": ORANGE,
    "check": PURPLE,
}


def block_color(index: int) -> str:
    """Color of a block of the Gram matrix; they repeat after six."""
    return _BLOCKS[index % len(_BLOCKS)]
