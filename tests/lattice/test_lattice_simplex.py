import numpy as np
import pytest
from scipy.optimize import linprog

from tasks.lattice import _simplex
from tasks.lattice._simplex import maxima


def random_program(rng):
    """Columns in a simplex, so that every program is bounded; half of them feasible for sure."""
    k, num_columns = int(rng.integers(1, 7)), int(rng.integers(1, 30))
    columns = np.column_stack(
        [np.ones(num_columns, dtype=np.int64), rng.integers(0, 6, (num_columns, k))]
    )
    if rng.random() < 0.5:
        target = (rng.integers(0, 3, num_columns) + 1) @ columns
    else:
        target = np.append(1, rng.integers(0, 6, k))
    return columns, target, rng.integers(-5, 6, (2, num_columns))


def check(columns, target, cost, optimum):
    """The optimality conditions in integers, and the value against HiGHS."""
    wide = columns.astype(object)
    values = wide @ np.array(optimum.multipliers, dtype=object)
    value = sum(y * int(q) for y, q in zip(optimum.multipliers, target, strict=True))
    oracle = linprog(-cost.astype(float), A_eq=columns.T.astype(float), b_eq=target.astype(float))
    assert optimum.is_feasible == (oracle.status == 0)
    if optimum.is_feasible:
        assert optimum.denominator > 0
        assert (values >= optimum.denominator * cost.astype(object)).all()
        assert value / optimum.denominator == pytest.approx(-oracle.fun, abs=1e-7)
    else:
        assert (values <= 0).all()
        assert value > 0


@pytest.mark.parametrize("seed", range(60))
def test_optima_are_exact_and_agree_with_a_float_solver(seed):
    columns, target, costs = random_program(np.random.default_rng(seed))
    optima = maxima(columns, target, costs)
    for cost, optimum in zip(costs, optima, strict=False):
        check(columns, target, cost, optimum)
    assert len(optima) == (len(costs) if optima[0].is_feasible else 1)


@pytest.mark.parametrize("seed", range(20))
def test_long_integers_give_the_same_answers(seed, monkeypatch):
    columns, target, costs = random_program(np.random.default_rng(seed))
    narrow = maxima(columns, target, costs)
    monkeypatch.setattr(_simplex, "_LARGEST_ENTRY", 3)
    assert maxima(columns, target, costs) == narrow


def test_an_overflow_is_noticed():
    scale = 2**19
    columns = np.array([[1, scale, 1], [1, 3, scale], [1, 1, 1], [1, scale - 1, scale - 3]])
    target, cost = np.array([1, 1000, 1000]), np.array([[1, 1, 0, 1]])
    narrow = (columns, target, cost)
    status = _simplex._solve_compiled(*narrow, _simplex._LARGEST_ENTRY)[0]
    assert status == _simplex._OVERFLOW
    [optimum] = maxima(*narrow)
    check(columns, target, cost[0], optimum)


def test_entries_beyond_the_range_of_products_are_solved_too():
    huge = 2**31 - 1
    columns = np.array([[1, 0, 0], [1, huge, 0], [1, 0, huge]], dtype=np.int64)
    [optimum] = maxima(columns, np.array([1, huge // 3, huge // 3]), np.array([[0, 1, 1]]))
    value = sum(y * q for y, q in zip(optimum.multipliers, (1, huge // 3, huge // 3), strict=True))
    assert value * huge == optimum.denominator * 2 * (huge // 3)


def test_redundant_equations_are_harmless():
    columns = np.array([[1, 2, 2, 4], [1, 0, 0, 0], [1, 4, 4, 8]])
    [optimum] = maxima(columns, np.array([1, 2, 2, 4]), np.array([[0, 1, 1]]))
    value = sum(y * q for y, q in zip(optimum.multipliers, (1, 2, 2, 4), strict=True))
    # (2, 2, 4) is the middle of the last two columns, or the first one.
    assert value == optimum.denominator


def test_an_unbounded_program_is_an_error():
    columns = np.array([[1], [-1]])
    with pytest.raises(ArithmeticError, match="unbounded"):
        maxima(columns, np.array([1]), np.array([[1, 1]]))
