"""Colors of the pictures: those of Okabe and Ito, distinct for color-blind readers.

Blue and sky blue are even ovals, vermilion and orange odd ones, bluish green is the pseudo-line J.
In charts, vermilion marks M-curves.

References
----------
M. Okabe, K. Ito, Color universal design: how to make figures and presentations that are friendly
to colorblind people (2008).
"""

from __future__ import annotations

OVAL_COLORS = ("#0072B2", "#D55E00", "#56B4E9", "#E69F00")
"""Colors of the ovals of depth 1, 2, 3, 4; deeper ones repeat them, which keeps the parity."""

PSEUDO_LINE_COLOR = "#009E73"
MAXIMAL_COLOR = OVAL_COLORS[1]

INK, TEXT, GRAY, PALE = "#22262B", "#555B63", "#8A9099", "#E4E7EA"
"""Grays of headings and marks, of text, of lines, of grids and empty cells."""


def oval_color(depth: int) -> str:
    """Return the color of an oval of depth 1, 2, ..., or of J, which has depth 0."""
    return OVAL_COLORS[(depth - 1) % len(OVAL_COLORS)] if depth else PSEUDO_LINE_COLOR


def tint(color: str, strength: float) -> str:
    """Mix a color with white: strength 1 is the color, 0 is white."""
    channels = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - value)):02X}" for value in channels)


def region_color(depth: int) -> str:
    """Return the tint of a region: that of the oval around it, white for the root."""
    return tint(oval_color(depth), 0.2) if depth else "#FFFFFF"
