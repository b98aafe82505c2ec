"""Pairs of cells at offsets: by transforms, by bit sets, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from tasks.coloring.certificates import counts
from tasks.coloring.certificates.bits import TorusBits
from tasks.coloring.certificates.counts import (
    conflicting_cells,
    conflicting_cells_by_bits,
    pair_counts,
    pair_counts_by_bits,
    partner_counts,
    partner_counts_by_bits,
    spectrum_of_offsets,
    transform_error,
)
from tasks.coloring.certificates.offsets import residues

SHAPES = [(1, 1), (2, 3), (7, 5), (4, 64), (3, 65), (5, 130), (2, 3, 4), (3, 2, 67), (1, 1, 1)]


def colored(shape, num_colors=3, seed=0):
    rng = default_rng(seed)
    grid = rng.integers(0, num_colors, shape).astype(np.uint8)
    grid[rng.random(shape) < 0.2] = 255
    return grid


def by_hand(grid, color, offsets):
    """The definition: compare the grid with the grid moved by every offset."""
    moved = [np.roll(grid, -np.array(d), axis=range(grid.ndim)) for d in offsets]
    return [int(((grid == color) & (other == color)).sum()) for other in moved]


def some_offsets(shape, num=12, seed=1):
    return default_rng(seed).integers(-9, 200, (num, len(shape)))


@pytest.mark.parametrize("shape", SHAPES)
def test_transforms_and_bit_sets_count_the_pairs_of_every_offset(shape):
    grid, offsets = colored(shape), some_offsets(shape)
    for color in (0, 2, 9):
        expected = by_hand(grid, color, offsets)
        assert pair_counts(grid, color, offsets).tolist() == expected
        assert pair_counts_by_bits(grid, color, offsets).tolist() == expected


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 70), min_size=2, max_size=2),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_colors_are_counted_together(shape, num_colors, seed):
    grid, offsets = colored(tuple(shape), num_colors, seed), some_offsets(shape, 6, seed)
    expected = sum(np.array(by_hand(grid, color, offsets)) for color in range(num_colors))
    assert (pair_counts(grid, range(num_colors), offsets) == expected).all()
    assert (pair_counts_by_bits(grid, range(num_colors), offsets) == expected).all()


def test_no_offsets_have_no_pairs():
    none = np.zeros((0, 2), dtype=np.int64)
    assert len(pair_counts(colored((3, 4)), 0, none)) == 0
    assert len(pair_counts_by_bits(colored((3, 4)), 0, none)) == 0
    assert not conflicting_cells(colored((3, 4)), [none]).any()
    assert not conflicting_cells_by_bits(colored((3, 4)), [none]).any()


def symmetric(offsets):
    return np.concatenate([offsets, -offsets])


@pytest.mark.parametrize("shape", SHAPES)
def test_partners_are_counted_for_every_cell(shape):
    grid = colored(shape)
    places = residues(symmetric(some_offsets(shape)), shape)
    rows = np.column_stack(np.unravel_index(places, shape))
    members = grid == 1
    moved = [np.roll(members, -d, axis=range(len(shape))) for d in rows]
    expected = np.sum(moved, axis=0)
    spectrum = spectrum_of_offsets(shape, places)
    assert (partner_counts(members, places, spectrum) == expected).all()
    assert (partner_counts_by_bits(members, places) == expected).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_conflicting_cells_are_those_with_a_partner_at_an_offset_of_their_color(shape):
    grid = colored(shape)
    offsets = [symmetric(some_offsets(shape, 2, seed)) for seed in (1, 2)]
    offsets.append(offsets[0])
    expected = np.zeros(shape, dtype=bool)
    for color, mask in enumerate(offsets):
        for d in mask:
            moved = np.roll(grid, -d, axis=range(len(shape)))
            expected |= (grid == color) & (moved == color)
    assert (conflicting_cells(grid, offsets) == expected).all()
    assert (conflicting_cells_by_bits(grid, offsets) == expected).all()


def test_bits_are_unpacked_as_they_were_packed():
    cells = default_rng(3).random((3, 4, 77)) < 0.5
    bits = TorusBits(cells)
    assert (bits.unpacked(bits.words) == cells).all()


@pytest.mark.parametrize(
    "shape", [(64, 64), (389, 30), (101, 103), (1024, 9), (1009, 7), (30, 20, 11)]
)
def test_transforms_are_far_within_their_error_bound(shape):
    """Compared with long doubles, for random values; also where prime factors are large."""
    from scipy.fft import fftn

    values = default_rng(0).random(shape)
    exact = fftn(values.astype(np.longdouble))
    assert exact.dtype == np.clongdouble
    error = np.linalg.norm((fftn(values) - exact).astype(complex).ravel())
    bound = transform_error(shape) * np.linalg.norm(exact.astype(complex).ravel())
    assert error < bound / 3
    assert transform_error(shape) < 1e-10


def test_the_error_bound_leaves_room_for_the_largest_grids():
    """All pairs of 8192 x 8192 cells of one color, the most that are allowed, can be counted."""
    n, e = 2**26, transform_error((2**13, 2**13))
    assert 2 * e * n * np.sqrt(n) < 0.5


def test_where_the_bound_is_too_large_bits_count(monkeypatch):
    grid, offsets = colored((9, 70)), some_offsets((9, 70))
    monkeypatch.setattr(counts, "transform_error", lambda shape: 1.0)
    assert pair_counts(grid, 0, offsets).tolist() == by_hand(grid, 0, offsets)
    places = residues(symmetric(offsets), grid.shape)
    spectrum = spectrum_of_offsets(grid.shape, places)
    by_bits = partner_counts_by_bits(grid == 0, places)
    assert (partner_counts(grid == 0, places, spectrum) == by_bits).all()


def test_values_that_are_not_near_integers_are_an_error():
    """A library that transforms wrongly is found out."""
    with pytest.raises(AssertionError):
        counts._rounded(np.array([1.0, 2.25]), 0.1)
