from itertools import product

import cvxpy as cp
import numpy as np
import pytest
from flint import fmpq
from optimization_problems import INLINE, as_float, benchmark, is_valid, polynomials

from tasks.records import InputError
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.optimization.bounds import candidate_levels, lower_bound
from tasks.sos.optimization.recession import refute_all_levels
from tasks.sos.verdict import Verdict


def level_by_cvxpy(p):
    """The largest gamma over the full basis, by another model and without reductions."""
    basis = full_basis(p.num_variables, p.degree // 2)
    gram, gamma = cp.Variable((len(basis), len(basis)), PSD=True), cp.Variable()
    sums = {}
    for (i, b), (j, c) in product(enumerate(basis.tolist()), repeat=2):
        sums.setdefault(tuple(map(sum, zip(b, c, strict=True))), []).append(gram[i, j])
    equations = [
        cp.sum(cp.hstack(entries)) + (0 if any(row) else gamma) == as_float(p.coefficient(row))
        for row, entries in sums.items()
    ]
    return cp.Problem(cp.Maximize(gamma), equations).solve(solver="CLARABEL")


@pytest.mark.parametrize(
    ("name", "minimum"),
    [
        ("himmelblau", 0),
        ("booth", 0),
        ("matyas", 0),
        ("gen_rosenbrock_2", 0),
        ("trid_6", -50),
        ("magnetism_7", fmpq(-1, 4)),
        ("neg_himmelblau_minus1", -1),
        ("partition_yes_12346", 0),
    ],
)
def test_a_rational_minimum_is_certified_with_gap_zero(name, minimum):
    bound = lower_bound(benchmark(name), choice=INLINE)
    assert bound.verdict is Verdict.PROVED
    assert bound.lower == minimum
    assert bound.gap == 0
    assert benchmark(name).evaluate(bound.point) == bound.value
    assert bound.certificate.bound == minimum
    assert is_valid(bound.certificate)


@pytest.mark.parametrize(
    ("name", "minimum"),
    [("six_hump_camel", -1.0316284534898774), ("styblinski_tang_2", -78.33233140754284)],
)
def test_an_irrational_minimum_lies_between_the_certified_bound_and_a_value(name, minimum):
    bound = lower_bound(benchmark(name), choice=INLINE)
    assert is_valid(bound.certificate)
    assert as_float(bound.lower) <= minimum <= as_float(bound.value) + 1e-12
    assert as_float(bound.gap) < 1e-5 * (1 + abs(minimum))


def test_the_tolerance_says_how_far_below_the_bound_may_be():
    p = benchmark("six_hump_camel")
    coarse, fine = (lower_bound(p, tolerance=t, choice=INLINE) for t in (1e-2, 1e-7))
    assert 1e-3 < as_float(coarse.gap) < 5e-2
    assert as_float(fine.gap) < 1e-6
    assert is_valid(fine.certificate)


@pytest.mark.parametrize(
    "text",
    ["x^4 - 3*x*y + y^4 - x", "x^6 + y^6 - 2*x^2*y + x*y^3", "(x*y - 1)^2 + x^2 + 1/3*y^4"],
)
def test_the_numerical_bound_is_that_of_another_model(text):
    [p] = polynomials("x y", text)
    bound = lower_bound(p, choice=INLINE)
    assert bound.numerical == pytest.approx(level_by_cvxpy(p), abs=1e-5)
    assert as_float(bound.lower) <= bound.numerical + 1e-5
    assert is_valid(bound.certificate)


@pytest.mark.parametrize("text", ["x^8 - 10000*x^2", "x^8 - x^2", "x^6 - 3*x^2"])
def test_a_small_basis_without_a_bound_is_completed(text):
    """x^8 - c x^2 + gamma has no representation with 1, x, x^4 alone."""
    bound = lower_bound(parse_polynomial(text), choice=INLINE)
    assert bound.verdict is Verdict.PROVED and is_valid(bound.certificate)
    assert bound.gap is not None and bound.gap < fmpq(1) * (1 - bound.lower) / 1000


def test_a_badly_scaled_polynomial_gets_its_bound():
    bound = lower_bound(benchmark("brown_badly_scaled"), choice=INLINE)
    assert bound.lower == 0
    assert is_valid(bound.certificate)


@pytest.mark.parametrize(
    "name", ["motzkin", "berg_christensen_jensen", "robinson_form", "choi_lam_quartic"]
)
def test_no_constant_makes_these_sums_of_squares_and_that_is_proved(name):
    p = benchmark(name)
    bound = lower_bound(p, choice=INLINE)
    assert bound.verdict is Verdict.REFUTED_SOS
    assert bound.numerical == -np.inf
    assert bound.lower is None and bound.gap is None
    assert is_valid(bound.certificate)
    # The functional does not see the constant, by which the polynomial may differ.
    zero = (0,) * p.num_variables
    assert zero not in dict(bound.certificate.functional)
    assert (bound.certificate.polynomial - p).degree <= 0


def test_the_refutation_of_all_levels_holds_for_other_constants_too():
    p = benchmark("motzkin")
    certificate = refute_all_levels(p, INLINE)
    for constant in (1, 1000, -7):
        data = certificate.to_data() | {"polynomial": (p - p.evaluate((0, 0)) + constant)}
        other = type(certificate).of(
            data["polynomial"],
            inequalities=certificate.inequalities,
            removed=certificate.removed,
            functional=dict(certificate.functional),
        )
        assert is_valid(other)


def test_a_polynomial_with_a_bound_has_no_refutation_of_all_levels():
    assert refute_all_levels(benchmark("himmelblau"), INLINE) is None


@pytest.mark.parametrize("text", ["x^3 + y^2", "x^4 - 3*x^2*y^2 + y^4", "-x^2", "x + 1"])
def test_a_negative_leading_form_proves_that_there_is_no_bound(text):
    [p] = polynomials("x y", text)
    bound = lower_bound(p, choice=INLINE)
    assert bound.verdict is Verdict.NEGATIVE
    assert is_valid(bound.certificate)
    assert bound.certificate.polynomial.is_homogeneous
    assert bound.certificate.polynomial.degree == p.degree


@pytest.mark.parametrize(("text", "value"), [("7/3", fmpq(7, 3)), ("0", fmpq(0)), ("-2", fmpq(-2))])
def test_a_constant_is_its_own_bound(text, value):
    [p] = polynomials("x y", text)
    bound = lower_bound(p, choice=INLINE)
    assert (bound.lower, bound.value) == (value, value)
    assert is_valid(bound.certificate)


@pytest.mark.parametrize("tolerance", [0, -1, float("nan"), 2])
def test_a_wrong_tolerance_is_refused(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        lower_bound(benchmark("booth"), tolerance=tolerance)


def test_levels_begin_with_the_value_and_then_fall_from_the_optimum():
    levels = list(candidate_levels(-0.50000001, fmpq(-1, 2), 1e-6))
    assert levels[0] == fmpq(-1, 2)
    assert len(set(levels)) == len(levels)
    below = [as_float(level) for level in levels if level < fmpq(-1, 2)]
    assert below == sorted(below, reverse=True)
    assert -0.50001 < below[0] < -0.500001


def test_a_value_far_above_the_optimum_is_not_tried():
    assert fmpq(1) not in list(candidate_levels(0.25, fmpq(1), 1e-6))
