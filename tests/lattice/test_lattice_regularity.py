from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from known_triangulations import PINWHEEL, all_triangulations
from strategies import regular_triangulations, triangulations

from tasks.lattice import (
    Regularity,
    automorphisms,
    builtin_names,
    canonical_key,
    certify_regularity,
    folding_forms,
    honeycomb,
    is_irregular_with,
    is_regular_with,
    lattice_points,
    load_triangulations,
    random_flips,
)
from tasks.lattice._exact import positive_kernel_vector


@pytest.mark.parametrize("name", builtin_names())
def test_every_builtin_triangulation_is_induced_by_its_weights(name):
    [triangulation] = load_triangulations([name])
    certificate = certify_regularity(triangulation)
    assert certificate.status is Regularity.REGULAR
    assert certificate.weights == triangulation.weights
    assert "given weights were verified" in certificate.reason


@pytest.mark.parametrize("name", builtin_names())
def test_weights_of_every_builtin_triangulation_are_found_again_without_them(name):
    [triangulation] = load_triangulations([name])
    certificate = certify_regularity(triangulation.with_weights(None))
    assert certificate.status is Regularity.REGULAR
    assert is_regular_with(triangulation, certificate.weights)


def test_the_pinwheel_is_irregular_with_an_exact_obstruction():
    certificate = certify_regularity(PINWHEEL)
    assert certificate.status is Regularity.IRREGULAR
    assert certificate.weights is None
    assert is_irregular_with(PINWHEEL, certificate.obstruction)


def test_the_pinwheel_obstruction_has_threefold_symmetry_and_cancels():
    obstruction = certify_regularity(PINWHEEL).obstruction
    total = Counter()
    indices, coefficients = folding_forms(PINWHEEL)
    rows = {(a, b): k for k, (a, b, _, _) in enumerate(indices.tolist())}
    for edge, multiplier in obstruction:
        for i, factor in zip(indices[rows[edge]], coefficients[rows[edge]], strict=True):
            total[int(i)] += multiplier * int(factor)
    assert sorted(m for _, m in obstruction) == sorted([1, 2, 3, 4] * 3)
    assert not any(total.values())


def test_an_irregular_triangulation_with_weights_says_that_they_fail():
    certificate = certify_regularity(PINWHEEL.with_weights(honeycomb(4).weights))
    assert certificate.status is Regularity.IRREGULAR
    assert certificate.reason.startswith("the given weights do not fold upwards at edge ")


def test_wrong_weights_are_reported_and_replaced():
    wrong = honeycomb(5).with_weights([0] * 21)
    certificate = certify_regularity(wrong)
    assert certificate.status is Regularity.REGULAR
    assert is_regular_with(wrong, certificate.weights)
    assert "the given weights do not fold upwards at edge 1-6" in certificate.reason


@pytest.mark.parametrize(
    "tampered",
    [
        lambda o: o[1:],
        lambda o: (),
        lambda o: ((o[0][0], o[0][1] + 1), *o[1:]),
        lambda o: tuple((edge, -m) for edge, m in o),
        lambda o: tuple((edge, 0) for edge, m in o),
        lambda o: (*o, ((0, 14), 1)),
    ],
)
def test_a_tampered_obstruction_is_refused(tampered):
    obstruction = certify_regularity(PINWHEEL).obstruction
    assert not is_irregular_with(PINWHEEL, tampered(obstruction))


@pytest.mark.solver
@pytest.mark.parametrize(
    ("degree", "triangulations", "orbits", "irregular"),
    [
        (1, 1, 1, 0),
        (2, 4, 2, 0),
        (3, 79, 18, 0),
        pytest.param(4, 7424, 1279, 1, marks=pytest.mark.slow),
    ],
)
def test_all_small_triangulations_are_decided(degree, triangulations, orbits, irregular):
    found = {canonical_key(T): T for T in all_triangulations(degree)}
    assert len(found) == orbits
    assert len(all_triangulations(degree)) == triangulations
    assert sum(6 // len(automorphisms(T)) for T in found.values()) == triangulations
    status = Counter(certify_regularity(T).status for T in found.values())
    assert status[Regularity.UNDECIDED] == 0
    assert status[Regularity.IRREGULAR] == irregular
    assert (canonical_key(PINWHEEL) in found) == (degree == 4)


@given(triangulations(max_degree=6))
def test_every_certificate_proves_its_status(triangulation):
    certificate = certify_regularity(triangulation)
    if certificate.status is Regularity.REGULAR:
        assert is_regular_with(triangulation, certificate.weights)
    else:
        assert certificate.status is Regularity.IRREGULAR
        assert is_irregular_with(triangulation, certificate.obstruction)


@pytest.mark.parametrize("degree", [10, 16, 20])
def test_large_random_triangulations_are_decided_exactly(degree):
    walk = random_flips(honeycomb(degree), 100 * degree**2, np.random.default_rng(degree))
    assert certify_regularity(walk).status is not Regularity.UNDECIDED


def test_the_same_input_gives_the_same_certificate():
    walk = random_flips(honeycomb(8), 5000, np.random.default_rng(0))
    assert certify_regularity(walk) == certify_regularity(walk)


@given(regular_triangulations(max_degree=5), st.data())
def test_local_folds_agree_with_the_lower_hull_by_definition(T, data):
    weights = list(T.weights)
    index = data.draw(st.integers(0, T.num_points - 1))
    weights[index] += data.draw(st.integers(-20_000, 20_000))
    assert is_regular_with(T, weights) == _is_lower_hull(T, weights)


def _is_lower_hull(T, weights):
    """Every other lifted point lies strictly above the plane of every triangle."""
    points = lattice_points(T.degree).tolist()
    for a, b, c in T.triangles.tolist():
        (ax, ay), (bx, by), (cx, cy) = points[a], points[b], points[c]
        det = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        p, q = weights[b] - weights[a], weights[c] - weights[a]
        slope_x = Fraction(p * (cy - ay) - q * (by - ay), det)
        slope_y = Fraction(q * (bx - ax) - p * (cx - ax), det)
        for i, (x, y) in enumerate(points):
            plane = weights[a] + slope_x * (x - ax) + slope_y * (y - ay)
            if i not in (a, b, c) and weights[i] <= plane:
                return False
    return True


@given(regular_triangulations(min_degree=2), st.integers(-5, 5), st.integers(-5, 5))
def test_affine_functions_and_positive_factors_change_nothing(T, slope_x, slope_y):
    x, y = lattice_points(T.degree).T.tolist()
    moved = [3 * w + slope_x * u + slope_y * v + 7 for w, u, v in zip(T.weights, x, y, strict=True)]
    assert is_regular_with(T, moved)
    assert not is_regular_with(T, [-w for w in moved])


@given(triangulations(min_degree=2, max_degree=6))
@settings(max_examples=25)
def test_folding_forms_vanish_on_affine_functions_and_are_normalized(T):
    indices, coefficients = folding_forms(T)
    x, y = lattice_points(T.degree).T
    for affine in (np.ones_like(x), x, y):
        assert not (affine[indices] * coefficients).sum(axis=1).any()
    assert (coefficients[:, 2:] == 1).all()


def test_weights_beyond_any_machine_word_are_compared_exactly():
    huge = [w * 10**60 for w in honeycomb(3).weights]
    assert is_regular_with(honeycomb(3), huge)
    # A fold of exactly zero among weights of 10^60 is seen.
    huge[0] = huge[1] + huge[4] - huge[5]
    assert not is_regular_with(honeycomb(3), huge)
    huge[0] += 1
    assert is_regular_with(honeycomb(3), huge)


def test_a_wrong_number_of_weights_is_not_a_certificate():
    assert not is_regular_with(honeycomb(2), [0, 1, 4])


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 10**6))
def test_positive_kernel_vector_recovers_a_known_relation(multipliers, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, size=(len(multipliers) - 1, 8))
    assume(np.linalg.matrix_rank(rows) == len(rows))
    last = -(np.array(multipliers[:-1]) @ rows)
    matrix = [*(rows * multipliers[-1]).tolist(), last.tolist()]
    found = positive_kernel_vector(matrix)
    assert found is not None
    assert not (np.array(found) @ np.array(matrix)).any()


@pytest.mark.parametrize(
    "rows", [[[1, 0], [0, 1]], [[1, 0], [1, 0]], [[0, 0], [0, 0]], [[1, 0], [0, 0]]]
)
def test_no_positive_relation_gives_none(rows):
    assert positive_kernel_vector(rows) is None
