"""Semismooth Newton steps on the distance to a level of the cone, against dense linear algebra."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu import cone_newton
from gpu._cone_kernels import ACCURACY, RIDGE
from gpu.cone_newton import LEAST, MovingEntries, find_definite


def random_space(seed, sizes, num_groups, *, shift=0.0):
    """Blocks closest to 0, entries in groups of two or more, and a definite matrix of the space.

    The definite matrix has eigenvalues of at least `shift`.
    """
    rng = np.random.default_rng(seed)
    first = np.concatenate([[0], np.cumsum(sizes)])
    places = [
        (first[b] + i, first[b] + j)
        for b, size in enumerate(sizes)
        for i in range(size)
        for j in range(i, size)
    ]
    order = rng.permutation(len(places))
    groups, taken = [], 0
    for _ in range(num_groups):
        size = int(rng.integers(2, 4))
        if taken + size > len(order):
            break
        groups.append(order[taken : taken + size])
        taken += size
    chosen = np.concatenate([np.zeros(0, int), *groups])
    row, column = (np.array([places[k][side] for k in chosen], int) for side in (0, 1))
    weight = np.where(row == column, 1.0, 2.0) * rng.uniform(0.5, 2.0, len(chosen))
    start = np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(np.int64)
    moving = MovingEntries(row, column, weight, start)
    blocks = []
    for size in sizes:
        factor = rng.normal(size=(size, size + 2))
        blocks.append(factor @ factor.T / size + shift * np.eye(size))
    flat = dense(blocks)
    directions = basis_of(moving, len(flat))
    closest = flat - sum((np.vdot(d, flat) * d for d in directions), np.zeros_like(flat))
    return split(closest, sizes), moving, flat


def dense(blocks):
    size = sum(map(len, blocks))
    whole, at = np.zeros((size, size)), 0
    for block in blocks:
        whole[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    return whole


def split(whole, sizes):
    ends = np.cumsum(sizes)
    return tuple(whole[e - s : e, e - s : e].copy() for e, s in zip(ends, sizes, strict=True))


def basis_of(moving, size):
    """An orthonormal basis of the directions, as symmetric matrices."""
    found = []
    for c in range(len(moving.start) - 1):
        entries = range(moving.start[c], moving.start[c + 1])
        units = []
        for e in entries:
            unit = np.zeros((size, size))
            i, j = moving.row[e], moving.column[e]
            unit[i, j] = unit[j, i] = 1.0 if i == j else np.sqrt(0.5)
            units.append(unit)
        normal = np.array(
            [
                moving.weight[e] / (1.0 if moving.row[e] == moving.column[e] else np.sqrt(2.0))
                for e in entries
            ]
        )
        kernel = np.linalg.svd(normal[None])[2][1:]
        found += [sum(a * u for a, u in zip(row, units, strict=True)) for row in kernel]
    return found


def equations(moving, whole):
    terms = moving.weight * whole[moving.row, moving.column]
    return np.add.reduceat(terms, moving.start[:-1])


def distance(whole, level):
    """phi."""
    return 0.5 * float((np.maximum(level - np.linalg.eigvalsh(whole), 0.0) ** 2).sum())


SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=3)


@given(seed=st.integers(0, 10**6), sizes=SIZES, groups=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_what_is_found_lies_in_the_space_and_is_definite(seed, sizes, groups):
    blocks, moving, _ = random_space(seed, sizes, groups, shift=0.05)
    if not len(moving.row):
        return
    found = find_definite(blocks, moving)
    if found.blocks is None:
        return
    whole, given_ = dense(found.blocks), dense(blocks)
    assert np.allclose(equations(moving, whole), equations(moving, given_), atol=1e-10)
    fixed = np.ones(whole.shape, bool)
    fixed[moving.row, moving.column] = fixed[moving.column, moving.row] = False
    assert np.array_equal(whole[fixed], given_[fixed])
    lowest = np.linalg.eigvalsh(whole)[0]
    assert LEAST * 0.999 <= found.lowest <= lowest * 1.001
    assert found.lowest == max(cone_newton.BOUNDS) or lowest < 10.1 * found.lowest


def test_spaces_that_meet_the_interior_are_solved_within_a_few_steps():
    steps = []
    for seed in range(40):
        blocks, moving, _ = random_space(seed, [6, 9], 20, shift=0.1)
        found = find_definite(blocks, moving)
        assert found.blocks is not None
        steps.append(found.num_steps)
    assert np.mean(steps) <= 3


@pytest.mark.parametrize("level", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_step_solves_the_newton_equations(seed, level):
    """With conjugate gradients to the end, and the gradient and Hessian by finite differences."""
    blocks, moving, _ = random_space(seed, [4, 6], 8)
    space = cone_newton._Space(blocks, moving)
    forms = cone_newton._Forms(space)
    parts = forms.parts(level)
    assert level < 4.0 or (parts.signs < 0).all()
    step, promise = cone_newton._newton_step(space, forms, parts, level, 0.1, 200)
    change = step.change
    basis = basis_of(moving, 10)
    whole = dense(blocks)
    width = 1e-4

    def at(*parts):
        moved = whole + sum((a * basis[k] for k, a in parts), np.zeros_like(whole))
        return distance(moved, level)

    gradient = np.array(
        [(at((k, width)) - at((k, -width))) / (2 * width) for k in range(len(basis))]
    )
    hessian = np.array(
        [
            [
                (
                    at((k, width), (l, width))
                    - at((k, width), (l, -width))
                    - at((k, -width), (l, width))
                    + at((k, -width), (l, -width))
                )
                / (4 * width**2)
                for l in range(len(basis))
            ]
            for k in range(len(basis))
        ]
    )
    units = np.where(moving.row == moving.column, 1.0, np.sqrt(2.0))
    moved = whole.copy()
    moved[moving.row, moving.column] += change / units
    moved[moving.column, moving.row] = moved[moving.row, moving.column]
    y = np.array([np.vdot(direction, moved - whole) for direction in basis])
    error = hessian @ y + RIDGE * y + gradient
    assert np.abs(error).max() <= 2 * ACCURACY * np.abs(gradient).max()
    assert promise * 2 * distance(whole, level) == pytest.approx(-gradient @ y, rel=1e-2)
    assert step.distance == pytest.approx(distance(whole, 0.1), rel=1e-3)


def test_a_space_without_a_definite_matrix_ends_early_with_nothing():
    """[[a, 2], [2, b]] with a + b = 2 has the eigenvalue -1 or less."""
    moving = MovingEntries(np.array([0, 1]), np.array([0, 1]), np.ones(2), np.array([0, 2]))
    found = find_definite((np.array([[1.0, 2.0], [2.0, 1.0]]),), moving)
    assert found.blocks is None
    assert found.num_steps <= 3
    assert np.isnan(found.lowest)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
def test_no_numbers_and_no_positive_trace_end_at_once(value):
    moving = MovingEntries(np.array([0, 1]), np.array([0, 1]), np.ones(2), np.array([0, 2]))
    found = find_definite((np.array([[value, 0.0], [0.0, value]]),), moving)
    assert (found.blocks, found.num_steps) == (None, 0)


def test_a_shift_that_meets_another_eigenvalue_does_no_harm():
    """SHIFT (t - w) is the distance to the next eigenvalue, to the last bit."""
    level, moving = (
        0.9765625,
        MovingEntries(*np.array([[0, 0], [1, 0]]), np.ones(2), np.arange(0, 3, 2)),
    )
    steps = []
    for distance_ in (2.0**-10, 2.0**-10 * (1 + 2.0**-12)):
        space = cone_newton._Space((np.diag([0.0, -distance_, 2.0, 2.0, 2.0]),), moving)
        forms = cone_newton._Forms(space)
        step, promise = cone_newton._newton_step(space, forms, forms.parts(level), level, level, 50)
        steps.append([*step.change, promise])
    assert steps[0] == pytest.approx(steps[1], rel=1e-3)


def test_a_step_gets_the_pairs_below_its_level(monkeypatch):
    """Also where a level promises too little, and a lower one is tried with the same forms."""
    newton_step, tried = cone_newton._newton_step, []

    def watched(space, forms, parts, level, least, num_products):
        assert (parts.below < level + 1e-6).all()
        tried.append((forms, len(parts.below)))
        return newton_step(space, forms, parts, level, least, num_products)

    monkeypatch.setattr(cone_newton, "_newton_step", watched)
    monkeypatch.setattr(cone_newton, "STUCK", 2.0)
    for seed in range(20):
        find_definite(*random_space(seed, [14], 45)[:2])
    assert any(a is b and more > less for (a, more), (b, less) in pairwise(tried))


def test_an_empty_block_changes_nothing():
    block = np.array([[1.0, 1.2, 0.0], [1.2, 1.0, 0.0], [0.0, 0.0, 3.0]])
    moving = MovingEntries(np.arange(3), np.arange(3), np.ones(3), np.array([0, 3]))
    alone = find_definite((block,), moving)
    found = find_definite((np.zeros((0, 0)), block, np.zeros((0, 0))), moving)
    assert alone.blocks is not None
    assert found.blocks is not None
    assert np.array_equal(found.blocks[1], alone.blocks[0])
    assert found.lowest == alone.lowest


@pytest.mark.parametrize("scale", [1e-300, 1e-162, 1e-100, 1e100, 1e300])
def test_weights_of_any_magnitude_keep_the_equations(scale):
    block = np.array([[1.0, 1.2, 0.0], [1.2, 1.0, 0.0], [0.0, 0.0, 3.0]])
    weight = np.array([1.0, 2.0, 3.0])
    moving = MovingEntries(np.arange(3), np.arange(3), scale * weight, np.array([0, 3]))
    found = find_definite((block,), moving)
    assert found.blocks is not None
    assert weight @ found.blocks[0].diagonal() == pytest.approx(weight @ block.diagonal())


@pytest.mark.parametrize("value", [1e39, 1e300])
def test_numbers_beyond_single_precision_end_with_nothing(value):
    moving = MovingEntries(np.array([0, 1]), np.array([0, 1]), np.ones(2), np.array([0, 2]))
    block = np.array([[value, 2 * value], [2 * value, value]])
    found = find_definite((block,), moving)
    assert (found.blocks, found.num_steps) == (None, 0)


@pytest.mark.parametrize("weight", [np.nan, np.inf, 0.0])
def test_undefined_equations_end_with_nothing(weight):
    moving = MovingEntries(np.arange(2), np.arange(2), np.full(2, weight), np.array([0, 2]))
    assert find_definite((np.eye(2),), moving).blocks is None


def test_levels_that_follow_the_lowest_eigenvalue_save_steps(monkeypatch):
    """With one level only, X approaches the cone by a constant factor per step."""

    def steps():
        found = [find_definite(*random_space(k, [14], 45, shift=0.05)[:2]) for k in range(30)]
        return sum(point.num_steps for point in found)

    usual = steps()
    monkeypatch.setattr(cone_newton, "SHARE", 0.0)
    assert usual < steps()


def test_the_limit_on_steps_is_kept():
    blocks, moving, _ = random_space(3, [8], 10)
    assert find_definite(blocks, moving, max_steps=0).num_steps == 0
