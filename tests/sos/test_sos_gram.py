"""Gram problems against expanded products and plain linear algebra."""

from collections import Counter
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
import pytest
from flint import fmpq, fmpq_mat, fmpz_mat
from hypothesis import given, settings
from hypothesis import strategies as st
from polynomial_strategies import polynomials

from tasks.lattice import sort_monomials
from tasks.sos import Polynomial, parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.bases.reductions import sign_symmetry_blocks
from tasks.sos.gram.problem import GramProblem

MOTZKIN = parse_polynomial("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")


def expansion(bases, grams):
    """Coefficients of sum z'Qz, by a dictionary; zeros are kept."""
    terms = Counter()
    for basis, gram in zip(bases, grams, strict=True):
        rows = basis.tolist()
        for i, first in enumerate(rows):
            for j, second in enumerate(rows):
                exponent = tuple(a + b for a, b in zip(first, second, strict=True))
                terms[exponent] += gram[i, j]
    return terms


@st.composite
def problems(draw):
    """Any polynomial with one to three blocks of distinct monomials."""
    p = draw(polynomials(max_exponent=4))
    row = st.tuples(*[st.integers(0, 2)] * 3)
    pool = draw(st.lists(row, unique=True, min_size=1, max_size=9))
    cut = draw(st.integers(1, len(pool)))
    parts = [pool[:cut], pool[cut:]] if cut < len(pool) else [pool]
    return GramProblem.of(p, [sort_monomials(np.array(part, dtype=np.int32)) for part in parts])


def random_grams(problem, seed):
    rng = np.random.default_rng(seed)
    return [(a + a.T) / 2 for a in (rng.standard_normal((m, m)) for m in problem.sizes)]


@given(problems(), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_class_sums_are_the_coefficients_of_the_expansion(problem, seed):
    grams = random_grams(problem, seed)
    expected = expansion(problem.bases, grams)
    rows = list(map(tuple, problem.monomials.tolist()))
    assert set(rows) == set(expected)
    assert np.allclose(problem.class_sums(grams), [expected[row] for row in rows])
    assert np.array_equal(problem.monomials, sort_monomials(problem.monomials))


@given(problems())
@settings(max_examples=60)
def test_the_free_dimensions_are_those_of_the_linear_equations(problem):
    places = [
        (b, i, j)
        for b, size in enumerate(problem.sizes)
        for i, j in combinations_with_replacement(range(size), 2)
    ]
    matrix = np.zeros((problem.num_monomials, len(places)))
    for column, (b, i, j) in enumerate(places):
        matrix[problem.rows[b][i, j], column] += 1 if i == j else 2
    assert problem.num_free == len(places) - np.linalg.matrix_rank(matrix)


@given(problems())
@settings(max_examples=60)
def test_uncovered_terms_are_those_of_no_product(problem):
    products = set(expansion(problem.bases, [np.ones((m, m)) for m in problem.sizes]))
    assert set(problem.uncovered) == set(problem.polynomial.terms()) - products
    assert problem.class_sizes.sum() == sum(m * m for m in problem.sizes)


@given(problems(), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_projections_are_the_closest_solutions(problem, seed):
    grams = random_grams(problem, seed)
    projected = problem.projected(grams)
    assert np.allclose(problem.class_sums(projected), problem.target)
    # The correction is orthogonal to all differences of solutions.
    change = [a - b for a, b in zip(grams, projected, strict=True)]
    zero = GramProblem.of(Polynomial.zero(problem.polynomial.variables), problem.bases)
    direction = zero.projected(random_grams(problem, seed + 1))
    products = [np.vdot(a, b) for a, b in zip(change, direction, strict=True)]
    assert abs(sum(products)) < 1e-8 * (1 + sum(np.abs(a).max() ** 2 for a in change))


@given(problems(), st.integers(0, 2**32 - 1), st.sampled_from([0, 6, 30, 52]))
@settings(max_examples=60)
def test_exact_projections_solve_the_equations_exactly(problem, seed, bits):
    grams = random_grams(problem, seed)
    exact = problem.exact_projection(grams, bits)
    terms = problem.polynomial.terms()
    expected = expansion(problem.bases, exact)
    assert all(value == terms.get(row, 0) for row, value in expected.items())
    assert all(matrix == matrix.transpose() for matrix in exact)


def test_exact_projections_stay_close_to_solutions():
    basis = full_basis(2, 3)
    problem = GramProblem.of(MOTZKIN, [basis])
    solution = problem.projected(random_grams(problem, 1))
    [exact] = problem.exact_projection(solution, 40)
    floats = np.array(
        [[float(Fraction(int(v.p), int(v.q))) for v in row] for row in exact.tolist()]
    )
    assert np.abs(floats - solution[0]).max() < 2.0**-39


def test_exact_projections_keep_exact_solutions():
    """Q of (x + 2y - 1)^2 + y^4 / 3, whose dyadic part is kept at few bits."""
    p = parse_polynomial("(x + 2*y - 1)^2 + y^4")
    basis = np.array([[0, 2], [1, 0], [0, 1], [0, 0]], dtype=np.int32)
    vector = np.array([0, 1, 2, -1])
    gram = np.outer(vector, vector) + np.diag([1, 0, 0, 0])
    problem = GramProblem.of(p, [basis])
    exact = problem.exact_projection([gram.astype(float)], 0)
    assert exact == [fmpq_mat(4, 4, gram.ravel().tolist())]


@given(problems(), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_face_columns_are_the_expansions_of_unit_matrices(problem, seed):
    rng = np.random.default_rng(seed)
    bases = [rng.integers(-3, 4, (m, int(rng.integers(0, m + 1)))) for m in problem.sizes]
    exact = [fmpz_mat(*basis.shape, basis.ravel().tolist()) for basis in bases]
    columns = list(problem.face_columns(exact))
    place = {tuple(row): k for k, row in enumerate(problem.monomials.tolist())}
    expected = []
    for b, basis in enumerate(bases):
        for u, v in combinations_with_replacement(range(basis.shape[1]), 2):
            unit = np.zeros((basis.shape[1],) * 2, dtype=int)
            unit[u, v] = unit[v, u] = 1
            sums = expansion([problem.bases[b]], [basis @ unit @ basis.T])
            expected.append({place[row]: value for row, value in sums.items() if value})
    assert [{k: v for k, v in column.items() if v} for column in columns] == expected


def test_moment_matrices_of_a_point_have_rank_one():
    problem = GramProblem.of(MOTZKIN, [full_basis(2, 3)])
    point = np.array([0.5, -2.0])
    moments = (point**problem.monomials).prod(axis=1)
    [matrix] = problem.moment_matrices(moments)
    vector = (point ** problem.bases[0]).prod(axis=1)
    assert np.allclose(matrix, np.outer(vector, vector))


def test_blocks_share_the_classes_of_common_monomials():
    """1, x^2 | x: the monomial x^2 is in both blocks."""
    p = parse_polynomial("x^4 + 5*x^2 + 1")
    bases = [np.array([[2], [0]], dtype=np.int32), np.array([[1]], dtype=np.int32)]
    problem = GramProblem.of(p, bases)
    assert problem.num_monomials == 3
    assert problem.num_free == 1
    assert problem.rows[0][0, 1] == problem.rows[1][0, 0]
    assert problem.class_sizes[problem.rows[1][0, 0]] == 3


@pytest.mark.parametrize(("n", "d"), [(1, 4), (2, 3), (3, 2)])
def test_a_full_basis_has_the_known_number_of_free_dimensions(n, d):
    p = Polynomial.constant(tuple(f"x{i}" for i in range(n)), 1)
    basis = full_basis(n, d)
    problem = GramProblem.of(p, [basis])
    assert problem.num_monomials == len(full_basis(n, 2 * d))
    assert problem.uncovered == []


def test_sign_symmetry_blocks_make_motzkin_unique():
    basis = np.array([[2, 1], [1, 2], [1, 1], [0, 0]], dtype=np.int32)
    blocks = sign_symmetry_blocks(basis, MOTZKIN.exponents)
    problem = GramProblem.of(MOTZKIN, [basis[block] for block in blocks])
    assert problem.sizes == (1, 1, 1, 1)
    assert problem.num_free == 0


def test_target_rounds_long_fractions_correctly():
    third = Fraction(10**400 + 7, 3 * 10**400)
    p = Polynomial.of(("x",), {(2,): third})
    problem = GramProblem.of(p, [np.array([[1]], dtype=np.int32)])
    assert problem.target.tolist() == [float(third)]
    assert problem.coefficients == (fmpq(third.numerator, third.denominator),)


@given(problems())
@settings(max_examples=60)
def test_all_entries_but_the_pivot_of_a_class_are_free(problem):
    entries = problem.entries
    assert len(entries.free) == problem.num_free
    assert sorted([*entries.free, *entries.pivot_of_class]) == list(range(len(entries.classes)))
    assert np.array_equal(entries.classes[entries.pivot_of_class], np.arange(problem.num_monomials))
    for places, chosen in (
        (entries.free_places, entries.free),
        (entries.pivot_places, entries.pivot_of_class),
    ):
        expected = [problem.rows[b][i, j] for b, i, j in places]
        assert entries.classes[chosen].tolist() == expected
        assert all(i <= j for _, i, j in places)


def test_exact_projections_of_long_fractions_leave_machine_words():
    third = Fraction(10**40 + 1, 3 * 10**40)
    p = Polynomial.of(("x",), {(2,): third, (1,): -third, (0,): 10**30})
    problem = GramProblem.of(p, [full_basis(1, 1)])
    [exact] = problem.exact_projection([np.array([[0.3, -0.1], [-0.1, 1e30]])], 20)
    value = fmpq(third.numerator, third.denominator)
    assert exact == fmpq_mat(2, 2, [value, -value / 2, -value / 2, fmpq(10**30)])
