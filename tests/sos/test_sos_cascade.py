"""Orders of bases: what each method tries."""

import numpy as np
import pytest
from planted import planted

from tasks.lattice import positions
from tasks.records import stream
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import covers, half_newton_basis
from tasks.sos.bases.rules import candidate_basis
from tasks.sos.cascade import bases_to_try

METHODS = ("auto", "newton", "full", "vertices", "random", "predicted", "cascade")


def sample(k=0):
    return planted(4, 8, 14, "low_rank", stream(3, "cascade", str(k))).polynomial


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", range(3))
def test_every_order_ends_with_a_complete_basis_and_covers_all_terms(method, k):
    p = sample(k)
    found = list(bases_to_try(p, method))
    assert found[-1].is_complete
    assert not any(c.is_complete for c in found[:-1])
    assert all(not len(covers(c.basis, p.exponents)) for c in found)
    last = "full" if method == "full" else "newton"
    assert np.array_equal(found[-1].basis, candidate_basis(p, last).basis)


@pytest.mark.parametrize("method", ["vertices", "random"])
def test_baselines_lie_within_half_of_the_newton_polytope(method):
    p = sample(1)
    first = next(bases_to_try(p, method))
    assert (positions(first.basis, half_newton_basis(p.exponents)) >= 0).all()
    assert first.rule == method


def test_the_random_basis_depends_on_the_seed_and_on_nothing_else():
    p = parse_polynomial("(x + y + z + w)^6 + 1")
    first, same, other = (next(bases_to_try(p, "random", seed=s)).basis for s in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_basis_that_cannot_cover_is_passed_over():
    p = parse_polynomial("x^4 + x*y^2 + y^2")
    assert list(bases_to_try(p, "even-sqrt")) == []
    assert [c.rule for c in bases_to_try(p, "vertices")] == ["newton"]


def test_the_cascade_tries_the_prediction_first_and_then_larger_bases():
    p = sample(2)
    sizes = [len(c.basis) for c in bases_to_try(p, "cascade")]
    direct = [len(c.basis) for c in bases_to_try(p, "predicted")]
    assert sizes[0] == direct[0]
    assert sizes[-1] == direct[-1]
    assert sizes == sorted(sizes)
    assert len(direct) <= 2
