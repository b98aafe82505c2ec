"""What the colors of `tasks.records.palette` mean in pictures of curves.

Blue and sky blue are even ovals, vermilion and orange odd ones, bluish green is the pseudo-line J.
In charts, vermilion marks M-curves.
"""

from __future__ import annotations

from tasks.records.palette import BLUE, GREEN, ORANGE, SKY, VERMILION

OVAL_COLORS = (BLUE, VERMILION, SKY, ORANGE)
"""Colors of the ovals of depth 1, 2, 3, 4; deeper ones repeat them, which keeps the parity."""

PSEUDO_LINE_COLOR = GREEN
MAXIMAL_COLOR = OVAL_COLORS[1]


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
