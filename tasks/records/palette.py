"""Colors of the pictures: those of Okabe and Ito, distinct for color-blind readers.

References
----------
M. Okabe, K. Ito, Color universal design: how to make figures and presentations that are friendly
to colorblind people (2008).
"""

INK, TEXT, GRAY, PALE = "#22262B", "#555B63", "#8A9099", "#E4E7EA"
"""Grays of headings and marks, of text, of lines, of grids and empty cells."""

BLUE, VERMILION, SKY, ORANGE, GREEN, PURPLE = (
    "#0072B2",
    "#D55E00",
    "#56B4E9",
    "#E69F00",
    "#009E73",
    "#CC79A7",
)
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
"""Of lines side by side."""
