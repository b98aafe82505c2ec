"""Positive definiteness against principal minors in fractions, at all scales."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import polynomial_strategies  # noqa: F401 - loads the settings of all property tests
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sos.gram import positivity
from tasks.sos.gram.positivity import (
    _is_dominant_in_words,
    as_floats,
    is_positive_definite,
    is_positive_semidefinite,
)

TINY = Fraction(1, 2**200)


def exact(rows):
    size = len(rows)
    flat = [Fraction(value) for row in rows for value in row]
    return fmpq_mat(size, size, [fmpq(v.numerator, v.denominator) for v in flat])


def determinant(rows):
    """Laplace expansion."""
    if not rows:
        return Fraction(1)
    return sum(
        (-1) ** j * rows[0][j] * determinant([row[:j] + row[j + 1 :] for row in rows[1:]])
        for j in range(len(rows))
    )


def minor(rows, chosen):
    return determinant([[rows[i][j] for j in chosen] for i in chosen])


def is_definite(rows):
    """Sylvester: all leading minors are positive."""
    return all(minor(rows, range(k)) > 0 for k in range(1, len(rows) + 1))


def is_semidefinite(rows):
    """All principal minors are nonnegative."""
    size = len(rows)
    return all(
        minor(rows, chosen) >= 0
        for k in range(1, size + 1)
        for chosen in combinations(range(size), k)
    )


@st.composite
def symmetric_matrices(draw, max_size=4):
    """Symmetric matrices of small fractions, many of them (nearly) semidefinite."""
    size = draw(st.integers(0, max_size))
    entries = st.builds(Fraction, st.integers(-3, 3), st.integers(1, 3))
    rank = draw(st.integers(0, size))
    factor = [[draw(entries) for _ in range(rank)] for _ in range(size)]
    rows = [[sum(map(Fraction.__mul__, a, b), Fraction(0)) for b in factor] for a in factor]
    for i in range(size):
        rows[i][i] += draw(st.sampled_from([Fraction(0), Fraction(0), TINY, -TINY, Fraction(1)]))
    if size > 1 and draw(st.booleans()):
        change = draw(entries)
        rows[0][1] += change
        rows[1][0] += change
    return rows


@given(symmetric_matrices())
@settings(max_examples=300)
def test_minors_decide_the_same(rows):
    matrix = exact(rows)
    assert is_positive_definite(matrix) == is_definite(rows)
    assert is_positive_semidefinite(matrix) == is_semidefinite(rows)


def gram_of(factor, rest=0):
    product = factor @ factor.T
    return [
        [Fraction(int(v)) + (rest if i == j else 0) for j, v in enumerate(row)]
        for i, row in enumerate(product)
    ]


@pytest.mark.parametrize("size", [1, 2, 5, 20, 45])
def test_a_singular_matrix_is_semidefinite_only(size):
    factor = np.random.default_rng(size).integers(-9, 10, (size, size - 1))
    matrix = exact(gram_of(factor))
    assert is_positive_semidefinite(matrix)
    assert not is_positive_definite(matrix)


@pytest.mark.parametrize("size", [1, 2, 5, 20, 45])
def test_a_tiny_shift_of_a_singular_matrix_decides_its_sign(size):
    factor = np.random.default_rng(size).integers(-9, 10, (size, size - 1))
    above, below = exact(gram_of(factor, TINY)), exact(gram_of(factor, -TINY))
    assert is_positive_definite(above)
    assert is_positive_semidefinite(above)
    assert not is_positive_definite(below)
    assert not is_positive_semidefinite(below)


@pytest.mark.parametrize("rank", [0, 1, 2, 7, 10])
@pytest.mark.parametrize("lift", [0, 700])
def test_low_rank_is_seen_without_elimination(monkeypatch, rank, lift):
    rng = np.random.default_rng(rank)
    factor = rng.integers(-9, 10, (20, rank))
    factor[3] = 0
    rows = congruent(gram_of(factor), rng.integers(-lift, lift + 1, 20).tolist())
    i, j = 5, 11
    changed = [list(row) for row in rows]
    changed[i][j] = changed[j][i] = rows[i][j] + TINY
    assert not is_positive_semidefinite(exact(changed))
    monkeypatch.setattr(positivity, "_has_nonnegative_pivots", lambda _: False)
    assert is_positive_semidefinite(exact(rows))


def congruent(rows, shifts):
    """D A D with D = diag(2**shifts)."""
    return [
        [value * Fraction(2) ** (shifts[i] + shifts[j]) for j, value in enumerate(row)]
        for i, row in enumerate(rows)
    ]


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(-1500, 1500), min_size=6, max_size=6),
    st.sampled_from([Fraction(1), TINY, Fraction(0), -TINY, Fraction(-1)]),
)
@settings(max_examples=60)
def test_scaling_rows_and_columns_changes_nothing(seed, shifts, rest):
    factor = np.random.default_rng(seed).integers(-9, 10, (6, 5))
    matrix = exact(congruent(gram_of(factor, rest), shifts))
    assert is_positive_definite(matrix) == (rest > 0)
    assert is_positive_semidefinite(matrix) == (rest >= 0)


@pytest.mark.parametrize("entry", [2**2000, Fraction(1, 2**2000), -(2**2000), 10**400 + 1])
def test_huge_and_tiny_numbers_are_compared_exactly(entry):
    entry = Fraction(entry)
    assert is_positive_definite(exact([[abs(entry)]]))
    assert not is_positive_definite(exact([[1, entry], [entry, entry * entry]]))
    assert is_positive_semidefinite(exact([[1, entry], [entry, entry * entry]]))
    assert is_positive_definite(exact([[1, entry], [entry, entry * entry + TINY]]))
    assert not is_positive_semidefinite(exact([[1, entry], [entry, entry * entry - TINY]]))


def test_an_entry_far_beyond_its_diagonal_makes_it_indefinite():
    rows = [[1, 2**3000], [2**3000, 1]]
    assert not is_positive_definite(exact(rows))
    assert not is_positive_semidefinite(exact(rows))


def test_a_zero_on_the_diagonal_needs_a_zero_row():
    assert is_positive_semidefinite(exact([[0, 0, 0], [0, 2, 1], [0, 1, 2]]))
    assert not is_positive_semidefinite(exact([[0, 0, 1], [0, 2, 1], [1, 1, 2]]))
    assert not is_positive_semidefinite(exact([[0, 1], [1, 0]]))


def test_the_empty_matrix_is_both():
    assert is_positive_definite(fmpq_mat(0, 0))
    assert is_positive_semidefinite(fmpq_mat(0, 0))


def test_a_hilbert_matrix_of_size_thirty_is_definite():
    """Condition about 1e45: far beyond floats."""
    size = 30
    rows = [[Fraction(1, i + j + 1) for j in range(size)] for i in range(size)]
    assert is_positive_definite(exact(rows))
    assert is_positive_semidefinite(exact(rows))
    rows[-1][-1] -= Fraction(1, 10**20)
    assert not is_positive_definite(exact(rows))
    assert not is_positive_semidefinite(exact(rows))


@given(symmetric_matrices())
def test_floats_are_the_nearest(rows):
    floats = as_floats(exact(rows))
    assert floats.shape == (len(rows), len(rows))
    assert floats.tolist() == [[float(value) for value in row] for row in rows]


def test_floats_of_long_fractions_are_correctly_rounded():
    value = Fraction(10**500 + 1, 3 * 10**500)
    assert as_floats(exact([[value]]))[0, 0] == float(value)


@given(symmetric_matrices(), st.integers(-40, 200))
@settings(max_examples=200)
def test_machine_words_are_never_wrong(rows, bits):
    scaled = exact([[value * Fraction(2) ** bits for value in row] for row in rows])
    numerators, _ = scaled.numer_denom()
    if not rows or any(numerators[i, i] <= 0 for i in range(len(rows))):
        return
    assert _is_dominant_in_words(numerators) in (None, is_definite(rows))


@pytest.mark.parametrize("size", [1, 5, 40, 90])
def test_machine_words_decide_well_conditioned_matrices(size):
    factor = np.random.default_rng(size).integers(-(2**20), 2**20, (size, 2 * size))
    numerators, _ = exact(gram_of(factor)).numer_denom()
    assert _is_dominant_in_words(numerators) is True
    flipped = fmpq_mat(numerators) - fmpq_mat(
        size, size, [int(i == j == size - 1) * 2**60 for i in range(size) for j in range(size)]
    )
    assert not is_positive_definite(flipped)
