import numpy as np
import pytest
from flint import fmpq, fmpq_mat, fmpz_mat
from optimization_problems import polynomials

from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.optimization.elimination import CONSTANT, LEVEL, reduced_echelon, side
from tasks.sos.optimization.problem_scaling import ProblemScaling
from tasks.sos.optimization.programs import (
    ProgramBlock,
    SosProgram,
    symmetric_blocks,
    upper_entries,
    without_forced_zeros,
)
from tasks.sos.optimization.systems import GramSystem, solve_system

X = fmpq


def disk_program():
    """x + y + c = s_0 + s_1 (1 - x^2 - y^2) + v (x y - 1/3), of degree 2."""
    p, g, h = polynomials("x y", "x + y + 5", "1 - x^2 - y^2", "x*y - 1/3")
    blocks = (ProgramBlock(full_basis(2, 1)), ProgramBlock(full_basis(2, 0), g))
    return p, g, h, SosProgram((p,), blocks, ((h,),))


def expanded(program, grams, free):
    """The right side of the first identity, by polynomial arithmetic."""
    total = program.targets[0] * 0
    for block, gram in zip(program.blocks, grams, strict=True):
        rows = block.basis.tolist()
        terms = {}
        for i, a in enumerate(rows):
            for j, b in enumerate(rows):
                key = tuple(np.add(a, b).tolist())
                terms[key] = terms.get(key, X(0)) + gram[i, j]
        part = type(total).of(total.variables, terms)
        total = total + (part if block.multiplier is None else part * block.multiplier)
    for value, parts in zip(free, program.free, strict=True):
        total = total + parts[0] * value
    return total


def random_rows(rng, height, width):
    return [
        {int(c): X(int(rng.integers(1, 9)), int(rng.integers(1, 5))) for c in chosen}
        | {CONSTANT: X(int(rng.integers(-5, 6))), LEVEL: X(int(rng.integers(-2, 3)))}
        for chosen in (rng.choice(width, 3, replace=False) for _ in range(height))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_elimination_agrees_with_dense_row_reduction(seed):
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, 6, 9)
    dense = fmpq_mat(6, 11, [row.get(c, X(0)) for row in rows for c in [*range(9), -1, -2]])
    echelon = reduced_echelon([dict(row) for row in rows], range(9))
    reduced, rank = dense.rref()
    assert len(echelon.rows) + len(echelon.conditions) >= rank
    # Every equation of the echelon form is a combination of the given ones, and conversely.
    mine = []
    for pivot, row in echelon.rows.items():
        full = row | {pivot: X(1)}
        mine += [full.get(c, X(0)) for c in [*range(9), -1, -2]]
    for row in echelon.conditions:
        mine += [row.get(c, X(0)) for c in [*range(9), -1, -2]]
    other = fmpq_mat(len(mine) // 11, 11, mine).rref()[0]
    assert [r for r in other.tolist() if any(r)] == [r for r in reduced.tolist() if any(r)]


def test_contradictory_equations_are_consistent_for_one_level_only():
    rows = [{0: X(1), CONSTANT: X(1)}, {0: X(2), CONSTANT: X(3), LEVEL: X(-1)}]
    echelon = reduced_echelon(rows, ())
    assert echelon.is_consistent(X(1))
    assert not echelon.is_consistent(X(0))


def test_unknowns_asked_for_first_become_pivots():
    rows = [{0: X(1), 5: X(2), CONSTANT: X(4)}, {1: X(1), 5: X(1)}]
    echelon = reduced_echelon(rows, [5])
    assert 5 in echelon.rows
    assert side(echelon.rows[5], X(0)) - sum(
        (v for c, v in echelon.rows[5].items() if c >= 0), X(0)
    ) in (X(3, 2), X(-1))


def test_entries_and_blocks_are_inverse_orders():
    rng = np.random.default_rng(0)
    blocks = [m + m.T for m in (rng.standard_normal((k, k)) for k in (3, 1, 4))]
    again = symmetric_blocks(upper_entries(blocks), [3, 1, 4])
    assert all(np.array_equal(a, b) for a, b in zip(blocks, again, strict=True))


def test_exact_projections_satisfy_the_identity_for_any_matrices():
    p, *_, program = disk_program()
    rng = np.random.default_rng(1)
    for level in (X(0), X(7, 3)):
        system = GramSystem.of(program, level)
        grams = [m + m.T for m in (rng.standard_normal((k, k)) for k in program.sizes)]
        exact = system.exact_projection(grams, 8)
        assert expanded(program, exact, system.free_values(exact)) == p - level


def test_the_float_image_is_the_exact_one():
    *_, program = disk_program()
    system = GramSystem.of(program, 1)
    constants, directions = system.image
    y = np.arange(1.0, len(system.free_entries) + 1)
    grams = symmetric_blocks(constants + directions @ y, program.sizes)
    exact = system.exact_projection(grams, 4)
    for gram, matrix in zip(grams, exact, strict=True):
        floats = [[float(v) for v in row] for row in matrix.tolist()]
        assert np.allclose(floats, gram)


def test_columns_on_a_face_are_those_of_the_whole_space_transformed():
    *_, program = disk_program()
    system = GramSystem.of(program)
    whole = list(
        system.face_columns(
            [fmpz_mat(k, k, np.eye(k, dtype=int).ravel().tolist()) for k in program.sizes]
        )
    )
    basis = fmpz_mat(3, 2, [1, 2, 0, -1, 3, 1])
    unit = fmpz_mat(1, 1, [1])
    face = list(system.face_columns([basis, unit]))
    place = {pair: k for k, pair in enumerate(zip(*np.triu_indices(3), strict=True))}
    for k, (u, v) in enumerate(zip(*np.triu_indices(2), strict=True)):
        expected: dict[int, int] = {}
        for (i, j), entry in place.items():
            a = int(basis[i, u]) * int(basis[j, v])
            b = int(basis[j, u]) * int(basis[i, v])
            # Entry (i, j) of v_u v_v' + v_v v_u', or of v_u v_u'.
            share = a if u == v else a + b
            for row, value in whole[entry].items():
                expected[row] = expected.get(row, 0) + share * value
        found = {row: value for row, value in face[k].items() if value}
        assert found == {row: value for row, value in expected.items() if value}


def test_the_barrier_solution_satisfies_the_equations():
    *_, program = disk_program()
    solution = solve_system(GramSystem.of(program))
    assert solution.lower > 0
    assert min(np.linalg.eigvalsh(gram)[0] for gram in solution.grams) >= solution.lower * 0.99
    exact = GramSystem.of(program).exact_projection(solution.grams, 40)
    for gram, matrix in zip(solution.grams, exact, strict=True):
        floats = [[float(v) for v in row] for row in matrix.tolist()]
        assert np.allclose(floats, gram, atol=1e-8)


def test_monomials_that_only_squares_could_cancel_are_removed():
    # x^4 comes from (x^2)^2 alone, so x^2 goes; then x^2 comes from x^2 alone.
    p, g = polynomials("x", "1 + x", "1 - x")
    blocks = (ProgramBlock(full_basis(1, 2)), ProgramBlock(full_basis(1, 0), g))
    reduced, kept = without_forced_zeros(SosProgram((p,), blocks))
    assert [block.basis.tolist() for block in reduced.blocks] == [[[0]], [[0]]]
    assert [indices.tolist() for indices in kept] == [[2], [0]]


def test_monomials_that_multipliers_can_cancel_stay():
    p, g = polynomials("x", "1 + x", "4 - x^2")
    blocks = (ProgramBlock(full_basis(1, 1)), ProgramBlock(full_basis(1, 0), g))
    reduced, _ = without_forced_zeros(SosProgram((p,), blocks))
    assert reduced.sizes == (2, 1)


def test_one_scaling_balances_all_polynomials():
    p, g = polynomials("x y", "x^2*y - 1000*x", "10^6 - x^2 - 10^6*y^2")
    scaling = ProblemScaling.balancing(p, [g])
    scaled = scaling.apply(p, [g])
    for q in scaled:
        sizes = np.abs(q.float_coefficients())
        assert 1 <= sizes.max() < 2
        assert sizes.min() > 0.1
    assert scaled[1] == g.scaled(scaling.shifts) * X(1, 2 ** -scaling.exponents[1])
