"""Fourier interpolation, the most probable colors, and shapes of grids."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu.torus_conflicts import REMOVED
from tasks.coloring import Lattice
from tasks.coloring.construction.grids.upsampling import discretise, near_square_shape, upsample
from tasks.records import InputError

shapes = st.integers(2, 3).flatmap(
    lambda n: st.lists(st.integers(1, 5), min_size=n, max_size=n).map(tuple)
)


def points(shape):
    return np.stack(
        np.meshgrid(*(np.arange(m) / m for m in shape), indexing="ij"), axis=-1
    )  # fmt: skip


def waves(shape, at):
    """All cosines and sines that a grid of this shape tells apart, at some points; (w, ...)."""
    frequencies = product(*(range(-((s - 1) // 2), (s - 1) // 2 + 1) for s in shape))
    phases = [2 * np.pi * at @ np.array(f) for f in frequencies]
    return np.array([wave(phase) for phase in phases for wave in (np.cos, np.sin)])


@settings(max_examples=30)
@given(shapes, st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_trigonometric_polynomials_are_upsampled_exactly(shape, more):
    finer = tuple(s + m for s, m in zip(shape, more, strict=False))
    upsampled = upsample(waves(shape, points(shape)), finer)
    np.testing.assert_allclose(upsampled, waves(shape, points(finer)), atol=1e-12)


@given(shapes, st.integers(1, 3), st.integers(0, 100))
def test_values_and_means_are_kept(shape, factor, seed):
    values = np.random.default_rng(seed).normal(size=(2, *shape))
    finer = tuple(factor * s for s in shape)
    upsampled = upsample(values, finer)
    old = (slice(None), *(slice(None, None, factor) for _ in shape))
    np.testing.assert_allclose(upsampled[old], values, atol=1e-12)
    axes = tuple(range(1, len(finer) + 1))
    np.testing.assert_allclose(upsampled.mean(axis=axes), values.mean(axis=axes), atol=1e-12)


def test_the_highest_frequency_of_an_even_size_becomes_a_cosine():
    finer = upsample(np.array([[[1.0], [-1.0], [1.0], [-1.0]]]), (7, 1))
    np.testing.assert_allclose(finer[0, :, 0], np.cos(4 * np.pi * np.arange(7) / 7), atol=1e-14)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (4,), (4, 4, 4)])
def test_a_smaller_grid_or_another_dimension_is_refused(shape):
    with pytest.raises(InputError, match="every size must be at least as large"):
        upsample(np.zeros((2, 4, 4)), shape)


def test_the_lowest_of_equally_probable_colors_is_taken_and_removal_last():
    values = np.array([[[0.2, 0.5, 0.1]], [[0.2, 0.5, 0.1]], [[0.3, 0.5, 0.1]]])
    np.testing.assert_array_equal(discretise(values, 3), [[2, 0, 0]])
    np.testing.assert_array_equal(discretise(values, 2), [[REMOVED, 0, 0]])


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.zeros((4, 2, 2)), "not 4"), (np.full((3, 2, 2), np.nan), "must be finite")],
)
def test_wrong_probabilities_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        discretise(values, 2)


@given(
    st.lists(st.floats(0.5, 4), min_size=2, max_size=3), st.integers(500, 5000),
    st.sampled_from([1, 2, 4]),
)  # fmt: skip
def test_cells_are_nearly_square_and_about_as_many_as_asked_for(lengths, cells, multiple):
    lattice = Lattice.parse(np.diag(lengths))
    shape = near_square_shape(lattice, cells, multiple)
    assert all(m % multiple == 0 for m in shape)
    edges = np.array(lengths) / shape
    slack = max((m + multiple / 2) / max(m - multiple / 2, 0.5) for m in shape)
    assert edges.max() / edges.min() < slack**2
    assert 1 / slack ** len(shape) < np.prod(shape) / cells < slack ** len(shape)


def test_thin_lattices_have_no_more_cells_than_asked_for():
    assert near_square_shape(Lattice.parse([["1000000000", "0"], ["0", "1"]]), 4096) == (4096, 1)


@pytest.mark.parametrize("wrong", [{"num_cells": 0}, {"num_cells": 9, "multiple": 0}])
def test_a_grid_without_cells_is_refused(wrong):
    with pytest.raises(InputError, match="must be at least 1, not 0"):
        near_square_shape(Lattice.parse([[1, 0], [0, 1]]), **wrong)
