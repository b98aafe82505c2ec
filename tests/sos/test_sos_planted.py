"""Planted sums of squares and their perturbations, checked in exact arithmetic."""

from collections import Counter
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import perturbations
import planted as planted_module
import pytest
from flint import fmpq
from perturbations import negative_somewhere, outside_cone
from planted import STRUCTURES, planted

from tasks.lattice import sort_monomials
from tasks.records import InputError
from tasks.records.seeds import stream

MANY = [(4, 6, 20, s) for s in STRUCTURES] + [(2, 10, 12, "dense"), (40, 6, 15, "sparse")]


def draw(cell, *names):
    return planted(*cell, stream(1, "planted", *map(str, cell), *names))


def expanded(basis, gram):
    """z' Q z by a dictionary."""
    terms = Counter()
    for i, first in enumerate(basis.tolist()):
        for j, second in enumerate(basis.tolist()):
            exponent = tuple(a + b for a, b in zip(first, second, strict=True))
            terms[exponent] += Fraction(int(gram[i, j].p), int(gram[i, j].q))
    return {exponent: value for exponent, value in terms.items() if value}


@pytest.mark.parametrize("cell", MANY, ids=str)
def test_the_polynomial_is_exactly_that_of_its_gram_matrix(cell):
    item = draw(cell)
    terms = {a: Fraction(int(c.p), int(c.q)) for a, c in item.polynomial.terms().items()}
    assert terms == expanded(item.basis, item.gram)


@pytest.mark.parametrize("cell", MANY, ids=str)
def test_the_gram_matrix_is_that_of_its_factor(cell):
    item = draw(cell)
    factor = [[Fraction(int(f), 2**16) for f in row] for row in item.factor]
    for i, first in enumerate(factor):
        for j, second in enumerate(factor):
            entry = sum(a * b for a, b in zip(first, second, strict=True))
            assert item.gram[i, j] == fmpq(entry.numerator, entry.denominator)
            assert Fraction(item.gram_floats[i, j]) == entry


@pytest.mark.parametrize("cell", MANY, ids=str)
def test_floats_hold_the_coefficients(cell):
    polynomial = draw(cell).polynomial
    floats = polynomial.float_coefficients()
    for value, exact in zip(floats.tolist(), polynomial.coefficients, strict=True):
        assert Fraction(value) == Fraction(int(exact.p), int(exact.q))


@pytest.mark.parametrize("cell", MANY, ids=str)
def test_the_basis_is_sorted_and_in_its_degrees(cell):
    item = draw(cell)
    assert np.array_equal(item.basis, sort_monomials(item.basis))
    degrees = item.basis.sum(axis=1)
    assert degrees.min() >= 1
    assert 2 * degrees.max() == item.polynomial.degree <= cell[1]
    assert item.factor.any(axis=1).all()


def test_sizes_are_spread_around_the_wanted_one():
    sizes = [len(draw((6, 12, 25, "dense"), k).basis) for k in range(150)]
    assert set(sizes) <= set(range(15, 36))
    assert len(set(sizes)) >= 18
    # 21 equally likely sizes: standard deviation 6.06 of one, 0.5 of the mean.
    assert abs(np.mean(sizes) - 25) < 2.5


def test_structures_are_what_they_say():
    dense, sparse, low, block = (draw((6, 12, 40, structure)) for structure in STRUCTURES)
    assert dense.factor.all()
    assert dense.factor.shape[0] == dense.factor.shape[1]
    assert 0.02 < (sparse.factor != 0).mean() < 0.2
    assert low.factor.shape[1] <= 5
    assert low.factor.all()
    linked = block.factor @ block.factor.T != 0
    assert np.array_equal(linked @ linked, linked)
    assert linked.sum(axis=1).max() <= 10


def test_ranks_and_block_sizes_take_all_values():
    ranks = {draw((4, 6, 12, "low_rank"), k).factor.shape[1] for k in range(60)}
    assert ranks == {1, 2, 3, 4, 5}
    linked = [draw((4, 8, 30, "block_diagonal"), k).factor != 0 for k in range(30)]
    assert {int(n) for one in linked for n in one.sum(axis=1)} == set(range(1, 11))


def test_a_basis_stops_at_all_monomials():
    item = draw((2, 4, 30, "dense"))
    assert len(item.basis) == comb(4, 2) - 1


def test_a_sparse_factor_is_never_zero():
    assert all(draw((3, 4, 1, "sparse"), k).polynomial.num_terms > 0 for k in range(50))


def test_listing_all_monomials_draws_as_rejecting_repetitions_does():
    rng, num = stream(2, "draw"), 4000
    listed = Counter()
    for _ in range(num):
        rows = planted_module._draw_without_replacement(2, 2, 1, rng)
        listed[tuple(rows[0].tolist())] += 1
    # Degree 1 and 2 with weights 2 : 3, then multinomial.
    chances = {(1, 0): 0.2, (0, 1): 0.2, (2, 0): 0.15, (1, 1): 0.3, (0, 2): 0.15}
    for row, chance in chances.items():
        assert abs(listed[row] - num * chance) < 5 * np.sqrt(num * chance * (1 - chance))


def test_equal_streams_give_equal_instances_and_others_do_not_share_a_gram_matrix():
    cell = (4, 6, 20, "dense")
    first, again = draw(cell, 0), draw(cell, 0)
    assert first.polynomial == again.polynomial
    assert np.array_equal(first.factor, again.factor)
    factors = [draw(cell, k).factor for k in range(60)]
    assert len({factor[0, 0] for factor in factors}) == len(factors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 6, 20, "dense"), "at least one variable"),
        ((4, 5, 20, "dense"), "even"),
        ((4, 0, 20, "dense"), "even"),
        ((4, 6, 0, "dense"), "1 to 1024"),
        ((4, 6, 1025, "dense"), "1 to 1024"),
        ((4, 6, 20, "round"), "low_rank"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        planted(*arguments, stream(0))


@pytest.mark.parametrize("cell", MANY, ids=str)
def test_a_perturbed_polynomial_is_negative_at_its_point(cell):
    item = draw(cell)
    found = negative_somewhere(item, stream(3, str(cell)))
    assert found.value < 0
    assert found.polynomial.evaluate(found.point) == found.value
    assert set(map(abs, found.point)) == {fmpq(1)}
    assert set(found.polynomial.terms()) <= set(item.polynomial.terms())


def moment_matrix(found, half_degree):
    n = found.polynomial.num_variables
    rows = [row for row in product(range(half_degree + 1), repeat=n) if sum(row) <= half_degree]
    return np.array(
        [
            [found.functional(tuple(a + b for a, b in zip(r, s, strict=True))) for s in rows]
            for r in rows
        ]
    )


def is_semidefinite(matrix):
    """Exact elimination; a zero pivot needs a zero row."""
    rest = matrix
    while len(rest):
        pivot = rest[0, 0]
        if pivot < 0 or (pivot == 0 and any(entry != 0 for entry in rest[0])):
            return False
        row = rest[0, 1:] * (0 if pivot == 0 else 1 / pivot)
        rest = rest[1:, 1:] - np.outer(rest[1:, 0], row)
    return True


@pytest.mark.parametrize("cell", [(2, 6, 6, "dense"), (3, 4, 8, "sparse"), (3, 8, 10, "dense")])
def test_a_functional_separates_a_nonnegative_polynomial_from_the_cone(cell):
    found = outside_cone(draw(cell), stream(4, str(cell)))
    p = found.polynomial
    value = sum((c * found.functional(a) for a, c in p.terms().items()), fmpq(0))
    assert value == found.value < 0
    assert is_semidefinite(moment_matrix(found, p.degree // 2))
    points = stream(5).standard_normal((1000, p.num_variables))
    assert (p.evaluate_floats(points) >= 0).all()


@pytest.mark.parametrize("degree", [6, 8, 12])
def test_the_functional_is_positive_definite_up_to_its_degree(degree):
    assert perturbations._is_moment_matrix_definite(perturbations._moments(degree), degree // 2)


def test_a_matrix_with_a_negative_pivot_is_not_definite():
    assert not perturbations._is_definite([[fmpq(1), fmpq(2)], [fmpq(2), fmpq(3)]])
    assert perturbations._is_definite([[fmpq(1), fmpq(2)], [fmpq(2), fmpq(5)]])


def test_one_variable_has_nothing_outside_the_cone():
    with pytest.raises(InputError, match="two variables"):
        outside_cone(draw((1, 8, 3, "dense")), stream(0))
