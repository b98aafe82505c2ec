"""Linear matrix inequalities against cvxpy with Clarabel, and closed forms."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu.lmi import Lmi, maximize_lmi


def lmi_of(constants, matrices):
    """An Lmi from dense blocks; matrices[k][b] is block b of F_k."""
    entries, counts = [], [0]
    for blocks in matrices:
        before = len(entries)
        for b, block in enumerate(blocks):
            for i, j in zip(*np.triu_indices(len(block)), strict=True):
                if block[i, j]:
                    entries.append((b, i, j, block[i, j]))
        counts.append(len(entries) - before)
    block, row, column, value = zip(*entries, strict=True) if entries else ((), (), (), ())
    return Lmi(
        constants=tuple(np.asarray(c, dtype=float) for c in constants),
        start=np.cumsum(counts).astype(np.int64),
        block=np.array(block, dtype=np.int64),
        row=np.array(row, dtype=np.int64),
        column=np.array(column, dtype=np.int64),
        value=np.array(value, dtype=float),
    )


def symmetric(rng, size, density=1.0):
    matrix = rng.standard_normal((size, size)) * (rng.random((size, size)) < density)
    return matrix + matrix.T


def definite(rng, size):
    factor = rng.standard_normal((size, size))
    return factor @ factor.T + 0.1 * np.eye(size)


def inner(matrices, others):
    return sum(float(np.vdot(a, b)) for a, b in zip(matrices, others, strict=True))


def random_program(seed, sizes=(4, 1, 3), num_variables=6, density=0.5):
    """Bounded, strictly feasible on both sides: F_0 > 0 and b_k = -<F_k, X_0> with X_0 > 0."""
    rng = np.random.default_rng(seed)
    constants = [definite(rng, m) for m in sizes]
    matrices = [[symmetric(rng, m, density) for m in sizes] for _ in range(num_variables)]
    dual = [definite(rng, m) for m in sizes]
    objective = np.array([-inner(blocks, dual) for blocks in matrices])
    return constants, matrices, objective


def oracle(constants, matrices, objective, equation=None):
    """Optimal value by Clarabel."""
    y = cp.Variable(len(matrices))
    conditions = [
        cp.Constant(constant) + sum(y[k] * matrices[k][b] for k in range(len(matrices))) >> 0
        for b, constant in enumerate(constants)
    ]
    if equation is not None:
        conditions.append(equation @ y == 0)
    return cp.Problem(cp.Maximize(objective @ y), conditions).solve(solver="CLARABEL")


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_combinations_and_inner_products_are_adjoint(seed):
    rng = np.random.default_rng(seed)
    constants, matrices, _ = random_program(seed)
    lmi = lmi_of(constants, matrices)
    y, x = rng.standard_normal(lmi.num_variables), [symmetric(rng, m) for m in lmi.sizes]
    combined = lmi.combination(y)
    for b, block in enumerate(combined):
        assert np.allclose(block, sum(y[k] * matrices[k][b] for k in range(len(y))))
    assert np.isclose(inner(combined, x), y @ lmi.inner_products(x))


def test_a_matrix_without_entries_has_no_inner_product():
    zero, unit = np.zeros((2, 2)), np.eye(2)
    lmi = lmi_of([unit], [[zero], [unit], [zero], [2 * unit], [zero]])
    assert lmi.inner_products([unit]).tolist() == [0, 2, 0, 4, 0]
    assert lmi.sizes == (2,)
    assert lmi.num_variables == 5


@pytest.mark.parametrize("seed", range(6))
def test_the_optimum_is_that_of_clarabel(seed):
    constants, matrices, objective = random_program(seed)
    solution = maximize_lmi(lmi_of(constants, matrices), objective, np.zeros(len(objective)))
    best = oracle(constants, matrices, objective)
    scale = 1 + abs(best)
    assert abs(solution.point.objective - best) < 1e-6 * scale
    assert abs(solution.point.bound - best) < 1e-6 * scale
    assert solution.ended == "gap"


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=12)
def test_wherever_it_stops_the_dual_matrix_proves_its_bound(seed, visits):
    """X is positive definite, <F_k, X> = -b_k, and b'y <= <F_0, X> for all feasible y."""
    constants, matrices, objective = random_program(seed)
    lmi = lmi_of(constants, matrices)
    seen = []

    def stop(point):
        seen.append(point)
        return len(seen) == visits

    point = maximize_lmi(lmi, objective, np.zeros(len(objective)), stop=stop).point
    assert point.is_close
    assert min(np.linalg.eigvalsh(dual)[0] for dual in point.duals) > 0
    assert min(np.linalg.eigvalsh(slack)[0] for slack in point.slacks) > 0
    left = lmi.inner_products(point.duals)
    assert np.abs(left + objective).max() <= 1e-8 * (1 + np.abs(objective).max())
    assert np.isclose(point.bound, inner(constants, point.duals))
    # Every bound on the way is at least every objective on the way.
    assert min(p.bound for p in seen) >= max(p.objective for p in seen)


@pytest.mark.parametrize("seed", range(6))
def test_an_equation_is_kept_and_enters_the_bound(seed):
    constants, matrices, objective = random_program(seed)
    lmi = lmi_of(constants, matrices)
    equation = np.random.default_rng([seed, 1]).standard_normal(len(objective))
    point = maximize_lmi(lmi, objective, np.zeros(len(objective)), equation=equation).point
    best = oracle(constants, matrices, objective, equation)
    assert abs(equation @ point.y) < 1e-8
    assert abs(point.objective - best) < 1e-6 * (1 + abs(best))
    assert abs(point.bound - best) < 1e-6 * (1 + abs(best))
    left = lmi.inner_products(point.duals) + objective + point.nu * equation
    assert np.abs(left).max() < 1e-8 * (1 + np.abs(objective).max())


def test_the_largest_eigenvalue_is_a_smallest_level():
    """min t with t I - A >= 0."""
    matrix = symmetric(np.random.default_rng(3), 8)
    highest = float(np.linalg.eigvalsh(matrix)[-1])
    lmi = lmi_of([-matrix], [[np.eye(8)]])
    point = maximize_lmi(lmi, np.array([-1.0]), np.array([highest + 5])).point
    assert abs(-point.objective - highest) < 1e-8
    assert -point.bound <= highest <= -point.objective


@pytest.mark.parametrize("size", [5, 7, 9])
def test_the_theta_number_of_an_odd_cycle_has_its_closed_form(size):
    """theta(C_n) = n cos(pi/n) / (1 + cos(pi/n)); Lovasz 1979."""
    edges = []
    for i in range(size):
        edge = np.zeros((size, size))
        edge[i, (i + 1) % size] = edge[(i + 1) % size, i] = 1
        edges.append([edge])
    lmi = lmi_of([-np.ones((size, size))], [[np.eye(size)], *edges])
    objective = np.zeros(size + 1)
    objective[0] = -1
    start = np.zeros(size + 1)
    start[0] = size + 1
    point = maximize_lmi(lmi, objective, start).point
    cosine = np.cos(np.pi / size)
    assert abs(-point.objective - size * cosine / (1 + cosine)) < 1e-7


def test_one_by_one_blocks_make_a_linear_program():
    """max 3u + 2v with u + v <= 4, u + 3v <= 6, 0 <= u <= 3, 0 <= v: 11 at (3, 1)."""
    rows = np.array([[-1, -1], [-1, -3], [-1, 0], [1, 0], [0, 1]], dtype=float)
    lmi = lmi_of(
        [np.array([[c]]) for c in (4.0, 6.0, 3.0, 0.0, 0.0)],
        [[np.array([[row[k]]]) for row in rows] for k in range(2)],
    )
    point = maximize_lmi(lmi, np.array([3.0, 2.0]), np.array([0.5, 0.5])).point
    assert np.allclose(point.y, [3, 1], atol=1e-6)
    assert abs(point.bound - 11) < 1e-7


def test_scaling_the_blocks_does_not_change_the_steps_much():
    constants, matrices, objective = random_program(5)
    lmi = lmi_of(constants, matrices)
    scaled = replace(lmi, constants=tuple(c * 2.0**20 for c in lmi.constants))
    scaled = replace(scaled, value=lmi.value * 2.0**20)
    zero = np.zeros(len(objective))
    plain, other = maximize_lmi(lmi, objective, zero), maximize_lmi(scaled, objective, zero)
    assert np.allclose(plain.point.y, other.point.y, atol=1e-5)
    assert abs(plain.num_steps - other.num_steps) <= 2


def test_it_stops_where_the_caller_asks():
    constants, matrices, objective = random_program(1)
    best = oracle(constants, matrices, objective)
    solution = maximize_lmi(
        lmi_of(constants, matrices),
        objective,
        np.zeros(len(objective)),
        stop=lambda point: point.bound - point.objective < 0.1,
    )
    assert solution.ended == "stop"
    assert solution.point.objective <= best + 1e-9
    assert best - 1e-9 <= solution.point.bound < solution.point.objective + 0.1


def test_the_number_of_steps_is_bounded():
    constants, matrices, objective = random_program(1)
    zero = np.zeros(len(objective))
    solution = maximize_lmi(lmi_of(constants, matrices), objective, zero, max_steps=3)
    assert solution.num_steps == 3
    assert solution.ended == "steps"


def test_an_unbounded_program_ends():
    lmi = lmi_of([np.eye(2)], [[np.eye(2)]])
    solution = maximize_lmi(lmi, np.array([1.0]), np.zeros(1))
    assert solution.ended in ("steps", "stalled", "gap")
    assert solution.point.objective > 1e3


def test_a_start_outside_is_refused():
    lmi = lmi_of([np.diag([1.0, -1.0])], [[np.eye(2)]])
    with pytest.raises(ValueError, match="strictly feasible"):
        maximize_lmi(lmi, np.array([-1.0]), np.zeros(1))
    with pytest.raises(ValueError, match="strictly feasible"):
        maximize_lmi(lmi, np.array([-1.0]), np.ones(1))


def test_equal_programs_take_equal_steps():
    constants, matrices, objective = random_program(9)
    zero = np.zeros(len(objective))
    first = maximize_lmi(lmi_of(constants, matrices), objective, zero)
    again = maximize_lmi(lmi_of(constants, matrices), objective, zero)
    assert first.point.y.tobytes() == again.point.y.tobytes()
    assert first.num_steps == again.num_steps
