from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from tasks.lattice import minkowski_sums, sort_monomials
from tasks.lattice.polytopes import half_newton_points, newton_vertices, separating_normal
from tasks.records import InputError
from tasks.records.errors import BudgetExceeded


def contains(points, target):
    """Whether a float solver finds the target in the hull; its error is far below 1 / det."""
    table = np.vstack([np.asarray(points, dtype=float).T, np.ones(len(points))])
    found = linprog(np.zeros(len(points)), A_eq=table, b_eq=np.append(target, 1.0))
    return found.status == 0


def brute_force(support):
    """All b in the box of the support with 2b in its hull."""
    support = np.array(support)
    boxes = [range(int(largest) // 2 + 1) for largest in support.max(axis=0)]
    inside = [b for b in product(*boxes) if contains(support, 2 * np.array(b))]
    return sort_monomials(np.array(inside, dtype=int).reshape(-1, support.shape[1])).tolist()


def listed_points(inequalities, support):
    """The points of the box that satisfy the inequalities, by trying all."""
    support = np.array(support)
    boxes = [range(int(largest) // 2 + 1) for largest in support.max(axis=0)]
    box = np.array(list(product(*boxes)), dtype=int).reshape(-1, support.shape[1])
    normals = np.array(inequalities)
    is_inside = (2 * box @ normals.T <= (support @ normals.T).max(axis=0)).all(axis=1)
    return sort_monomials(box[is_inside]).tolist()


def depth_first_nodes(inequalities, support):
    """Number of prefixes an independent search meets that only reads the inequalities."""
    normals, support = np.array(inequalities), np.array(support)
    limits, degree = (support @ normals.T).max(axis=0), int(support.sum(axis=1).max())
    stack, nodes = [()], 0
    while stack:
        prefix = stack.pop()
        nodes += 1
        j = len(prefix)
        if j == support.shape[1]:
            continue
        for value in range((degree - 2 * sum(prefix)) // 2 + 1):
            b = np.array([*prefix, value])
            later = np.minimum(normals[:, j + 1 :].min(axis=1, initial=0), 0)
            least = 2 * normals[:, : j + 1] @ b + later * (degree - 2 * int(b.sum()))
            if (least <= limits).all():
                stack.append((*prefix, value))
    return nodes


def planted_support(num_variables, half_degree, size, seed):
    """Support of z'Qz for a generic Q and random monomials z."""
    rng = np.random.default_rng(seed)
    weights = np.array([comb(num_variables + k - 1, k) for k in range(1, half_degree + 1)], float)
    rows = set()
    while len(rows) < size:
        degree = rng.choice(half_degree, p=weights / weights.sum()) + 1
        rows.add(tuple(rng.multinomial(degree, [1 / num_variables] * num_variables).tolist()))
    basis = sort_monomials(np.array(sorted(rows)))
    return basis, minkowski_sums(basis).rows


supports = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 7), min_size=n, max_size=n), min_size=1, max_size=9)
)


@given(supports)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_half_newton_points_are_those_of_a_brute_force_search(support):
    found = half_newton_points(support)
    assert found.points.tolist() == brute_force(support)
    assert found.points.dtype == np.int32


@given(supports)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_inequalities_alone_describe_the_points(support):
    found = half_newton_points(support)
    assert listed_points(found.inequalities, support) == found.points.tolist()


@given(supports)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_vertices_are_the_rows_outside_the_hull_of_the_others(support):
    table = sort_monomials(support)
    expected = [
        row.tolist()
        for index, row in enumerate(table)
        if len(table) == 1 or not contains(np.delete(table, index, axis=0), row)
    ]
    found = np.array(support)[newton_vertices(support)]
    assert sort_monomials(found).tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_vertices_agree_with_a_float_hull_in_general_position(seed):
    rng = np.random.default_rng(seed)
    support = np.unique(rng.integers(0, 1000, (300, 3)), axis=0)
    assert newton_vertices(support).tolist() == sorted(ConvexHull(support).vertices.tolist())


def test_full_supports_drop_their_midpoints():
    full = np.array([row for row in product(range(13), repeat=4) if sum(row) <= 24])
    assert len(full) > 5000
    found = full[newton_vertices(full)].tolist()
    expected = [
        list(row)
        for row in product((0, 12), repeat=4)
        if sum(row) <= 24  # faces of the box and of the simplex meet in these
    ]
    assert sort_monomials(found).tolist() == sort_monomials(expected).tolist()


def test_equal_rows_count_once():
    assert newton_vertices([[2, 0], [0, 2], [2, 0], [1, 1]]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("support", "size"),
    [
        ([[4, 2], [2, 4], [2, 2], [0, 0]], 4),
        ([[4, 2, 0], [2, 4, 0], [2, 2, 2], [0, 0, 6]], 4),
        ([[6 * (i == j) for j in range(6)] for i in range(6)] + [[1] * 6], comb(8, 3)),
        ([[2, 2], [2, 0], [0, 2], [0, 0]], 4),
        ([[3]], 0),
        ([[0, 0]], 1),
    ],
    ids=["Motzkin", "Motzkin form", "Hurwitz", "square", "odd", "constant"],
)
def test_classical_polytopes_have_their_known_size(support, size):
    assert len(half_newton_points(support).points) == size


@pytest.mark.parametrize(
    ("shape", "num_points"),
    [((6, 10, 60), 302), ((8, 10, 30), 56), ((100, 5, 20), 20), ((20, 6, 30), 30)],
)
def test_planted_bases_lie_in_the_polytope(shape, num_points):
    basis, support = planted_support(*shape, seed=0)
    found = half_newton_points(support)
    rows = {tuple(row) for row in found.points.tolist()}
    assert {tuple(row) for row in basis.tolist()} <= rows
    assert len(rows) == num_points


@pytest.mark.parametrize("shape", [(4, 3, 12), (6, 6, 20), (30, 4, 12)])
def test_every_point_is_in_the_hull_for_a_float_solver(shape):
    _, support = planted_support(*shape, seed=1)
    vertices = support[newton_vertices(support)]
    assert all(contains(vertices, 2 * b) for b in half_newton_points(support).points)


@pytest.mark.parametrize(("shape", "bound"), [((6, 6, 20), 4), ((40, 4, 12), 60)])
def test_a_search_along_the_inequalities_meets_few_prefixes(shape, bound):
    _, support = planted_support(*shape, seed=2)
    found = half_newton_points(support)
    nodes = depth_first_nodes(found.inequalities, support)
    assert nodes <= bound * len(found.points) + 1


def test_points_closer_to_a_facet_than_floats_resolve_are_told_apart():
    large = 10**9
    points = large * np.array([[0, 4], [3, 1], [0, 0]])
    on_a_facet = large * np.array([1, 3])
    assert separating_normal(points, on_a_facet) is None
    assert separating_normal(points, on_a_facet - np.array([0, 1])) is None
    assert separating_normal(points, on_a_facet + np.array([0, 1])) is not None


def test_a_normal_separates_strictly():
    points = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 4]])
    normal = separating_normal(points, np.array([2, 2, 2]))
    assert normal is not None
    assert max(points @ normal) < np.dot(normal, [2, 2, 2])
    # (4/3, 4/3, 4/3) is on the boundary: no integer point, but three times it is.
    assert separating_normal(3 * points, np.array([4, 4, 4])) is None


def test_membership_on_a_facet_is_exact():
    # 2b = (6, 6, 6) = (18, 0, 0)/3 + (0, 18, 0)/3 + (0, 0, 18)/3: no float is exactly a third.
    third = Fraction(1, 3)
    corners = (18 * np.eye(3, dtype=int)).tolist()
    assert [sum(third * corner[i] for corner in corners) for i in range(3)] == [6, 6, 6]
    assert [3, 3, 3] in half_newton_points(corners).points.tolist()
    assert [3, 3, 4] not in half_newton_points(corners).points.tolist()


def test_no_support_has_no_points():
    found = half_newton_points(np.zeros((0, 3), dtype=int))
    assert found.points.shape == (0, 3)
    assert found.inequalities == ()
    assert newton_vertices(np.zeros((0, 3), dtype=int)).tolist() == []


def test_a_constant_in_no_variable_is_one_point():
    assert half_newton_points(np.zeros((1, 0), dtype=int)).points.shape == (1, 0)


def test_too_many_points_are_refused_early():
    with pytest.raises(BudgetExceeded, match="more than 100 points"):
        half_newton_points((20 * np.eye(8, dtype=int)).tolist(), max_points=100)


def test_negative_exponents_are_refused():
    with pytest.raises(InputError, match="integers from 0"):
        half_newton_points([[2, -2]])
