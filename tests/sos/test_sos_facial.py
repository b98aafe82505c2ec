"""Faces: rational complements of kernels, and exact equations on them."""

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat, fmpz_mat
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SEEDS

from gpu.lmi import Lmi
from tasks.sos import parse_polynomial
from tasks.sos.gram.facial import (
    centered_on_face,
    complement,
    face_of,
    free_values,
    identity_face,
    kernels,
    rational_complements,
    restricted,
    scaled_eigenvalues,
    trace_bound,
    with_trace_bound,
)
from tasks.sos.gram.positivity import as_floats
from tasks.sos.gram.problem import GramProblem

HARD = parse_polynomial("(x^2 - y)^2 + (x*y - 1)^2 + (x - y)^2")
"""Zero at (1, 1) only."""
BASIS = np.array([[2, 0], [1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.int32)


def integers(matrix):
    return np.array([[int(v) for v in row] for row in matrix.tolist()]).reshape(
        matrix.nrows(), matrix.ncols()
    )


@st.composite
def kernel_vectors(draw):
    """Independent integer columns (m, k) with small entries."""
    size = draw(st.integers(2, 7))
    rank = draw(st.integers(1, min(3, size - 1)))
    rng = np.random.default_rng(draw(SEEDS))
    columns = rng.integers(-3, 4, (size, rank))
    columns[:rank] = np.eye(rank, dtype=int)
    return columns


@given(kernel_vectors(), SEEDS)
@settings(max_examples=60)
def test_some_guess_is_the_exact_complement(columns, seed):
    """Whatever basis of the kernel is given in floats."""
    size, rank = columns.shape
    mixed = columns @ np.random.default_rng(seed).standard_normal((rank, rank))
    guesses = [integers(guess) for guess in rational_complements(mixed)]
    assert all(guess.shape == (size, size - rank) for guess in guesses)
    assert all(guess.rank() == size - rank for guess in rational_complements(mixed))
    assert any(not (columns.T @ guess).any() for guess in guesses)


def test_an_empty_kernel_has_the_whole_space_as_complement():
    [guess] = rational_complements(np.zeros((4, 0)))
    assert guess == identity_face(4)


def test_irrational_kernels_have_no_simple_complement():
    ratios = np.array([[np.sqrt(2)], [1.0]])
    for guess in rational_complements(ratios):
        assert np.abs(ratios.T @ integers(guess)).max() > 0


@given(kernel_vectors())
@settings(max_examples=40)
def test_complements_are_orthogonal_to_their_vectors(columns):
    rank = columns.shape[1]
    rng = np.random.default_rng(rank)
    ratios = tuple(
        tuple(Fraction(int(v), 7) for v in row)
        for row in rng.integers(-9, 10, (rank, len(columns) - rank))
    )
    pivots, others = list(range(rank)), list(range(rank, len(columns)))
    basis = complement(ratios, pivots, others)
    vectors = np.hstack([np.eye(rank), np.array(ratios, dtype=float).reshape(rank, -1)])
    assert np.abs(vectors @ integers(basis)).max(initial=0) < 1e-9
    assert basis.rank() == len(others)


def test_kernels_are_found_at_the_scale_of_the_diagonal():
    """Rows of sizes 1e6 and 1e-6: the small rows are no kernel."""
    scale = np.array([1e6, 1e-6, 1.0])
    gram = np.diag([1.0, 1.0, 0.0]) * np.outer(scale, scale)
    [found] = kernels([gram], [scale**2], 1e-6)
    assert found.shape == (3, 1)
    assert np.abs(gram @ found).max() < 1e-12
    assert np.allclose(scaled_eigenvalues(gram, scale**2), [0, 1, 1])


def test_a_face_holds_exactly_the_solutions_with_its_kernel():
    """z(1, 1) is in the kernel of every Gram matrix: V'(1, ..., 1) = 0."""
    problem = GramProblem.of(HARD, [BASIS])
    [basis] = rational_complements(np.ones((5, 1)))
    face = face_of(problem, [basis])
    assert face is not None
    assert face.sizes == (4,)
    assert len(face.free) == face.num_free
    for seed in range(3):
        y = [fmpq(int(v), 3) for v in np.random.default_rng(seed).integers(-9, 10, face.num_free)]
        blocks = face.at(y)
        [gram] = face.embedded(blocks)
        assert gram * fmpq_mat(5, 1, [1] * 5) == fmpq_mat(5, 1)
        sums = problem.class_sums([as_floats(gram)])
        assert np.allclose(sums, problem.target)
        floats = [as_floats(block) for block in blocks]
        assert np.allclose(free_values(face, floats), [float(Fraction(str(v))) for v in y])
        assert np.allclose(restricted(face, [as_floats(gram)])[0], floats[0])


def test_the_equations_of_a_face_hold_exactly():
    problem = GramProblem.of(HARD, [BASIS])
    [basis] = rational_complements(np.ones((5, 1)))
    face = face_of(problem, [basis])
    [gram] = face.embedded(face.at([fmpq(0)] * face.num_free))
    totals = [fmpq(0)] * problem.num_monomials
    for i, row in enumerate(problem.rows[0].tolist()):
        for j, monomial in enumerate(row):
            totals[monomial] += gram[i, j]
    assert tuple(totals) == problem.coefficients


def test_a_wrong_kernel_has_no_solutions():
    problem = GramProblem.of(HARD, [BASIS])
    [basis] = rational_complements(np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]))
    assert face_of(problem, [basis]) is None


def test_the_whole_space_is_a_face_with_all_free_dimensions():
    problem = GramProblem.of(HARD, [BASIS])
    face = face_of(problem, [identity_face(5)])
    assert face is not None
    assert face.num_free == problem.num_free


def test_a_face_with_too_many_unknowns_is_refused():
    problem = GramProblem.of(HARD, [BASIS])
    wide = fmpz_mat(5, 120, [int(k % 7 == 0) for k in range(600)])
    with pytest.raises(OverflowError, match="unknowns on the face"):
        face_of(problem, [wide])


@pytest.mark.parametrize("is_bounded", [True, False])
def test_the_center_of_a_face_is_positive_definite(is_bounded):
    problem = GramProblem.of(HARD, [BASIS])
    [basis] = rational_complements(np.ones((5, 1)))
    face = face_of(problem, [basis])
    start = [np.zeros((4, 4))]
    [block] = centered_on_face(face, start, is_bounded=is_bounded)
    assert np.linalg.eigvalsh(block)[0] > 1e-3
    lifted = integers(basis) @ block @ integers(basis).T
    assert np.allclose(problem.class_sums([lifted]), problem.target)


def test_a_trace_bound_adds_the_rest_of_the_trace():
    """F(y, t) = I + y diag(1, 2) - t I with the bound 10: the rest is 10 - 2 - 3 y."""
    lmi = Lmi(
        constants=(np.eye(2),),
        start=np.array([0, 2, 4]),
        block=np.zeros(4, dtype=np.int64),
        row=np.array([0, 1, 0, 1]),
        column=np.array([0, 1, 0, 1]),
        value=np.array([1.0, 2.0, -1.0, -1.0]),
    )
    bounded = with_trace_bound(lmi, 10.0)
    y = np.array([0.5, 0.25])
    first, rest = [a + b for a, b in zip(bounded.constants, bounded.combination(y), strict=True)]
    assert np.allclose(first, np.eye(2) + 0.5 * np.diag([1, 2]) - 0.25 * np.eye(2))
    assert np.allclose(rest, [[10 - 2 - 1.5]])
    assert trace_bound([np.eye(2), 3 * np.eye(4)]) >= 100 * 14
