import numpy as np
import pytest

from tasks.lattice import minkowski_sums, positions, sort_monomials
from tasks.lattice.monomials import as_rows, row_keys
from tasks.records import InputError


def graded(row):
    """Sort key of the graded lexicographic order, higher first."""
    return (-sum(row), [-entry for entry in row])


@pytest.mark.parametrize(("num_variables", "largest"), [(1, 3), (3, 4), (40, 9), (5, 2**31 - 1)])
def test_sorting_is_graded_lexicographic_and_drops_duplicates(num_variables, largest):
    rng = np.random.default_rng(num_variables)
    rows = rng.integers(0, largest, (200, num_variables), endpoint=True)
    rows = np.concatenate([rows, rows[:50]])
    expected = sorted({tuple(row) for row in rows.tolist()}, key=graded)
    assert sort_monomials(rows).tolist() == [list(row) for row in expected]


@pytest.mark.parametrize("largest", [3, 2**31 - 1])
def test_keys_compare_as_the_rows_do(largest):
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, largest, (2, 60, 9))
    second[:20] = first[:20]
    keys, others = row_keys(first, second)
    for row, key in zip(first.tolist(), keys.tolist(), strict=True):
        for other, other_key in zip(second.tolist(), others.tolist(), strict=True):
            assert (key < other_key, key == other_key) == (row < other, row == other)


def test_positions_find_rows_and_mark_strangers():
    table = np.array([[1, 2], [0, 5], [3, 3]])
    rows = np.array([[3, 3], [0, 4], [1, 2], [-1, 9]])
    assert positions(rows, table).tolist() == [2, -1, 0, -1]
    assert positions(rows, table[:0]).tolist() == [-1] * 4
    assert positions(rows[:0], table).tolist() == []


def test_sums_are_distinct_sorted_and_indexed():
    rng = np.random.default_rng(2)
    first = sort_monomials(rng.integers(0, 3, (8, 3)))
    second = sort_monomials(rng.integers(0, 3, (5, 3)))
    sums = minkowski_sums(first, second)
    assert sums.index.shape == (len(first), len(second))
    assert (sums.rows[sums.index] == first[:, None] + second[None]).all()
    assert (sort_monomials(sums.rows) == sums.rows).all()


def test_sums_of_a_table_with_itself_are_symmetric():
    sums = minkowski_sums(sort_monomials([[2, 0], [1, 1], [0, 2]]))
    assert sums.index.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]


def test_the_empty_table_has_no_sums():
    sums = minkowski_sums(np.zeros((0, 3), dtype=np.int32))
    assert sums.rows.shape == (0, 3)
    assert sums.index.shape == (0, 0)


def test_monomials_in_no_variable_are_all_1():
    assert sort_monomials(np.zeros((4, 0), dtype=int)).shape == (1, 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, -1]], "integers from 0"),
        ([[0.5, 1.0]], "integers from 0"),
        ([[2**31]], "integers from 0"),
        ([1, 2], "one row per monomial"),
        ([[1], [1, 2]], "equal length"),
    ],
)
def test_wrong_exponents_are_refused(rows, message):
    with pytest.raises(InputError, match=message):
        as_rows(rows)
