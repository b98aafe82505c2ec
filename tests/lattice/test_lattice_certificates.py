from dataclasses import replace
from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_triangulations import PINWHEEL
from strategies import regular_triangulations, triangulations

from tasks.lattice import (
    Certified,
    InvalidTriangulation,
    Regularity,
    RegularityCertificate,
    certify,
    honeycomb,
    is_regular_with,
    reduced_weights,
    with_certificate,
)


@given(triangulations(max_degree=6))
def test_a_certified_triangulation_has_the_weights_of_its_certificate(T):
    certified = certify(T)
    assert certified.verify()
    assert certified.triangulation.triangles.tolist() == T.triangles.tolist()
    assert certified.triangulation.name == T.name
    assert certified.triangulation.weights == certified.certificate.weights
    assert certified.is_regular == (certified.triangulation.weights is not None)
    assert with_certificate(T) == certified.triangulation


def test_an_irregular_triangulation_is_marked_and_has_no_weights():
    wrong = PINWHEEL.with_weights(honeycomb(4).weights)
    certified = certify(wrong)
    assert certified.regularity is Regularity.IRREGULAR
    assert certified.verify()
    assert with_certificate(wrong).weights is None


def test_wrong_weights_are_replaced():
    made = with_certificate(honeycomb(4).with_weights([0] * 15))
    assert is_regular_with(made, made.weights)


@given(regular_triangulations(max_degree=7))
def test_reduced_weights_are_coprime_zero_on_a_triangle_and_positive_elsewhere(T):
    weights = np.array(reduced_weights(T, T.weights))
    assert is_regular_with(T, weights.tolist())
    assert (weights >= 0).all()
    zero = np.flatnonzero(weights == 0).tolist()
    assert len(zero) == 3
    assert zero in T.triangles.tolist()
    assert gcd(*weights.tolist()) == (1 if T.degree > 1 else 0)


@given(
    regular_triangulations(max_degree=5),
    st.integers(1, 10**30),
    *[st.integers(-(10**30), 10**30)] * 3,
)
def test_reduced_weights_forget_a_factor_and_an_affine_function(T, factor, c, c_x, c_y):
    moved = [
        factor * weight + c + c_x * x + c_y * y
        for weight, (x, y) in zip(T.weights, T.points.tolist(), strict=True)
    ]
    assert reduced_weights(T, moved) == reduced_weights(T, T.weights)


def test_reduced_weights_of_the_honeycomb_are_small():
    assert max(reduced_weights(honeycomb(8), honeycomb(8).weights)) == 21
    assert reduced_weights(honeycomb(1), (5, 6, 7)) == (0, 0, 0)


def test_weights_of_another_triangulation_cannot_be_reduced():
    with pytest.raises(InvalidTriangulation, match="the weights do not induce 3_honeycomb"):
        reduced_weights(honeycomb(3), [0] * 10)


def test_tampered_evidence_does_not_verify():
    regular, irregular = certify(honeycomb(4)), certify(PINWHEEL)
    weights = list(regular.triangulation.weights)
    weights[7] += 50
    forged = [
        Certified(regular.triangulation.with_weights(weights), regular.certificate),
        Certified(
            regular.triangulation.with_weights(weights),
            replace(regular.certificate, weights=tuple(weights)),
        ),
        Certified(regular.triangulation.with_weights(None), regular.certificate),
        replace(irregular, certificate=replace(irregular.certificate, obstruction=())),
        replace(irregular, certificate=replace(irregular.certificate, status=Regularity.UNDECIDED)),
        Certified(regular.triangulation, irregular.certificate),
    ]
    assert regular.verify()
    assert irregular.verify()
    assert not any(certified.verify() for certified in forged)


def test_an_undecided_triangulation_claims_nothing():
    undecided = RegularityCertificate(Regularity.UNDECIDED, None, "not tried")
    certified = Certified(PINWHEEL, undecided)
    assert certified.verify()
    assert not certified.is_regular
