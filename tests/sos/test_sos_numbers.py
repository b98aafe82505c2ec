import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polynomial_strategies import fractions

from tasks.records import InputError
from tasks.sos import Polynomial, rational


def as_fraction(value):
    return Fraction(int(value.p), int(value.q))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_taken_exactly(value):
    assert as_fraction(rational(value)) == Fraction(value)


@given(fractions(60))
def test_fractions_are_read_back_from_their_text(value):
    assert as_fraction(rational(value)) == as_fraction(rational(str(value))) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
def test_decimals_are_read_as_written(value):
    assert as_fraction(rational(str(value))) == Fraction(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(" 3 ", "3"), ("-3/2", "-3/2"), ("+1.50", "3/2"), (".5", "1/2"), ("2.", "2"), ("1E3", "1000")],
)
def test_numbers_are_written_in_these_ways(text, expected):
    assert str(rational(text)) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(math.nan, math.inf, -math.inf, np.float64("nan"), True, None, 1j, [1], "", " ", "nan"),
        *("inf", "1/0", "1/-2", "1/2/3", "0x10", "1_000", "٣", "1e", "1 2", "--1", "1e99999999999"),
        *("9" * 100_001, b"1"),
    ],
)
def test_what_is_no_rational_number_is_refused_in_one_line(value):
    with pytest.raises(InputError) as caught:
        rational(value)
    assert len(str(caught.value)) < 200
    with pytest.raises(InputError):
        Polynomial.of(("x",), {(1,): value})
