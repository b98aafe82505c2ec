"""Every family: exact expansions, exact cancellations, exact refutations."""

import numpy as np
import pytest
from numba import njit
from sampling_oracles import content_of, cube_values, expansion, terms_of

from tasks.records import InputError
from tasks.sos import Polynomial
from tasks.sos.sampling import generation
from tasks.sos.sampling.cells import FAMILIES, SUMS_OF_SQUARES, Cell
from tasks.sos.sampling.constructions import _FIRST, _SECOND
from tasks.sos.sampling.drafts import Draft
from tasks.sos.sampling.expansion import Space, expand
from tasks.sos.sampling.generation import Rows, certificate_of

COUNT, SEED = 8, 5
POINTS = ("n3-d4-m8", "n4-d6-m14", "n1-d3-m2", "n12-d5-m12")
CASES = [
    (family, point)
    for family in FAMILIES
    for point in POINTS
    if not (family == "outside_cone" and point.startswith("n1-"))
]


def drawn(family, point, count=COUNT):
    return Rows.generate(Cell.of(family, point), seed=SEED, first=0, count=count, terms=True)


@pytest.mark.parametrize(("family", "point"), CASES)
def test_rows_are_the_exact_expansions_of_their_gram_matrices(family, point):
    rows = drawn(family, point)
    for r in range(COUNT):
        certificate = certificate_of(rows.cell, seed=SEED, row=r)
        terms, touched = expansion(certificate)
        left = {a: c for a, c in terms.items() if c}
        assert rows.num_sums[r] == len(terms)
        assert rows.cancelled[r] == len(touched) - len(left)
        squares = [tuple(2 * x for x in b) for b in certificate.basis.tolist()]
        assert rows.hidden[r] == sum(square not in left for square in squares)
        assert np.array_equal(rows.basis_of(r), certificate.basis)
        if family != "negative":
            assert terms_of(rows, r) == left


@pytest.mark.parametrize(("family", "point"), CASES)
def test_bases_and_terms_are_distinct_and_in_order_and_within_the_degree(family, point):
    rows, cell = drawn(family, point), Cell.of(family, point)
    for r in range(COUNT):
        basis, (exponents, coefficients) = rows.basis_of(r), rows.terms_of(r)
        for monomials, degree in ((basis, cell.half_degree), (exponents, 2 * cell.half_degree)):
            keys = [(-sum(row), [-x for x in row]) for row in monomials.tolist()]
            assert keys == sorted(keys)
            assert len({tuple(row) for row in monomials.tolist()}) == len(monomials)
            assert (monomials >= 0).all()
            assert monomials.sum(axis=1).max() <= degree
        assert coefficients.all()


@pytest.mark.parametrize("family", SUMS_OF_SQUARES)
def test_sums_of_squares_have_no_diagonal_beside_the_squares(family):
    for row in range(COUNT):
        certificate = certificate_of(Cell.of(family, "n3-d5-m10"), seed=SEED, row=row)
        assert not certificate.diagonal.any()
        assert certificate.factor.any(axis=1).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_content_is_that_of_the_terms_in_any_order(family):
    rows = drawn(family, "n4-d6-m14")
    for r in range(COUNT):
        exponents, coefficients = rows.terms_of(r)
        order = np.random.default_rng(r).permutation(len(exponents))
        assert content_of(exponents[order].astype(np.int64), coefficients[order]) == rows.content[r]
    assert len(set(rows.content.tolist())) == COUNT


def test_the_content_does_not_see_variables_that_do_not_occur():
    exponents, coefficients = np.array([[2, 0], [0, 4]]), np.array([1, -3])
    more = np.hstack([exponents, np.zeros((2, 3), dtype=int)])
    assert content_of(exponents, coefficients) == content_of(more, coefficients)
    assert content_of(exponents, coefficients) != content_of(exponents[:, ::-1], coefficients)


@njit
def expanded(draft, space):
    return expand(draft, space)


@pytest.mark.parametrize(("entry", "is_exact"), [(2**25, True), (2**26 + 1, False)])
def test_what_leaves_exact_arithmetic_is_told(entry, is_exact):
    draft, space = Draft.of(1, 3), Space.of(1, 3, 3, 4)
    draft.basis[:, 0] = powers = np.array([3, 1, 0])
    draft.keys[:] = powers.astype(np.uint64) * draft.multipliers[0]
    draft.factor[0, 0] = draft.factor[2, 0] = entry
    draft.counts[:] = (3, 1)
    count, hidden = expanded(draft, space)
    assert (count, hidden) == ((6, 1) if is_exact else (-1, 0))


@pytest.mark.parametrize("family", ["minimum", "vanishing"])
def test_large_bases_leave_room_in_64_bits(family):
    rows = Rows.generate(Cell.of(family, "n6-d10-m512"), seed=0, first=0, count=2)
    assert rows.sizes.min() > 400


def test_a_row_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(generation, "fill_rows", lambda *_: (-1, 17))
    with pytest.raises(InputError, match="row 17 is too large to expand in 64 bits"):
        Rows.generate(Cell.of("dense", "n2-d2-m3"), seed=1, first=10, count=9)


# --- what the families promise ------------------------------------------------------------------


def test_forms_have_one_degree():
    exponents = drawn("homogeneous", "n4-d6-m14").exponents.reshape(-1, 4)
    assert set(exponents.sum(axis=1, dtype=int).tolist()) == {12}


@pytest.mark.parametrize("family", ["integer", "banded"])
def test_coefficients_are_integers(family):
    assert not (drawn(family, "n4-d6-m14").coefficients % 2**32).any()


def test_minima_are_zero_on_the_cube():
    rows = drawn("minimum", "n4-d6-m14")
    assert [min(cube_values(terms_of(rows, r), 4)) for r in range(COUNT)] == [0] * COUNT


@pytest.mark.parametrize("family", ["vanishing", "binomial_squares"])
def test_squares_of_the_basis_cancel(family):
    rows = drawn(family, "n4-d6-m20", 100)
    assert (rows.hidden > 0).mean() > 0.9


def test_multiples_of_motzkin_hide_squares():
    rows = drawn("multiplied", "n4-d6-m20", 100)
    is_motzkin = rows.structures < 0
    assert 0.3 < is_motzkin.mean() < 0.7
    assert (rows.hidden[is_motzkin] > 0).mean() > 0.5
    assert not rows.hidden[~is_motzkin].any()


@pytest.mark.parametrize(("table", "is_second"), [(_FIRST, False), (_SECOND, True)])
def test_the_identities_of_motzkin_hold(table, is_second):
    names = ("u", "v", "w")

    def polynomial(terms):
        return Polynomial.of(names, terms)

    motzkin = polynomial({(4, 2, 0): 1, (2, 4, 0): 1, (2, 2, 2): -3, (0, 0, 6): 1})
    s = polynomial({(2, 0, 0): 1, (0, 2, 0): 1})
    total = polynomial({})
    for column in range(table[:, 0].max() + 1):
        terms = {tuple(row[1:4]): row[4] for row in table.tolist() if row[0] == column}
        total = total + polynomial(terms) * polynomial(terms)
    wanted = s * s * motzkin if is_second else (s + polynomial({(0, 0, 2): 1})) * motzkin
    assert total == wanted * 4


def test_negative_rows_are_negative_on_the_cube():
    rows = drawn("negative", "n4-d6-m14")
    assert all(min(cube_values(terms_of(rows, r), 4)) < 0 for r in range(COUNT))


def test_rows_outside_the_cone_are_motzkin_in_two_variables_beside_squares_in_more():
    rows = drawn("outside_cone", "n4-d6-m14")
    for r in range(COUNT):
        certificate = certificate_of(rows.cell, seed=SEED, row=r)
        is_motzkin = certificate.diagonal != 0
        assert not certificate.factor[is_motzkin].any()
        places = certificate.basis[is_motzkin].any(axis=0)
        assert places.sum() == 2
        assert certificate.basis[~is_motzkin][:, ~places].any(axis=1).all()
        terms = terms_of(rows, r)
        rest = np.array(list(terms))[:, ~places]
        inside = [a for a, other in zip(terms, rest, strict=True) if not other.any()]
        inner = {tuple(np.array(a)[places].tolist()): terms[a] for a in inside}
        weight = inner[0, 0]
        assert weight > 0
        assert inner == {(4, 2): weight, (2, 4): weight, (2, 2): -3 * weight, (0, 0): weight}


# --- cells --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "point", "message"),
    [
        ("dence", "n2-d2-m3", "no family 'dence'"),
        ("dense", "2,2,3", "write it like n6-d10-m30"),
        ("dense", "n0-d2-m3", "n is 1 to 256"),
        ("dense", "n2-d64-m3", "d is 1 to 63"),
        ("dense", "n2-d2-m0", "m is 1 to 512"),
        ("outside_cone", "n2-d4-m5", "n is 3 to 256"),
        ("vanishing", "n2-d1-m5", "d is 2 to 63"),
    ],
)
def test_what_is_no_cell_is_refused(family, point, message):
    with pytest.raises(InputError, match=message):
        Cell.of(family, point)


@pytest.mark.parametrize("name", ["dense-n6-d10-m30", "outside_cone-n3-d3-m1"])
def test_names_of_cells_are_read_back(name):
    assert Cell.parse(name).name == name
