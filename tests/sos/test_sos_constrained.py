from fractions import Fraction
from itertools import product

import cvxpy as cp
import numpy as np
import pytest
from flint import fmpq
from optimization_problems import (
    INLINE,
    as_float,
    benchmark,
    cut_of_cycle,
    floudas_two_quartics,
    is_valid,
    polynomials,
    three_disks,
)

from tasks.records import InputError
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.optimization.constrained import certify_on_set, lower_bound_on_set
from tasks.sos.optimization.putinar import PutinarProgram
from tasks.sos.optimization.relaxation import solve_relaxation
from tasks.sos.optimization.semialgebraic import SemialgebraicSet, best_rational_point
from tasks.sos.verdict import Verdict


def level_by_cvxpy(p, inequalities, equalities, order):
    """Lasserre's moment relaxation, written down as it is defined."""
    n = p.num_variables
    rows = full_basis(n, 2 * order)
    place = {tuple(row): k for k, row in enumerate(rows.tolist())}
    moments = cp.Variable(len(rows))

    def functional(q, shift):
        return sum(
            as_float(c) * moments[place[tuple(np.add(a, shift))]] for a, c in q.terms().items()
        )

    one = p * 0 + 1
    conditions = [moments[place[(0,) * n]] == 1]
    for g in [one, *inequalities]:
        basis = full_basis(n, (2 * order - max(g.degree, 0)) // 2)
        entries = [[functional(g, a + b) for b in basis] for a in basis]
        matrix = cp.bmat(entries)
        conditions.append((matrix + matrix.T) / 2 >> 0)
    for h in equalities:
        conditions += [functional(h, row) == 0 for row in full_basis(n, 2 * order - h.degree)]
    problem = cp.Problem(cp.Minimize(functional(p, np.zeros(n, int))), conditions)
    return problem.solve(solver="CLARABEL")


CASES = {
    "disk": ("x y", ["x^2 - x*y + y"], ["1 - x^2 - y^2"], [], 1),
    "box": ("x y", ["x^3 - 2*x*y"], ["1 - x^2", "4 - y^2", "x + y"], [], 2),
    "circle": ("x y", ["x^3 + y"], [], ["x^2 + y^2 - 1"], 2),
    "both": ("x y z", ["x*y + z"], ["z"], ["x^2 + y^2 + z^2 - 2"], 1),
    "scaled": ("x y", ["x^2*y - 90*x"], ["100 - x^2", "4096 - y^2"], [], 2),
}


@pytest.mark.parametrize("case", CASES)
def test_the_relaxation_is_that_of_another_model(case):
    names, objective, inequalities, equalities, order = CASES[case]
    [p] = polynomials(names, *objective)
    g, h = polynomials(names, *inequalities), polynomials(names, *equalities)
    program = PutinarProgram.of(p, SemialgebraicSet.of(p.variables, g, h), order)
    level = program.bound(solve_relaxation(program.program, INLINE).level)
    assert level == pytest.approx(level_by_cvxpy(p, g, h, order), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_bounds_are_certified_and_below_all_values(case):
    names, objective, inequalities, equalities, order = CASES[case]
    [p] = polynomials(names, *objective)
    g, h = polynomials(names, *inequalities), polynomials(names, *equalities)
    bound = lower_bound_on_set(p, g, h, order=order, choice=INLINE)
    assert bound.verdict is Verdict.PROVED
    assert is_valid(bound.certificate)
    assert bound.certificate.bound == bound.lower
    assert bound.gap >= 0
    assert as_float(bound.lower) >= bound.numerical - 1e-3 * (1 + abs(bound.numerical))
    region = SemialgebraicSet.of(p.variables, g, h)
    assert region.contains(bound.point)
    assert p.evaluate(bound.point) == bound.value


def test_motzkin_on_a_box_is_nonnegative_by_a_putinar_certificate():
    p = benchmark("motzkin")
    box = polynomials("x y", "4 - x^2", "4 - y^2")
    bound = lower_bound_on_set(p, box, order=4, choice=INLINE)
    assert (bound.lower, bound.gap) == (0, 0)
    assert is_valid(bound.certificate)
    assert len(bound.minimizers.points) == 4


@pytest.mark.parametrize(("n", "order", "minimum"), [(4, 1, -4), (5, 2, -3), (6, 1, -6)])
def test_the_cut_of_a_cycle_is_found_exactly(n, order, minimum):
    p, signs = cut_of_cycle(n)
    bound = lower_bound_on_set(p, [], signs, order=order, choice=INLINE)
    assert (bound.lower, bound.value) == (minimum, minimum)
    assert is_valid(bound.certificate)
    by_hand = min(sum(s[i] * s[i - 1] for i in range(n)) for s in product((-1, 1), repeat=n))
    assert bound.lower == by_hand


def test_the_first_relaxation_of_an_odd_cycle_leaves_a_gap():
    p, signs = cut_of_cycle(5)
    bound = lower_bound_on_set(p, [], signs, order=1, choice=INLINE)
    # 5 cos(4 pi / 5), the bound of Goemans and Williamson.
    assert as_float(bound.lower) == pytest.approx(5 * np.cos(0.8 * np.pi), abs=1e-4)
    assert bound.gap > 1
    assert is_valid(bound.certificate)


def test_a_concave_quadratic_on_a_nonconvex_set_is_minimized_exactly():
    bound = lower_bound_on_set(*three_disks(), order=2, choice=INLINE)
    assert (bound.lower, bound.gap) == (-2, 0)
    assert is_valid(bound.certificate)


@pytest.mark.solver
def test_two_quartics_are_bounded_to_five_digits():
    bound = lower_bound_on_set(*floudas_two_quartics(), order=4, choice=INLINE)
    assert as_float(bound.lower) == pytest.approx(-5.508013, abs=1e-3)
    assert 0 <= as_float(bound.gap) < 1e-3
    assert is_valid(bound.certificate)


def test_a_trigonometric_polynomial_is_minimized_on_the_circle():
    # With c = cos t, s = sin t: cos 2t + cos t = 2 c^2 - 1 + c, least at c = -1/4.
    p, circle = polynomials("c s", "2*c^2 - 1 + c", "c^2 + s^2 - 1")
    bound = lower_bound_on_set(p, [], [circle], choice=INLINE)
    assert bound.lower == fmpq(-9, 8)
    assert is_valid(bound.certificate)
    assert np.allclose(bound.minimizers.points[:, 0], -0.25, atol=1e-6)


def test_an_irrational_face_is_found_from_many_digits_of_the_minimizers():
    # The minimizers of x y are (1, -1) / sqrt 2 and its negative; the bound is rational.
    p, circle = polynomials("x y", "x*y", "x^2 + y^2 - 1")
    bound = lower_bound_on_set(p, [], [circle], order=2, choice=INLINE)
    assert bound.lower == fmpq(-1, 2)
    assert 0 < as_float(bound.gap) < 1e-20
    assert is_valid(bound.certificate)


@pytest.mark.parametrize(
    ("names", "constraints"),
    [("x", ["-1 - x^2"]), ("x", ["x - 1", "-x"]), ("x y", ["1 - x^2 - y^2", "x - 2"])],
)
def test_an_empty_set_is_proved_empty(names, constraints):
    [p, *g] = polynomials(names, "x", *constraints)
    bound = lower_bound_on_set(p, g, choice=INLINE)
    assert bound.is_empty
    assert bound.numerical == np.inf
    assert bound.certificate.polynomial.coefficient((0,) * p.num_variables) == -1
    assert is_valid(bound.certificate)


def test_a_constant_is_its_own_bound_on_a_set():
    p, g, h = polynomials("x y", "5", "1 - x^2", "x*y - 1")
    bound = lower_bound_on_set(p, [g], [h], choice=INLINE)
    assert (bound.verdict, bound.lower) == (Verdict.PROVED, 5) and is_valid(bound.certificate)
    outcome = certify_on_set(p - 5, [g], [h], choice=INLINE)
    assert outcome.verdict is Verdict.PROVED and is_valid(outcome.certificate)


def test_equations_that_contradict_each_other_are_proved_to():
    """1 = x - (x - 1); there is no Gram matrix in it."""
    p, *equations = polynomials("x", "x", "x", "x - 1")
    bound = lower_bound_on_set(p, [], equations, choice=INLINE)
    assert bound.verdict is Verdict.PROVED and bound.is_empty and is_valid(bound.certificate)
    outcome = certify_on_set(-p * p, [], equations, choice=INLINE)
    assert outcome.verdict is Verdict.PROVED and is_valid(outcome.certificate)


def test_a_problem_without_a_bound_is_undecided():
    p, g = polynomials("x", "-x", "x^3")
    bound = lower_bound_on_set(p, [g], choice=INLINE)
    assert bound.verdict is Verdict.UNDECIDED
    assert bound.lower is None


# --- certificates -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "texts", "num_inequalities"),
    [
        ("x y", ["2 + x + y", "1 - x^2 - y^2"], 1),
        ("x y", ["x^3 - 1/10", "x - 1", "1 - y"], 2),
        ("x y", ["3/2 + x + y", "1 - x^2 - y^2"], 0),
        ("x y", ["10^6 - x*y", "10^6 - x^2 - y^2"], 1),
    ],
)
def test_nonnegative_polynomials_are_certified_on_sets(names, texts, num_inequalities):
    p, *constraints = polynomials(names, *texts)
    g, h = constraints[:num_inequalities], constraints[num_inequalities:]
    outcome = certify_on_set(p, g, h, choice=INLINE)
    assert outcome.verdict is Verdict.PROVED
    assert is_valid(outcome.certificate)
    assert set(outcome.seconds) == {"search", "solve", "prove"}


def test_a_certificate_states_the_constraints_that_it_needs():
    p, g = polynomials("x y", "2 + x + y", "1 - x^2 - y^2")
    certificate = certify_on_set(p, [g], choice=INLINE).certificate
    assert certificate.constraints == (g,)
    statement = verify_sos_certificate(certificate.to_data()).statement
    assert statement == "p >= 0 on the set given by 1 inequality"
    stripped = certificate.to_data() | {"constraints": []}
    assert not verify_sos_certificate(stripped).valid


@pytest.mark.parametrize(
    ("p", "g", "h"),
    [
        ("1 + x + y", ["1 - x^2 - y^2"], []),
        ("1 + x + y", [], ["x^2 + y^2 - 1"]),
        ("x*y", ["x", "1 - x^2"], ["y^2 - 1"]),
        ("x^2 + y^2 - 2", ["x", "1 - x", "y", "1 - y"], []),
    ],
)
def test_a_polynomial_that_is_negative_on_a_set_gets_a_rational_point_of_the_set(p, g, h):
    [objective] = polynomials("x y", p)
    inequalities, equalities = polynomials("x y", *g), polynomials("x y", *h)
    outcome = certify_on_set(objective, inequalities, equalities, choice=INLINE)
    assert outcome.verdict is Verdict.NEGATIVE
    assert is_valid(outcome.certificate)
    assert outcome.certificate.constraints == tuple(inequalities)
    assert outcome.certificate.equalities == tuple(equalities)
    point = outcome.certificate.point
    assert SemialgebraicSet.of(("x", "y"), inequalities, equalities).contains(point)
    assert objective.evaluate(point) < 0


def test_what_no_order_can_prove_is_undecided():
    # 1 + x >= 0 on (1 - x^2)^3 >= 0 has no certificate of any order (Stengle).
    p, g = polynomials("x", "1 + x", "(1 - x^2)^3")
    for order in (3, 4):
        outcome = certify_on_set(p, [g], order=order, choice=INLINE)
        assert outcome.verdict is Verdict.UNDECIDED
        assert outcome.certificate is None


def test_a_higher_order_can_prove_more():
    # x (1 - x) = x (1 - x)^2 + (1 - x) x^2 has degree 3.
    p, *g = polynomials("x", "x - x^2", "x", "1 - x")
    first, second = (certify_on_set(p, g, order=d, choice=INLINE) for d in (1, 2))
    assert (first.verdict, second.verdict) == (Verdict.UNDECIDED, Verdict.PROVED)
    assert is_valid(second.certificate)


def test_equalities_make_monomials_of_the_basis_superfluous():
    p, signs = cut_of_cycle(5)
    program = PutinarProgram.of(p, SemialgebraicSet.of(p.variables, [], signs), 2)
    # Squarefree monomials only, by parity: 1 and x_i x_j; x_i.
    assert program.program.sizes == (11, 5)
    assert all(block.basis.max() == 1 for block in program.program.blocks)


def test_rational_points_on_a_sphere_are_exact():
    p, sphere = polynomials("x y z", "x + 2*y + 3*z", "x^2 + y^2 + z^2 - 1")
    region = SemialgebraicSet.of(p.variables, [], [sphere])
    direction = -np.array([1.0, 2.0, 3.0]) / 14**0.5
    point, value = best_rational_point(p, region, [direction])
    assert sphere.evaluate(point) == 0
    assert Fraction(str(value)) == pytest.approx(-(14**0.5), abs=1e-9)


# --- wrong input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("g", "h", "order", "message"),
    [
        (["1 - x^4"], [], 1, "order 1: .* from 2 on"),
        (["1 - x^2"], [], 1.5, "order 1.5"),
        (["1 - x^2"], [], 0, "order 0"),
        (["1 - x^2"], [], 40, "861 monomials"),
        (["-1"], [], None, "inequality 0 says -1 >= 0: the set is empty"),
        (["x", "-1/2"], [], None, "inequality 1 says -1/2 >= 0"),
        ([], ["3"], None, "equality 0 says 3 = 0: the set is empty"),
    ],
)
def test_wrong_constraints_and_orders_are_refused_in_one_line(g, h, order, message):
    [p] = polynomials("x y", "x + y")
    inequalities, equalities = polynomials("x y", *g), polynomials("x y", *h)
    for function in (certify_on_set, lower_bound_on_set):
        with pytest.raises(InputError, match=message) as error:
            function(p, inequalities, equalities, order=order)
        assert "\n" not in str(error.value)


def test_constraints_in_other_variables_are_refused():
    [p], [g] = polynomials("x y", "x + y"), polynomials("y x", "1 - x^2")
    with pytest.raises(InputError, match="inequality 0 is in the variables y, x"):
        certify_on_set(p, [g])


def test_constants_that_hold_are_left_out():
    p, g, one, zero = polynomials("x", "2 + x", "1 - x^2", "1", "0")
    outcome = certify_on_set(p, [one, g], [zero], choice=INLINE)
    assert outcome.certificate.constraints == (g,)
    assert is_valid(outcome.certificate)


def test_without_constraints_it_is_a_plain_sum_of_squares():
    [p] = polynomials("x y", "x^4 + y^4 - x*y + 1")
    outcome = certify_on_set(p, choice=INLINE)
    assert outcome.verdict is Verdict.PROVED
    assert (
        verify_sos_certificate(outcome.certificate.to_data()).statement == "p is a sum of squares"
    )
