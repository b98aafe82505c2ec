"""Singular Gram matrices from the short fractions that their entries are."""

import numpy as np
import pytest
from flint import fmpq
from planted import planted

from tasks.records import stream
from tasks.sos import certify as module
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import even_sqrt_basis, full_basis
from tasks.sos.bases.scaling import VariableScaling
from tasks.sos.certify import Settings, certify
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.gram.positivity import as_floats
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs.grid import prove_on_grid


def low_rank(seed, cell=(6, 12, 30)):
    item = planted(*cell, "low_rank", stream(seed, "grid"))
    return item, GramProblem.of(item.polynomial, [even_sqrt_basis(item.polynomial.exponents)])


def exact(rows):
    return [[fmpq(v) if isinstance(v, int) else fmpq(*v) for v in row] for row in rows]


@pytest.mark.parametrize(
    ("text", "gram"),
    [
        ("x^4 - 2*x^2 + 1", [[1, 0, -1], [0, 0, 0], [-1, 0, 1]]),
        # Halves above the diagonal where the coefficient is odd.
        ("4*x^4 + 4*x^3 - 3*x^2 - 2*x + 1", [[4, 2, -2], [2, 1, -1], [-2, -1, 1]]),
    ],
)
def test_a_matrix_is_read_off_numbers_that_are_close_to_it(text, gram):
    problem = GramProblem.of(parse_polynomial(text), [full_basis(1, 2)])
    rng = stream(1, "noise")
    near = np.array(gram, dtype=float) + 1e-6 * rng.standard_normal((3, 3))
    proof = prove_on_grid(problem, [near])
    assert proof is not None
    assert proof.method == "grid"
    assert proof.grams[0].tolist() == exact(gram)


def test_multiples_of_the_denominator_are_tried():
    """x^2 y^2 belongs to two products: the thirds are not seen from the coefficients."""
    third = (1, 3)
    p = parse_polynomial("x^4 + 2*x^2*y^2 + y^4")
    basis = np.array([[2, 0], [1, 1], [0, 2]], dtype=np.int32)
    problem = GramProblem.of(p, [basis])
    gram = exact([[1, 0, third], [0, (4, 3), 0], [third, 0, 1]])
    near = np.array([[float(q.p) / float(q.q) for q in row] for row in gram]) + 1e-9
    proof = prove_on_grid(problem, [near])
    assert proof is not None and proof.grams[0].tolist() == gram


def test_what_is_between_fractions_is_left_alone():
    problem = GramProblem.of(parse_polynomial("x^4 - 2*x^2 + 1"), [full_basis(1, 2)])
    near = np.array([[1, 0, -1.2], [0, 0.4, 0], [-1.2, 0, 1]])
    assert prove_on_grid(problem, [near]) is None


def test_fractions_that_are_not_semidefinite_prove_nothing():
    problem = GramProblem.of(parse_polynomial("x^4 - 3*x^2 + 1"), [full_basis(1, 2)])
    for middle in (0.0, -1.0):
        side = (-3 - middle) / 2
        near = np.array([[1, 0, side], [0, middle, 0], [side, 0, 1]])
        assert prove_on_grid(problem, [near]) is None


@pytest.mark.parametrize("entry", [1e30, float("inf"), float("nan")])
def test_numbers_that_floats_cannot_tell_apart_prove_nothing(entry):
    problem = GramProblem.of(parse_polynomial("x^4 - 2*x^2 + 1"), [full_basis(1, 2)])
    assert prove_on_grid(problem, [np.full((3, 3), entry)]) is None


def proved(polynomial):
    """How; the certificate is checked."""
    found = certify(polynomial)
    assert found.verdict.value == "proved"
    assert verify_sos_certificate(found.certificate.to_data()).valid
    return found


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("(x^2 + y^2) * (x^2 - y^2 + 1/10^330*y^2)^2", "proved"),
        ("(x^2 + 3^700*y^2) * (x^2 - y^2)^2", "proved"),
        ("x^4 - 2*x^2 + 1 - 1/7^400", "negative"),
        ("(10^300*x^2 - y)^2 + (x - 1)^2", "undecided"),
    ],
)
def test_denominators_beyond_floats_are_no_grid(text, verdict):
    assert certify(parse_polynomial(text)).verdict.value == verdict


@pytest.mark.parametrize("seed", range(3))
def test_planted_low_rank_is_proved_with_a_matrix_of_low_rank(seed):
    item, problem = low_rank(seed)
    found = proved(item.polynomial)
    assert found.reason == ("unique" if problem.num_free == 0 else "grid")
    [block] = found.certificate.gram
    assert np.linalg.matrix_rank(as_floats(block.gram)) <= len(block.basis) / 3


def test_a_solver_that_is_asked_for_is_used():
    item, _ = low_rank(0)
    assert proved(item.polynomial).attempts[-1].feasibility == "completed"
    [attempt] = certify(item.polynomial, Settings(solver="interior")).attempts
    assert attempt.feasibility == "boundary" and attempt.form in ("image", "kernel")


def test_entries_may_be_short_in_balanced_variables_only():
    """Of 2^k x the entries have other denominators in every class."""
    item, _ = low_rank(0)
    shifts = [9, -7, 5, 0, -6, 3]
    assert proved(item.polynomial.scaled(shifts)).reason == "grid"


def test_entries_may_be_short_in_the_given_variables_only(monkeypatch):
    """Scaled variables have powers of two below their integers."""
    item, _ = low_rank(0)
    scaling = VariableScaling((-3, 0, 0, 0, 0, 0))
    monkeypatch.setattr(VariableScaling, "balancing", lambda _: scaling)
    assert proved(item.polynomial).reason == "grid"


@pytest.mark.parametrize("cell", [(6, 12, 30), (6, 20, 60)])
def test_without_short_fractions_the_face_is_found(monkeypatch, cell):
    item, _ = low_rank(0, cell)
    tried = []
    monkeypatch.setattr(module, "prove_on_grid", lambda *_: tried.append(1))
    assert proved(item.polynomial).reason == "facial reduction"
    assert tried == [1, 1]
