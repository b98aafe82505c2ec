"""Colors of colorings: six of Okabe and Ito and their yellow, lightened; then darker and lighter.

Neighbors in the list differ for color-blind readers; of more than seven colors, the tiles of
pictures are numbered as well.
"""

from __future__ import annotations

from tasks.records.palette import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILION

YELLOW = "#F0E442"
REMOVED_COLOR = "#1B1D20"
"""Of what has no color."""

_BASE = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW)
_SHADES = (("#FFFFFF", 0.28), ("#000000", 0.38), ("#FFFFFF", 0.68))
NUM_PLAIN = len(_BASE)
"""So many colors are told apart without numbers."""


def mixed(color: str, other: str, share: float) -> str:
    """Mix colors, given as #RRGGBB, with a share of the other one."""
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)


def ink_of(fill: str) -> str:
    """Dark or white, whichever is legible on a fill."""
    red, green, blue = _channels(fill)
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else "#FFFFFF"


def _channels(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))


def fill_of(color: int) -> str:
    """The fill of color 0, 1, ... of a coloring; after 21 colors they come again.

    >>> fill_of(0), fill_of(21) == fill_of(0)
    ('#4799C8', True)
    """
    shade, place = divmod(color, NUM_PLAIN)
    return mixed(_BASE[place], *_SHADES[shade % len(_SHADES)])
