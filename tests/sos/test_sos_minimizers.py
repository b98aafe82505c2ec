import numpy as np
import pytest
from optimization_problems import (
    INLINE,
    benchmark,
    cut_of_cycle,
    floudas_two_quartics,
    polynomials,
    three_disks,
)

from tasks.records import InputError
from tasks.sos import parse_polynomial
from tasks.sos.bases.monomial_bases import full_basis
from tasks.sos.optimization.minimizers import extract_points, is_coercive, minimizers


def moments_of(points, weights, order):
    """Moments up to degree 2 * order of a sum of point masses."""
    rows = full_basis(points.shape[1], 2 * order)
    values = (points[None] ** rows[:, None, :]).prod(axis=2) @ weights
    return dict(zip(map(tuple, rows.tolist()), values.tolist(), strict=True))


def in_order(points):
    return np.array(sorted(np.round(points, 9).tolist()))


@pytest.mark.parametrize(("num_variables", "order", "count"), [(1, 3, 3), (2, 2, 3), (3, 3, 9)])
def test_point_masses_are_recovered_from_their_moments(num_variables, order, count):
    rng = np.random.default_rng(count)
    points, weights = rng.uniform(-1, 1, (count, num_variables)), rng.dirichlet(np.full(count, 5.0))
    found = extract_points(moments_of(points, weights, order), num_variables, order)
    assert found.is_flat
    assert np.allclose(in_order(found.points), in_order(points), atol=1e-5)
    assert np.allclose(np.sort(found.weights), np.sort(weights), atol=1e-4)


def test_moments_of_a_density_are_not_flat():
    moments = {(k,): 2 / (k + 1) / 2 if k % 2 == 0 else 0.0 for k in range(7)}
    found = extract_points(moments, 1, 3)
    assert not found.is_flat
    assert found.ranks == (1, 2, 3, 4)


def test_small_noise_moves_the_points_a_little():
    points, weights = np.array([[1.0, 0.5], [-0.5, 0.25]]), np.array([0.5, 0.5])
    moments = moments_of(points, weights, 2)
    rng = np.random.default_rng(3)
    noisy = {row: value + 1e-6 * rng.standard_normal() for row, value in moments.items()}
    found = extract_points(noisy, 2, 2)
    assert np.allclose(in_order(found.points), in_order(points), atol=1e-3)


HIMMELBLAU = [[3, 2], [3.584428, -1.848127], [-2.805118, 3.131313], [-3.77931, -3.283186]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("himmelblau", HIMMELBLAU),
        ("six_hump_camel", [[-0.089842, 0.712656], [0.089842, -0.712656]]),
        ("styblinski_tang_2", [[-2.903534, -2.903534]]),
        ("booth", [[1, 3]]),
        ("gen_rosenbrock_2", [[1, 1]]),
        ("trid_6", [[6, 10, 12, 12, 10, 6]]),
        ("partition_yes_12346", [[1, -1, 1, 1, -1], [-1, 1, -1, -1, 1]]),
    ],
)
def test_all_global_minimizers_of_a_classic_are_extracted(name, expected):
    p = benchmark(name)
    found = minimizers(p, choice=INLINE)
    assert found.is_flat
    assert np.allclose(in_order(found.points), in_order(np.array(expected, float)), atol=1e-5)
    assert found.value == pytest.approx(found.bound, abs=1e-4)
    assert np.allclose(p.evaluate_floats(found.points), found.value, atol=1e-5)


def test_minimizers_on_a_set_are_extracted():
    found = minimizers(*three_disks(), order=2, choice=INLINE)
    assert found.is_flat
    assert np.allclose(in_order(found.points), [[1, 2], [2, 2], [2, 3]], atol=1e-6)
    assert found.value == pytest.approx(-2)


def test_a_higher_order_is_taken_until_the_moments_are_flat():
    p, inequalities = floudas_two_quartics()
    assert not minimizers(p, inequalities, order=2, choice=INLINE).is_flat
    found = minimizers(p, inequalities, choice=INLINE)
    assert found.order == 4
    assert found.is_flat
    assert np.allclose(found.points, [[2.329520, 3.178493]], atol=1e-5)


def test_minimizers_at_signs_come_from_the_relaxation_of_a_cut():
    p, signs = cut_of_cycle(4)
    found = minimizers(p, [], signs, choice=INLINE)
    assert found.is_flat
    assert in_order(found.points).tolist() == [[-1, 1, -1, 1], [1, -1, 1, -1]]


def test_infinitely_many_minimizers_are_not_flat_but_some_are_found():
    p, h = polynomials("x y", "(x^2 + y^2 - 1)^2", "x*y")
    found = minimizers(p, choice=INLINE)
    assert not found.is_flat
    assert found.value == pytest.approx(0, abs=1e-9)
    assert np.allclose((found.points**2).sum(axis=1), 1, atol=1e-4)
    assert len(minimizers(p, [], [h], choice=INLINE).points) == 4


def test_an_order_that_is_too_small_is_refused():
    with pytest.raises(InputError, match="order 1"):
        minimizers(benchmark("himmelblau"), order=1)


@pytest.mark.parametrize(
    "text", ["-x^2", "-x^2 - y^2", "-x^4 + x^2", "x^3", "x^3 - x", "x^3 + y^2", "x", "x*y"]
)
def test_what_is_unbounded_below_has_no_minimizers(text):
    found = minimizers(parse_polynomial(text), choice=INLINE)
    assert not found.is_flat and not len(found.points)
    assert (found.bound, np.isnan(found.value)) == (-np.inf, True)


@pytest.mark.parametrize("text", ["(x*y - 1)^2 + x^2", "x^2*y^2 - x^2", "x^2*y^2 - x"])
def test_a_critical_point_is_no_minimizer_where_no_minimum_is_attained(text):
    found = minimizers(parse_polynomial(text), choice=INLINE)
    assert not found.is_flat


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x^4 + y^2 - x^3*y/100", False),
        ("x^6 + y^4 - x^3*y^2 - 5*x^5", True),
        ("x^2 + y^2 + z^2", True),
        ("x^4 + y^4 - 2*x^2*y^2", False),
        ("x^2*y^2 + x^2 + y^2", False),
        ("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1", False),
        ("x^4 - y^2", False),
        ("x^4 + y^3", False),
        ("x^4 + 0*y", False),
    ],
)
def test_polynomials_with_a_positive_weighted_leading_form_are_coercive(text, expected):
    assert is_coercive(parse_polynomial(text)) is expected
