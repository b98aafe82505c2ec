"""Small colorings that are proper, some of them tight."""

from fractions import Fraction

import numpy as np

from tasks.coloring import CellColoring, Lattice, PolygonalNorm
from tasks.coloring.certificates.numbers import Surd, as_number


def nine_squares(side="0.7"):
    """Squares of this side in 9 colors: proper where its diagonal is at most 1."""
    side = 3 * (Surd.of(0, Fraction(1, 2), 2) if side == "tight" else as_number(side))
    zero = Surd.of(0)
    lattice = Lattice(((side, zero), (zero, side)))
    return CellColoring.of(np.arange(9).reshape(3, 3), lattice, 9)


def cubes(third="1/3"):
    """Cubes of diagonal 1, where `third` is 1/3, in 27 colors: half-open cells decide."""
    side = 3 * Surd.of(0, Fraction(third), 3)
    zero = Surd.of(0)
    lattice = Lattice(((side, zero, zero), (zero, side, zero), (zero, zero, side)))
    return CellColoring.of(np.arange(27).reshape(3, 3, 3), lattice, 27)


def four_squares():
    """Unit squares in 4 colors: proper in the norm max(|x|, |y|), and tight."""
    lattice = [["2", "0"], ["0", "2"]]
    return CellColoring.of([[0, 1], [2, 3]], lattice, 4, norm=PolygonalNorm.maximum())


def blocks():
    """Oblique cells with per-color distances, an interval among them, and removed cells."""
    grid = np.full((6, 6), 255)
    grid[:2, :2], grid[3:5, 3:5], grid[0, 5] = 0, 1, 2
    lattice = [["1.5", "0.1"], ["-0.2", "1.4"]]
    return CellColoring.of(grid, lattice, 3, {"0": "0.8", "1": "0.78-0.8", "2": "sqrt(2/3)"})
