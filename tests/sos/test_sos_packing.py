import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.sos.polynomials._packing import Packing, largest_digits

ROWS = st.integers(0, 12).flatmap(
    lambda n: st.lists(
        st.tuples(*[st.integers(0, 3) | st.integers(0, 2**31 - 1)] * n), min_size=1, max_size=6
    ).map(lambda rows: np.array(rows, dtype=np.int32).reshape(len(rows), n))
)


@given(ROWS)
def test_rows_are_packed_in_order_and_unpacked(rows):
    packing = Packing(largest_digits(rows))
    words = packing.words(rows)
    assert np.array_equal(packing.rows(words), rows)
    keys = [(int(row.sum(dtype=np.int64)), *row.tolist()) for row in rows]
    by_words = sorted(range(len(rows)), key=lambda k: words[k].tolist())
    assert [keys[k] for k in by_words] == sorted(keys)


@given(ROWS)
def test_words_add_as_rows_do(rows):
    rows, other = rows // 4, rows[::-1] // 2
    packing = Packing(largest_digits(rows + other))
    assert np.array_equal(packing.rows(packing.words(rows) + packing.words(other)), rows + other)


def test_few_words_hold_many_small_exponents():
    assert Packing([20] + [10] * 6).num_words == 1
    assert Packing([60] + [1] * 100).num_words == 2
    assert Packing([2**31 - 1] * 4).num_words == 2
