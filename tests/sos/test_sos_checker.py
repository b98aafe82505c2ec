"""The checker's parts against oracles: semidefiniteness, the Newton polytope, texts of numbers."""

import itertools
import random
from fractions import Fraction

import pytest
from flint import fmpz_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sos.checker import _basis as bases
from tasks.sos.checker import _psd as psd
from tasks.sos.checker._terms import number_text, polynomial_text
from tasks.sos.checker._values import as_number

# --- positive semidefinite matrices -------------------------------------------------------------


def entries(A):
    return {(i, j): q for i, row in enumerate(A) for j, q in enumerate(row[: i + 1]) if q}


def product(F):
    return [[sum(a * b for a, b in zip(u, v, strict=True)) for v in F] for u in F]


def random_gram(size, *, rank, bits, seed):
    """F F' with entries of F below 2^bits."""
    draw = random.Random(seed)
    return product([[draw.randint(-(2**bits), 2**bits) for _ in range(rank)] for _ in range(size)])


def is_semidefinite_by_minors(A):
    """A is semidefinite iff all its principal minors are nonnegative."""
    return all(
        fmpz_mat([[A[i][j] for j in part] for i in part]).det() >= 0
        for size in range(1, len(A) + 1)
        for part in itertools.combinations(range(len(A)), size)
    )


@st.composite
def symmetric_matrices(draw, size=5, top=3):
    m = draw(st.integers(1, size))
    lower = {(i, j): draw(st.integers(-top, top)) for i in range(m) for j in range(i + 1)}
    if draw(st.booleans()):
        return product([[lower.get((i, j), 0) for j in range(m)] for i in range(m)])
    return [[lower[max(i, j), min(i, j)] for j in range(m)] for i in range(m)]


@settings(deadline=None, max_examples=200)
@given(symmetric_matrices())
def test_small_matrices_are_decided_as_by_principal_minors(A):
    assert psd.is_semidefinite(entries(A)) == is_semidefinite_by_minors(A)


@settings(deadline=None, max_examples=200)
@given(symmetric_matrices())
def test_guesses_agree_with_principal_minors_whenever_they_decide(A):
    parts = [psd.submatrix(entries(A), part) for part in psd.components(entries(A))]
    for part in parts:
        if all(row[i] > 0 for i, row in enumerate(part)):
            assert psd._decided(part, 64) in (None, is_semidefinite_by_minors(part))


@settings(deadline=None)
@given(symmetric_matrices())
def test_elimination_writes_the_matrix_as_a_sum_of_squares(A):
    terms = psd.elimination(A)
    if terms is None:
        assert not is_semidefinite_by_minors(A)
        return
    total = [[Fraction(0)] * len(A) for _ in A]
    for k, divisor, row in terms:
        assert divisor > 0
        for i, a in enumerate(row, k):
            for j, b in enumerate(row, k):
                total[i][j] += Fraction(a * b, divisor)
    assert total == A


@pytest.mark.parametrize("rank", [40, 39, 30, 3], ids=["full", "less one", "less ten", "three"])
def test_larger_matrices_of_any_rank_are_semidefinite(rank):
    A = random_gram(40, rank=rank, bits=20, seed=rank)
    assert psd.is_semidefinite(entries(A))
    A[7][7] -= 1
    assert psd.is_semidefinite(entries(A)) == (rank == 40)


@pytest.mark.parametrize(("rank", "precision"), [(40, 96), (4, 1024)])
def test_larger_matrices_need_no_elimination(monkeypatch, rank, precision):
    A = random_gram(40, rank=rank, bits=20, seed=1)
    monkeypatch.setattr(psd, "ATTEMPTS", ((precision, 24),))
    monkeypatch.setattr(psd, "elimination", lambda _: pytest.fail("elimination was started"))
    assert psd.is_semidefinite(entries(A))
    A[3][5] = A[5][3] = A[3][5] + max(map(max, A))
    assert not psd.is_semidefinite(entries(A))


def test_a_badly_scaled_matrix_is_decided_by_a_guess():
    A = random_gram(30, rank=30, bits=20, seed=2)
    scaled = [[q << (17 * (i + j)) for j, q in enumerate(row)] for i, row in enumerate(A)]
    assert psd._decided(scaled, 96) is True


@pytest.mark.parametrize("precision", [96, 256, 1024])
def test_no_precision_mistakes_a_tiny_deficit(precision):
    # Of rank 29 in dimension 30, times a googol and more, with the last entry moved by one.
    A = random_gram(30, rank=29, bits=2, seed=3)
    big = 10**120
    scaled = [[q * big for q in row] for row in A]
    for deficit, allowed in ((-1, {None, True}), (0, {None, True}), (1, {None, False})):
        tilted = [list(row) for row in scaled]
        tilted[29][29] -= deficit
        assert psd._decided(tilted, precision) in allowed
        assert (psd.elimination(tilted) is not None) == (deficit <= 0)


def test_components_are_decided_one_by_one():
    good, bad = {(0, 0): 1, (5, 0): 1, (5, 5): 1}, {(3, 3): 1, (3, 2): 1}
    assert psd.components(good | bad) == [[0, 5], [2, 3]]
    assert psd.is_semidefinite(good)
    assert psd.is_semidefinite({})
    assert not psd.is_semidefinite(good | bad)


# --- monomials of squares -----------------------------------------------------------------------


@settings(deadline=None)
@given(st.data())
def test_the_enumeration_finds_exactly_the_points_of_the_inequalities(data):
    n = data.draw(st.integers(1, 3))
    rows = st.tuples(*[st.integers(0, 7)] * n)
    support = data.draw(st.lists(rows, min_size=1, max_size=6, unique=True))
    normals = data.draw(st.lists(st.tuples(*[st.integers(-3, 3)] * n), max_size=5))
    units = [tuple(s * (i == j) for j in range(n)) for i in range(n) for s in (1, -1)]
    valid = [*normals, *units, (1,) * n, (-1,) * n]

    def times(w, a):
        return sum(x * y for x, y in zip(w, a, strict=True))

    expected = {
        b
        for b in itertools.product(range(4), repeat=n)
        if all(2 * times(w, b) <= max(times(w, a) for a in support) for w in valid)
    }
    found = bases.candidate_basis(support, normals)
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_monomials_of_squares_are_never_lost():
    draw = random.Random(4)
    for _ in range(50):
        factors = [
            {tuple(draw.randint(0, 3) for _ in range(3)): 1 for _ in range(3)} for _ in range(2)
        ]
        support = {
            tuple(map(sum, zip(a, b, strict=True))) for q in factors for a in q for b in q
        }  # all coefficients are positive: nothing cancels
        normals = [tuple(draw.randint(-5, 5) for _ in range(3)) for _ in range(9)]
        assert {row for q in factors for row in q} <= set(bases.candidate_basis(support, normals))


def test_many_variables_are_no_obstacle():
    # x_1^4 + ... + x_80^4: all monomials of degree 2.
    support = [tuple(4 * (i == k) for i in range(80)) for k in range(80)]
    found = bases.candidate_basis(support, [])
    assert len(found) == 80 * 81 // 2


def test_the_search_gives_up_at_its_limit(monkeypatch):
    monkeypatch.setattr(bases, "MAX_NODES", 100)
    with pytest.raises(bases.TooLargeError, match="more than 100 nodes"):
        bases.candidate_basis([(60, 0, 0), (0, 60, 0), (0, 0, 60)], [])


# --- texts --------------------------------------------------------------------------------------


@given(st.fractions())
def test_numbers_are_written_as_they_are_read(value):
    assert as_number(number_text(value), "value") == value


@pytest.mark.parametrize("digits", [3900, 4000, 4001, 4300, 4301, 9999, 50_000])
def test_long_numbers_are_written_as_they_are_read(digits):
    for value in (10**digits - 1, 10 ** (digits - 1), 7**digits // 3**digits):
        text = number_text(-value)
        assert as_number(text, "value") == -value
        assert not text.startswith("-0")


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({}, "0"),
        ({(0, 0): -1}, "-1"),
        ({(4, 0): 1, (1, 1): 2, (0, 0): Fraction(-3, 2)}, "x^4 + 2*x*y - 3/2"),
        ({(0, 1): -1, (1, 0): Fraction(-1, 2)}, "-1/2*x - y"),
    ],
)
def test_polynomials_are_written_like_everywhere(terms, text):
    assert polynomial_text(terms, ("x", "y")) == text
