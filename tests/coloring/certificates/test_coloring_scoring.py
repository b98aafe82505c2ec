"""The exact score of grids."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from small_colorings import blocks, cubes, four_squares, nine_squares

from tasks.coloring import REMOVED, Lattice, conflict_offsets, parse_distances, score
from tasks.records import InputError

LATTICE = [["1.9", "0.3"], ["-0.4", "2.1"]]


def by_hand(grid, lattice, forbidden):
    """Sets of conflicting pairs {i, j}, cells in them, and ordered pairs at conflict offsets."""
    pairs, ordered, union = [], 0, set()
    for color, intervals in enumerate(forbidden.intervals):
        offsets = np.concatenate([conflict_offsets(lattice, grid.shape, i) for i in intervals])
        places = {tuple(d) for d in np.mod(offsets, grid.shape).tolist()}
        union |= places
        found = set()
        for i in np.ndindex(grid.shape):
            for d in places:
                j = tuple((a + b) % m for a, b, m in zip(i, d, grid.shape, strict=True))
                if grid[i] == grid[j] == color:
                    found.add(frozenset((i, j)))
                    ordered += 1
        pairs.append(found)
    cells = {cell for found in pairs for pair in found for cell in pair}
    return pairs, len(cells) / grid.size, ordered / (grid.size * len(union))


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.integers(5, 8), st.integers(5, 8)),
    st.sampled_from(["1", "0.6-0.8", {"0": "0.9", "2": "1.1,2"}]),
    st.integers(0, 2**32 - 1),
)
def test_the_score_counts_pairs_and_cells_as_by_hand(shape, distances, seed):
    grid = default_rng(seed).choice([0, 1, 2, REMOVED], shape)
    forbidden, lattice = parse_distances(distances, 3), Lattice.parse(LATTICE)
    pairs, point_rate, pair_rate = by_hand(grid, lattice, forbidden)
    result = score(grid, LATTICE, distances, num_colors=3)
    assert result.per_color == tuple(map(len, pairs))
    assert result.conflicts == sum(result.per_color)
    assert result.point_rate == point_rate and result.pair_rate == pair_rate
    assert result.removed == Fraction(int((grid == REMOVED).sum()), grid.size)
    assert result.is_proper == (result.conflicts == 0)


def test_a_cell_that_conflicts_with_its_translate_counts_once():
    """On the unit torus every cell is 1 away from its own translate."""
    grid = np.full((4, 4), REMOVED)
    grid[0, 0] = grid[2, 1] = 0
    result = score(grid, [["1", "0"], ["0", "1"]], num_colors=1)
    pairs, point_rate, pair_rate = by_hand(
        grid, Lattice.parse([["1", "0"], ["0", "1"]]), parse_distances(1, 1)
    )
    assert frozenset({(0, 0)}) in pairs[0] and result.per_color == (len(pairs[0]),)
    assert (result.point_rate, result.pair_rate) == (point_rate, pair_rate)


@pytest.mark.parametrize("coloring", [nine_squares(), cubes(), four_squares(), blocks()])
def test_proper_colorings_score_no_conflict(coloring):
    result = score(coloring.grid, coloring.lattice, coloring.forbidden, norm=coloring.norm)
    assert result.is_proper and result.conflicts == 0
    assert result.point_rate == result.pair_rate == 0
    assert result.removed == coloring.removed


def test_the_second_score_uses_what_the_first_has_made(monkeypatch):
    from tasks.coloring.certificates import scoring

    grid = default_rng(0).integers(0, 3, (9, 9))
    first = score(grid, LATTICE, "0.7")
    monkeypatch.setattr(scoring, "conflict_offsets", None)
    assert score(grid, LATTICE, 0.7) == first


def test_the_number_of_colors_is_that_of_the_grid_unless_it_is_given():
    grid = [[0, 1, 255], [1, 0, 255], [255, 255, 255]]
    assert len(score(grid, LATTICE).per_color) == 2
    assert len(score(grid, LATTICE, num_colors=5).per_color) == 5
    assert len(score(grid, LATTICE, ["1", "1", "1.2"]).per_color) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[0, 1, 2]] * 3, LATTICE, ["1", "1"]), "holds 2: allowed are the colors 0 to 1"),
        (([[0, 1, 2]] * 3, LATTICE, {"3": "1"}), "color '3', which does not exist"),
        (([[0, 1, 2]] * 3, LATTICE, 0), "must be positive"),
        (([[0, 1], [1, 0]], LATTICE, 1), "holds the forbidden distance 1 itself"),
        (([[0, 1, 2]] * 3, [["1", "2"], ["2", "4"]], 1), "parallel"),
        (([[0, 1, 2]] * 3, [["1", "0", "0"], ["0", "1", "0"], ["0", "0", "1"]], 1), "dimension 3"),
    ],
)
def test_wrong_use_is_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        score(*arguments)
