"""Exact numbers, forbidden distances and lattices."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.coloring import Forbidden, Lattice, parse_distances
from tasks.coloring.certificates.distances import Distance, Interval
from tasks.coloring.certificates.lattices import combination, dot
from tasks.coloring.certificates.numbers import (
    Surd,
    as_number,
    check_surd,
    format_number,
    parse_number,
)
from tasks.records import InputError

fractions = st.fractions(min_value=-50, max_value=50, max_denominator=40)
surds = st.builds(lambda a, b: Surd.of(a, b, 7), fractions, fractions)
nonzero = surds.filter(bool)


def decimal(number):
    """The number to 60 digits, by the square root of the standard library."""
    with localcontext() as context:
        context.prec = 60
        parts = [Decimal(q.numerator) / Decimal(q.denominator) for q in (number.a, number.b)]
        return parts[0] + parts[1] * Decimal(number.n).sqrt()


@settings(max_examples=40, deadline=None)
@given(surds, surds, nonzero)
def test_surds_are_a_field(x, y, z):
    assert (x + y) * z == x * z + y * z
    assert x - y == -(y - x)
    assert (x / z) * z == x
    assert z.inverse() * z == 1
    assert abs(decimal(x * y) - decimal(x) * decimal(y)) < Decimal("1e-20")


@settings(max_examples=40, deadline=None)
@given(surds, surds)
def test_surds_are_ordered_as_their_decimals(x, y):
    assert (x < y) == (decimal(x) < decimal(y))
    assert (x == y) == (hash(x) == hash(y) and not x < y and not y < x)


@given(st.integers(1, 40))
def test_the_float_of_a_surd_that_nearly_cancels_is_exact_to_the_last_bits(k):
    power = Surd.of(1)
    for _ in range(k):
        power *= Surd.of(3, -1, 8)  # (3 - sqrt 8)^k tends to 0
    assert float(power) == pytest.approx(float(decimal(power)), rel=1e-15)


def test_numbers_beyond_floats_become_infinite():
    assert float(Surd.of(10**400)) == inf
    assert float(Surd.of(-(10**400), 1, 2)) == -inf
    assert float(Surd.of(Fraction(1, 10**400))) == 0


def test_surds_of_different_fields_do_not_mix():
    with pytest.raises(InputError, match="different surds"):
        Surd.of(1, 1, 2) + Surd.of(1, 1, 3)
    assert Surd.of(1, 1, 2) + Surd.of(1, 0, 3) == Surd.of(2, 1, 2)


@given(st.one_of(surds, fractions.map(Surd.of), st.integers().map(Surd.of)))
def test_texts_of_numbers_are_read_back(x):
    assert parse_number(format_number(x), 7) == x


def test_texts_of_numbers_are_decimals_where_these_are_short():
    texts = ("-0.17407057", "3", "0.0625", "-2", "1/3", "-22/7")
    assert [format_number(parse_number(text)) for text in texts] == list(texts)
    assert format_number(Fraction(1, 2**40)) == "1/1099511627776"


@pytest.mark.parametrize(
    "text",
    ["", "1e5", "+1", ".5", "1.", "1/0", "nan", "inf", "1_000", " 1", "١", "1/-2", "0x1",
     "1" * 1001, 1, 1.5, None, True, ["1", "2"], {}],
)  # fmt: skip
def test_what_is_not_a_number_of_a_file_is_refused_in_one_line(text):
    with pytest.raises(InputError, match="is not a number") as caught:
        parse_number(text)
    assert len(str(caught.value)) < 250


def test_a_pair_is_a_number_where_there_is_a_surd():
    assert parse_number(["1/2", "-0.5"], 3) == Surd.of(Fraction(1, 2), Fraction(-1, 2), 3)
    with pytest.raises(InputError, match="is not a number"):
        parse_number(["1", "2", "3"], 3)


@pytest.mark.parametrize("n", [0, 1, -3, 4, 12, 18, 49, 2.0, "3", True, 10**10])
def test_a_surd_must_be_squarefree(n):
    with pytest.raises(InputError, match="squarefree"):
        check_surd(n)


def test_python_numbers_are_taken_as_they_are_written():
    assert as_number(0.1) == Fraction(1, 10)
    assert as_number(np.float64(-1e-7)) == Fraction(-1, 10**7)
    assert as_number("0.45") == Fraction(9, 20)
    for bad in (nan, inf, None, True, "x", [1]):
        with pytest.raises(InputError, match="not a"):
            as_number(bad)


def test_distances_are_read_for_all_for_each_and_by_color():
    one = (Interval.of(1),)
    assert parse_distances(None, 2) == Forbidden((one, one))
    assert parse_distances(1.0, 2) == parse_distances("1", 2) == parse_distances(["1", 1], 2)
    by_color = parse_distances({"1": "0.354 - 0.553, 2"}, 3)
    assert by_color[0] == by_color[2] == one
    assert by_color[1] == (Interval.of("0.354", "0.553"), Interval.of(2))
    assert by_color == parse_distances([1, [[0.354, 0.553], [2, 2]], "1"], 3)
    assert by_color == parse_distances(by_color, 3)


def test_roots_are_distances():
    root = parse_distances("sqrt(5/4)", 1)[0][0].low
    assert root.value is None and root.square == Fraction(5, 4) and float(root) == 1.25**0.5
    assert parse_distances("sqrt(1/4)-1", 1)[0][0] == Interval.of("0.5", 1)
    assert Distance.of("1.118") < root < Distance.of("1.1181")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(fractions, fractions), min_size=1, max_size=3))
def test_records_of_distances_are_read_back(pairs):
    intervals = [Interval.of(*sorted((abs(a) + 1, abs(b) + 1))) for a, b in pairs]
    forbidden = Forbidden((tuple(intervals), (Interval.parse("sqrt(2)"),)))
    assert Forbidden.from_record(forbidden.record()) == forbidden


@pytest.mark.parametrize(
    ("given", "num_colors", "words"),
    [
        ("1", 0, "number of colors"),
        ("1", -1, "number of colors"),
        ("1", 201, "number of colors"),
        ("1", 1.5, "number of colors"),
        ([], 2, "0 distances for 2 colors"),
        (["1"], 2, "1 distances for 2 colors"),
        ([[]], 1, "forbids no distance"),
        ("", 1, "is not a distance"),
        ("one", 1, "is not a distance"),
        ("0", 1, "must be positive"),
        (-1, 1, "must be positive"),
        (nan, 1, "not a finite number"),
        (inf, 1, "not a finite number"),
        ("0.6-0.4", 1, "the wrong way round"),
        ([[0.6, 0.4]], 1, "the wrong way round"),
        ({"5": "0.45"}, 5, "color '5', which does not exist"),
        ({"-1": "0.45"}, 5, "which does not exist"),
        ({"x": "0.45"}, 5, "which does not exist"),
        ({"": "0.45"}, 5, "which does not exist"),
        ({"00000000009": "0.45"}, 5, "which does not exist"),
        ({"4": "0.45", "04": "0.5"}, 5, "color 4 twice, as '4' and as '04'"),
        ({4: "0.45", "4": "0.5"}, 5, "color 4 twice, as 4 and as '4'"),
    ],
)
def test_wrong_distances_are_refused(given, num_colors, words):
    with pytest.raises(InputError, match=words):
        parse_distances(given, num_colors)


def test_lattices_are_exact():
    lattice = Lattice.parse([["-0.17407057", "3.8842025"], ["-3.48389", "1.8401014"]])
    assert lattice.determinant == Fraction("-0.17407057") * Fraction("1.8401014") + Fraction(
        "3.8842025"
    ) * Fraction("3.48389")
    assert lattice.texts() == [["-0.17407057", "3.8842025"], ["-3.48389", "1.8401014"]]
    assert lattice == Lattice.parse(np.array([[-0.17407057, 3.8842025], [-3.48389, 1.8401014]]))
    hexagonal = Lattice.parse([["1", "0"], ["1/2", ["0", "1/2"]]], 3)
    assert hexagonal.surd == 3 and hexagonal.determinant == Surd.of(0, Fraction(1, 2), 3)
    assert hexagonal.gram[1][1] == 1
    assert hexagonal.floats[1, 1] == 3**0.5 / 2


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        ([["1", "2"], ["2", "4"]], "parallel"),
        ([["1", "0"], ["0", "0"]], "parallel"),
        ([["1", "0", "0"], ["0", "1", "0"], ["1", "1", "0"]], "in one plane"),
        ([["1", "0"]], "2 vectors of the plane"),
        ([["1", "0", "0"], ["0", "1", "0"]], "2 vectors of the plane"),
        ([["1", "x"], ["0", "1"]], "is not a number"),
        ([[1.0, nan], [0.0, 1.0]], "not a finite number"),
        ([["1", ["0", "1"]], ["0", "1"]], "is not a number"),
        (["10", "01"], "list of vectors"),
        (None, "list of vectors"),
    ],
)
def test_what_is_not_a_lattice_is_refused(vectors, words):
    with pytest.raises(InputError, match=words):
        Lattice.parse(vectors)


entries = st.lists(surds, min_size=9, max_size=9)


@settings(max_examples=25, deadline=None)
@given(entries, st.integers(2, 3), st.integers(-30, 30), st.integers(-30, 30))
def test_reduced_bases_are_shortest(numbers, n, skew, more):
    rows = [tuple(numbers[n * i : n * i + n]) for i in range(n)]
    rows[-1] = tuple(
        x + skew * y + more * z for x, y, z in zip(rows[-1], rows[0], rows[-2], strict=True)
    )
    try:
        lattice = Lattice(tuple(rows))
    except InputError:
        return
    reduced, transform = lattice.reduced()
    assert round(abs(np.linalg.det(np.array(transform)))) == 1
    assert reduced.vectors == tuple(combination(row, lattice.vectors) for row in transform)
    lengths = [dot(v, v) for v in reduced.vectors]
    assert lengths == sorted(lengths)
    for k, length in enumerate(lengths):  # Minkowski: no combination that ends in b_k is shorter
        for c in np.ndindex(*(3,) * k):
            other = combination([*(int(i) - 1 for i in c), 1], reduced.vectors[: k + 1])
            assert dot(other, other) >= length
