from fractions import Fraction
from itertools import product

import cvxpy as cp
import numpy as np
import pytest
from basis_oracles import minimal_spread, spread
from flint import fmpq, fmpq_mat

from tasks.lattice import minkowski_sums, sort_monomials
from tasks.records import InputError
from tasks.sos.bases.monomial_bases import full_basis, half_newton_basis
from tasks.sos.bases.reductions import (
    Restriction,
    VariableScaling,
    correlative_cliques,
    sign_symmetry_blocks,
    term_sparsity_blocks,
)
from tasks.sos.bases.sparsity import chordal_extension, maximal_cliques
from tasks.sos.polynomials.polynomial import Polynomial

MOTZKIN = {(4, 2): 1, (2, 4): 1, (2, 2): -3, (0, 0): 1}
ROBINSON = {
    (6, 0, 0): 1, (0, 6, 0): 1, (0, 0, 6): 1, (2, 2, 2): 3,
    (4, 2, 0): -1, (4, 0, 2): -1, (2, 4, 0): -1, (0, 4, 2): -1, (2, 0, 4): -1, (0, 2, 4): -1,
}  # fmt: skip
CHOI_LAM = {(2, 2, 0, 0): 1, (0, 2, 2, 0): 1, (2, 0, 2, 0): 1, (1, 1, 1, 1): -4, (0, 0, 0, 4): 1}
BROWN = {
    (2, 2): 1, (2, 0): 1, (1, 1): -4, (1, 0): -2_000_000, (0, 2): 1, (0, 1): Fraction(-1, 250_000),
    (0, 0): 10**12 + 4 + Fraction(4, 10**12),
}  # fmt: skip


def polynomial(terms):
    names = tuple(f"x{i}" for i in range(len(next(iter(terms)))))
    return Polynomial.of(names, terms)


def norm_squared(num_variables):
    rows = 2 * np.eye(num_variables, dtype=int)
    return polynomial({tuple(row): 1 for row in rows.tolist()})


def is_feasible(p, bases):
    """Whether cvxpy and Clarabel find Gram matrices whose least eigenvalue is about 0 or more."""
    grams = [cp.Variable((len(basis), len(basis)), PSD=True) for basis in bases]
    sums = {}
    for basis, gram in zip(bases, grams, strict=True):
        for (i, b), (j, c) in product(enumerate(basis.tolist()), repeat=2):
            key = tuple(x + y for x, y in zip(b, c, strict=True))
            sums.setdefault(key, []).append(gram[i, j])
    if set(p.terms()) - set(sums):
        return False
    equations = [
        cp.sum(cp.hstack(entries)) == float(Fraction(str(p.coefficient(key))))
        for key, entries in sums.items()
    ]
    problem = cp.Problem(cp.Minimize(0), equations)
    problem.solve(solver="CLARABEL")
    return problem.status in ("optimal", "optimal_inaccurate")


def sign_symmetries(support):
    """All r with r·a even for all terms, by trying them."""
    return [
        r
        for r in product((0, 1), repeat=len(support[0]))
        if not (np.array(support) @ np.array(r) % 2).any()
    ]


def sets(blocks):
    return [set(block.tolist()) for block in blocks]


def random_graph(rng, size, density):
    upper = np.triu(rng.random((size, size)) < density, 1)
    return upper | upper.T


# Sign symmetries


@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_what_all_sign_symmetries_leave(seed):
    rng = np.random.default_rng(seed)
    support = rng.integers(0, 5, (int(rng.integers(1, 6)), 4)) * rng.choice([1, 2])
    basis = sort_monomials(rng.integers(0, 3, (12, 4)))
    symmetries = np.array(sign_symmetries(support.tolist()))
    labels = basis @ symmetries.T % 2
    expected = {
        frozenset(np.flatnonzero((labels == label).all(axis=1)).tolist()) for label in labels
    }
    blocks = sign_symmetry_blocks(basis, support)
    assert {frozenset(block.tolist()) for block in blocks} == expected
    assert [block[0] for block in blocks] == sorted(block[0] for block in blocks)


def test_an_even_form_in_8_variables_falls_into_64_blocks():
    # All products of three squares, as in |x|² times Parrilo's B_2: degree 6.
    squares = [tuple(row) for row in (2 * full_basis(8, 2, min_degree=2)).tolist()]
    support = minkowski_sums(np.array(squares), 2 * np.eye(8, dtype=int)).rows
    basis = half_newton_basis(support)
    sizes = [len(block) for block in sign_symmetry_blocks(basis, support)]
    assert len(basis) == sum(sizes) == 120
    assert len(sizes) == 64
    assert max(sizes) == 8


@pytest.mark.solver
@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (polynomial(MOTZKIN), False),
        (polynomial(MOTZKIN) * (norm_squared(2) + 1), True),
        (polynomial(CHOI_LAM), False),
        (polynomial(ROBINSON), False),
        (polynomial(ROBINSON) * norm_squared(3), True),
    ],
    ids=["Motzkin", "Motzkin times", "Choi-Lam", "Robinson", "Robinson times"],
)
def test_sign_symmetry_keeps_the_answer(p, expected):
    basis = half_newton_basis(p.exponents)
    blocks = sign_symmetry_blocks(basis, p.exponents)
    assert len(blocks) > 1
    assert is_feasible(p, [basis]) is expected
    assert is_feasible(p, [basis[block] for block in blocks]) is expected


def test_no_basis_has_no_blocks():
    nothing = np.zeros((0, 2), dtype=int)
    assert sign_symmetry_blocks(nothing, list(MOTZKIN)) == []
    assert term_sparsity_blocks(nothing, list(MOTZKIN), chordal=True) == []


# Chordal graphs


@pytest.mark.parametrize("seed", range(20))
def test_an_extension_is_chordal_and_its_cliques_cover_it(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 12, 0.25)
    extended = chordal_extension(graph)
    covered = np.zeros_like(extended)
    for clique in maximal_cliques(extended):
        covered[np.ix_(clique, clique)] = True
    assert (covered == extended).all()
    assert (extended | ~graph).all()


@pytest.mark.parametrize("seed", range(20))
def test_cliques_are_maximal_and_have_running_intersections(seed):
    graph = chordal_extension(random_graph(np.random.default_rng(seed), 14, 0.2))
    cliques = sets(maximal_cliques(graph))
    assert not any(a < b for a in cliques for b in cliques)
    for k in range(1, len(cliques)):
        seen = cliques[k] & set.union(*cliques[:k])
        assert any(seen <= earlier for earlier in cliques[:k])


def test_a_chordal_graph_is_not_extended():
    path = np.eye(6, k=1, dtype=bool) | np.eye(6, k=-1, dtype=bool)
    assert (chordal_extension(path) == (path | np.eye(6, dtype=bool))).all()


def test_a_cycle_is_not_chordal():
    cycle = np.roll(np.eye(5, dtype=bool), 1, axis=0)
    with pytest.raises(InputError, match="not chordal"):
        maximal_cliques(cycle | cycle.T | np.eye(5, dtype=bool))


# Term sparsity


@pytest.mark.parametrize("chordal", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_term_blocks_refine_sign_symmetry_and_cover_the_support(seed, chordal):
    rng = np.random.default_rng(seed)
    basis = full_basis(3, 2)
    sums = minkowski_sums(basis).rows
    support = sums[rng.random(len(sums)) < 0.2]
    blocks = term_sparsity_blocks(basis, support, chordal=chordal)
    coarse = sets(sign_symmetry_blocks(basis, np.concatenate([support, 2 * basis])))
    assert all(any(fine <= block for block in coarse) for fine in sets(blocks))
    covered = {tuple(row) for b in blocks for row in minkowski_sums(basis[b]).rows.tolist()}
    assert {tuple(row) for row in support.tolist()} <= covered


def test_closed_blocks_are_stable():
    # Sums within a block join nothing across blocks any more.
    support = [[4, 0, 0], [1, 1, 0], [0, 0, 2], [2, 0, 1], [0, 0, 0]]
    basis = full_basis(3, 2)
    blocks = term_sparsity_blocks(basis, support, chordal=False)
    inside = np.concatenate([minkowski_sums(basis[block]).rows for block in blocks])
    again = term_sparsity_blocks(basis, np.concatenate([inside, support]), chordal=False)
    assert sets(again) == sets(blocks)
    assert sorted(i for block in sets(blocks) for i in block) == list(range(len(basis)))


def test_more_rounds_give_larger_blocks():
    support = [[4, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 4], [0, 0, 0]]
    basis = full_basis(3, 2)
    once, twice, closed = (
        sets(term_sparsity_blocks(basis, support, chordal=False, max_rounds=rounds))
        for rounds in (1, 2, None)
    )
    for small, large in ((once, twice), (twice, closed)):
        assert all(any(block <= other for other in large) for block in small)
    with pytest.raises(InputError, match="at least 1"):
        term_sparsity_blocks(basis, support, chordal=True, max_rounds=0)


@pytest.mark.solver
@pytest.mark.parametrize("chordal", [False, True])
def test_term_blocks_decompose_an_even_quartic_with_a_cross_term(chordal):
    p = polynomial({(4, 0): 1, (0, 4): 1, (2, 2): 1, (1, 1): 1, (0, 0): 1})
    basis = half_newton_basis(p.exponents)
    blocks = term_sparsity_blocks(basis, p.exponents, chordal=chordal)
    assert max(len(block) for block in blocks) < len(basis)
    assert is_feasible(p, [basis[block] for block in blocks])


# Correlative sparsity


def test_a_chain_has_its_links_as_cliques():
    support = [[0] * 6] + [[2 * (j in (i, i + 1)) for j in range(6)] for i in range(5)]
    assert sets(correlative_cliques(support)) == [{i, i + 1} for i in range(5)]


def test_a_constraint_joins_its_variables():
    support = 2 * np.eye(4, dtype=int)
    assert sets(correlative_cliques(support)) == [{0}, {1}, {2}, {3}]
    joined = sets(correlative_cliques(support, together=[(0, 2, 3)]))
    assert sorted(joined, key=len) == [{1}, {0, 2, 3}]
    with pytest.raises(InputError, match="from 0 to 3"):
        correlative_cliques(support, together=[(4,)])


# Restriction


def rational_matrix(rng, size):
    entries = rng.integers(-9, 10, (size, size))
    entries = entries + entries.T
    return fmpq_mat(size, size, [fmpq(int(entry), 7) for entry in entries.ravel()])


def test_a_restriction_to_disjoint_blocks_is_undone():
    rng = np.random.default_rng(0)
    restriction = Restriction.of(5, [[3, 0], [1, 4]])
    for make in (lambda k: rng.random((k, k)), lambda k: rational_matrix(rng, k)):
        grams = (make(2), make(2))
        whole = restriction.invert(grams)
        for before, after in zip(grams, restriction.apply(whole), strict=True):
            assert (
                np.array_equal(before, after)
                if isinstance(before, np.ndarray)
                else (before == after)
            )


def test_inverting_keeps_the_polynomial():
    rng = np.random.default_rng(1)
    basis = full_basis(2, 2)
    restriction = Restriction.of(len(basis), [[0, 1, 2], [2, 3, 5]])
    grams = [rational_matrix(rng, 3) for _ in range(2)]
    parts = [expand(gram, rows) for gram, rows in zip(grams, restriction.bases(basis), strict=True)]
    assert expand(restriction.invert(grams), basis) == parts[0] + parts[1]


def expand(gram, basis):
    """z'Qz."""
    total = Polynomial.zero(tuple(f"x{i}" for i in range(basis.shape[1])))
    rows = [tuple(row) for row in basis.tolist()]
    for (i, b), (j, c) in product(enumerate(rows), repeat=2):
        exponent = tuple(x + y for x, y in zip(b, c, strict=True))
        total += Polynomial.of(total.variables, {exponent: gram[i, j]})
    return total


@pytest.mark.parametrize("block", [[0, 5], [-1], [1, 1]])
def test_wrong_blocks_are_refused(block):
    with pytest.raises(InputError, match="distinct indices from 0 to 4"):
        Restriction.of(5, [block])


def test_a_wrong_number_of_matrices_is_refused():
    with pytest.raises(InputError, match="0 Gram matrices for 1 blocks"):
        Restriction.of(5, [[1]]).invert([])


# Scaling


def test_scaling_a_polynomial_is_undone_exactly():
    p = polynomial(BROWN)
    scaling = VariableScaling((3, -7), 5)
    assert scaling.undo(scaling.apply(p)) == p
    assert scaling.apply(p).coefficient((1, 1)) == -4 * fmpq(2) ** (3 - 7 + 5)


def test_gram_matrices_scale_with_their_polynomial():
    rng = np.random.default_rng(2)
    basis = full_basis(2, 2)
    gram = rational_matrix(rng, len(basis))
    scaling = VariableScaling((3, -2), -5)
    scaled = scaling.apply_to_gram(gram, basis)
    assert expand(scaled, basis) == scaling.apply(expand(gram, basis))
    assert scaling.invert(scaled, basis) == gram


def test_float_matrices_scale_without_rounding():
    rng = np.random.default_rng(3)
    basis = full_basis(2, 2)
    gram = rng.random((len(basis), len(basis)))
    scaling = VariableScaling((9, -11), 3)
    assert (scaling.invert(scaling.apply_to_gram(gram, basis), basis) == gram).all()


def test_points_of_the_scaled_polynomial_are_mapped_back():
    p, scaling = polynomial(BROWN), VariableScaling((3, -7), 5)
    y = (fmpq(5, 3), fmpq(-2))
    assert scaling.apply(p).evaluate(y) == p.evaluate(scaling.point(y)) * 32


def test_a_hidden_scaling_is_found():
    p = polynomial(MOTZKIN)
    hidden = VariableScaling((13, -8), 21)
    scaling = VariableScaling.balancing(hidden.apply(p))
    assert scaling == VariableScaling((-13, 8), -21)
    assert scaling.apply(hidden.apply(p)) == p


def test_badly_scaled_diagonals_come_as_close_as_they_can():
    # c_22 c_00 / (c_20 c_02) = 10¹² is invariant: four diagonal entries differ by at least 10⁶.
    p = polynomial(BROWN)
    scaled = VariableScaling.balancing(p).apply(p)
    diagonal = Polynomial.of(
        p.variables, {term: scaled.coefficient(term) for term in [(2, 2), (2, 0), (0, 2), (0, 0)]}
    )
    assert spread(p) > np.log2(1e17)
    assert np.log2(1e6) <= minimal_spread(diagonal) + 1e-6
    assert spread(diagonal) < np.log2(1e8)


def test_no_scaling_brings_the_badly_scaled_polynomial_below_its_bound():
    # log c_y - (log c_yy + log c_1)/2 = -11.4 in decimal digits, whatever the scaling.
    p = polynomial(BROWN)
    bound = minimal_spread(p)
    assert np.log2(10**11.3) < bound < np.log2(10**11.7)
    rng = np.random.default_rng(4)
    for shifts in rng.integers(-25, 25, (200, 2)).tolist():
        assert spread(VariableScaling(tuple(shifts)).apply(p)) >= bound - 1e-9


@pytest.mark.solver
def test_balancing_makes_the_badly_scaled_problem_solvable():
    p = polynomial(BROWN)
    scaled = VariableScaling.balancing(p).apply(p)
    assert is_feasible(scaled, [half_newton_basis(p.exponents)])


def test_balanced_polynomials_are_left_alone():
    assert VariableScaling.balancing(polynomial(ROBINSON)) == VariableScaling((0, 0, 0))
    assert VariableScaling.balancing(Polynomial.zero(("x", "y"))) == VariableScaling((0, 0))
    assert spread(Polynomial.zero(("x",))) == minimal_spread(Polynomial.zero(("x",))) == 0


def test_coefficients_beyond_the_floats_are_balanced():
    p = polynomial({(2,): fmpq(2) ** 4000, (0,): fmpq(1, 2**4000)})
    scaled = VariableScaling.balancing(p).apply(p)
    assert spread(p) == 8000
    assert spread(scaled) == 0
