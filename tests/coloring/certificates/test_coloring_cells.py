"""Colorings by cells, decided exactly, against brute force over pairs of cells."""

from fractions import Fraction
from itertools import product
from math import lcm

import numpy as np
import pytest
from exact_extents import squared_extent
from hypothesis import given, settings
from hypothesis import strategies as st
from small_colorings import blocks, cubes, four_squares, nine_squares

from tasks.coloring import (
    REMOVED,
    CellColoring,
    Lattice,
    PNorm,
    PolygonalNorm,
    check_cells,
    parse_distances,
    verify_cells,
)
from tasks.records import InputError


def conflicts_by_hand(coloring):
    """All (color, i, j, period, interval) that conflict, by squared extents of integer forms."""
    gram = [[e.fraction for e in row] for row in coloring.lattice.divided(coloring.shape).gram]
    scale = lcm(*(e.denominator for row in gram for e in row))
    integers = [[int(scale * e) for e in row] for row in gram]
    cells = [i for i in np.ndindex(coloring.shape) if coloring.grid[i] != REMOVED]
    extents, found = {}, set()
    for i, j in product(cells, cells):
        color = coloring.grid[i]
        if color != coloring.grid[j]:
            continue
        for period in product(range(-2, 3), repeat=len(coloring.shape)):
            shift = tuple(
                b - a + p * m for a, b, p, m in zip(i, j, period, coloring.shape, strict=True)
            )
            if shift not in extents:
                extents[shift] = squared_extent(integers, shift)
            least, greatest = extents[shift]
            for k, interval in enumerate(coloring.forbidden[color]):
                low, high = (
                    scale * bound.square.fraction for bound in (interval.low, interval.high)
                )
                if least < high and greatest > low:
                    found.add((int(color), i, j, shift, k))
    return found


@st.composite
def small_grids(draw):
    """Cells of a lattice whose two shortest periods exceed 0.6, so that two periods suffice."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    values = st.sampled_from([0, 1, 2, REMOVED])
    grid = draw(st.lists(values, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    tenths = st.integers(-3, 3)
    lattice = [
        [Fraction(draw(st.integers(8, 14)), 10), Fraction(draw(tenths), 10)],
        [Fraction(draw(tenths), 10), Fraction(draw(st.integers(8, 14)), 10)],
    ]
    distances = draw(
        st.sampled_from(["1", "0.6", {"0": "0.5-0.6", "1": "1"}, "sqrt(1/2)", "0.7,1"])
    )
    return CellColoring.of(np.reshape(grid, shape), lattice, 3, distances)


@settings(max_examples=25, deadline=None)
@given(small_grids())
def test_verdicts_are_those_of_brute_force_over_pairs_of_cells(coloring):
    expected = conflicts_by_hand(coloring)
    verdict = verify_cells(coloring)
    assert verdict.valid == (not expected)
    if expected:
        found = verdict.conflict
        k = coloring.forbidden[found.color].index(found.forbidden)
        assert (found.color, found.first, found.second, found.offset, k) in expected


@pytest.mark.parametrize(
    "coloring", [nine_squares(), nine_squares("tight"), cubes(), four_squares(), blocks()]
)
def test_proper_colorings_are_valid(coloring):
    verdict = verify_cells(coloring)
    assert verdict.valid and verdict.conflict is None
    assert f"removed {verdict.removed}" in verdict.summary


def test_the_removed_fraction_is_exact():
    assert verify_cells(blocks()).removed == Fraction(27, 36)
    assert verify_cells(nine_squares()).removed == 0


def test_a_side_beyond_the_tight_one_by_1e_9_is_a_conflict():
    """0.7071067812 exceeds sqrt(1/2) by 1.3e-11: floats alone could not tell."""
    assert verify_cells(nine_squares("0.7071067811")).valid
    verdict = verify_cells(nine_squares("0.7071067812"))
    assert not verdict.valid
    assert verdict.conflict.offset == (0, 0) and verdict.conflict.first == verdict.conflict.second
    assert not verify_cells(cubes("0.33333333334")).valid


def test_a_conflict_is_named():
    coloring = nine_squares()
    grid = coloring.grid.copy()
    grid[2, 1] = grid[0, 0]
    verdict = verify_cells(CellColoring.of(grid, coloring.lattice, 9))
    conflict = verdict.conflict
    assert not verdict.valid
    assert conflict.color == 0 and {conflict.first, conflict.second} == {(0, 0), (2, 1)}
    low, high = conflict.realised
    assert low < 1 < high
    assert str(conflict) == verdict.summary
    for words in ("color 0", "(0, 0)", "(2, 1)", str(conflict.offset), "1 is forbidden"):
        assert words in verdict.summary


def test_the_realised_interval_is_that_of_the_two_cells():
    verdict = verify_cells(CellColoring.of([[0, 1], [1, 0]], [["1", "0"], ["0", "1"]], 2, "0.9"))
    d = verdict.conflict.offset
    least, greatest = squared_extent(
        [[1, 0], [0, 1]], d
    )  # of unit squares: cells are half as large
    assert verdict.conflict.realised == pytest.approx(
        (float(least) ** 0.5 / 2, float(greatest) ** 0.5 / 2)
    )


def test_two_merged_colors_are_a_conflict():
    for coloring in (four_squares(), cubes()):
        grid = np.where(coloring.grid == 1, 0, coloring.grid)
        merged = CellColoring(
            grid, coloring.lattice, coloring.num_colors, coloring.forbidden, coloring.norm
        )
        assert not verify_cells(merged).valid


def test_a_cell_conflicts_with_its_own_translates():
    """One removed cell of four in one color: its translates are 1 away from it."""
    lattice = [["1", "0"], ["0", "1"]]
    verdict = verify_cells(CellColoring.of([[0, 255], [255, 255]], lattice, 1))
    assert not verdict.valid and verdict.conflict.first == verdict.conflict.second == (0, 0)
    assert verdict.conflict.offset != (0, 0)
    assert verify_cells(CellColoring.of([[255, 255], [255, 255]], lattice, 1)).valid


def test_a_flipped_cell_of_a_tight_coloring_is_found():
    coloring = four_squares()
    for cell in np.ndindex(2, 2):
        grid = coloring.grid.copy()
        grid[cell] = (grid[cell] + 1) % 4
        assert not verify_cells(
            CellColoring.of(grid, coloring.lattice, 4, norm=coloring.norm)
        ).valid


def test_the_norm_decides():
    """Squares that are tight in the maximum norm hold the distance 1 in every p-norm below."""
    coloring = four_squares()
    for norm in (PNorm.of(8), PNorm.of(1), PolygonalNorm.diamond()):
        assert not verify_cells(
            CellColoring.of(coloring.grid, coloring.lattice, 4, norm=norm)
        ).valid


@pytest.mark.parametrize(
    ("grid", "k", "words"),
    [
        ([[0, 1], [2, 3]], 3, r"cell \(1, 1\) holds 3: allowed are the colors 0 to 2"),
        ([[0, 254], [2, 3]], 4, "holds 254"),
        ([[0, -1], [2, 3]], 4, "not -1"),
        ([[0, 256], [2, 3]], 4, "not 256"),
        ([[0.0, 1.0], [2.0, 3.0]], 4, "integers"),
        ([0, 1, 2, 3], 4, "positive numbers of cells"),
        ([[[0, 1], [2, 3]]], 4, "positive numbers of cells"),
        (np.zeros((0, 3), dtype=np.uint8), 4, "positive numbers of cells"),
        ([[0, 1], [2, 3]], 0, "number of colors"),
        ([[0, 1], [2, 3]], 201, "number of colors"),
    ],
)
def test_grids_that_do_not_fit_are_refused(grid, k, words):
    with pytest.raises(InputError, match=words):
        CellColoring.of(grid, [["2", "0"], ["0", "2"]], k)


def test_numbers_of_two_fields_are_refused():
    lattice = Lattice.parse([["2", "0"], ["0", ["0", "1"]]], 2)
    distance = parse_distances("1", 4)
    ball = PolygonalNorm.of([(1, 0), (0, 1), (-1, 0), (0, -1)])
    assert CellColoring(four_squares().grid, lattice, 4, distance, ball).surd == 2
    from tasks.coloring.certificates.numbers import Surd

    root = Surd.of(0, 1, 3)
    other = PolygonalNorm(
        ((root, Surd.of(0)), (Surd.of(0), root), (-root, Surd.of(0)), (Surd.of(0), -root))
    )
    with pytest.raises(InputError, match="one surd"):
        CellColoring(four_squares().grid, lattice, 4, distance, other)


def test_a_cell_that_reaches_the_distance_is_refused_where_a_search_is_set_up():
    lattice = Lattice.parse([["2", "0"], ["0", "2"]])
    check_cells(lattice, (3, 3), parse_distances("1", 2))
    with pytest.raises(InputError, match="holds the forbidden distance 1 itself: choose more"):
        check_cells(lattice, (2, 2), parse_distances("1", 2))
    with pytest.raises(InputError, match=r"distance 0\.5-0\.9 itself"):
        check_cells(lattice, (3, 3), parse_distances({"1": "0.5-0.9"}, 2))
