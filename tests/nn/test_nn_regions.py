"""Regions against convex programs, and against each other."""

import doctest
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.nn import optimizers, regions
from tasks.nn.regions import REGIONS, region_by_name
from tasks.records import InputError
from tests.nn import region_oracles as oracles
from tests.nn.region_oracles import CASES

HALF = 2.0**-8
"""Largest relative error of one rounding to bfloat16."""
WITHOUT_ZERO = ("simplex", "hypersimplex", "permutahedron", "birkhoff", "spectraplex", "flow")
TYPES = (torch.float64, torch.float32, torch.bfloat16)
all_cases = pytest.mark.parametrize("case", CASES, ids=repr)
all_types = pytest.mark.parametrize("dtype", TYPES, ids=["fp64", "fp32", "bf16"])


def directions(shape, count=2):
    """Random ones, then ones with ties, zeros and a single entry, all of size about 1."""
    rng = np.random.default_rng(0)
    tied = np.sign(rng.normal(size=shape))
    alike = np.ones(shape)
    half = np.where(rng.random(shape) < 0.5, 0.0, rng.normal(size=shape))
    single = np.zeros(shape)
    single.flat[-2] = -1.0
    return [*rng.normal(size=(count, *shape)), tied, alike, half, single]


def points(shape):
    """Inside and outside, near and far."""
    rng = np.random.default_rng(1)
    given = [scale * rng.normal(size=shape) for scale in (0.02, 0.3, 1.0, 30.0)]
    return [*given, np.ones(shape), -np.ones(shape), np.zeros(shape)]


def inner(a, b):
    return float((a.double() * b.double()).sum())


@all_cases
@all_types
def test_vertices_are_those_of_a_convex_program(case, dtype):
    region = replace(case.region, radius=0.7)
    for direction in directions(case.shape):
        g = torch.tensor(direction).to(dtype)
        best = 0.7 * oracles.least_value(case, g.double().numpy())
        v = region.extreme_point(g)
        # Entries are rounded once, which costs at most this; then solvers and float32.
        rounding = HALF * float((v.double() * g.double()).abs().sum())
        slack = (rounding if dtype == torch.bfloat16 else 0.0) + 1e-6 * max(abs(best), 0.7)
        assert v.dtype == dtype and abs(inner(v, g) - best) <= slack
        size = float(region.gauge(v))
        assert size <= 1 + 1e-6 + (HALF * max(case.shape) if dtype == torch.bfloat16 else 0)
        support = float(region.support(g))
        assert support == pytest.approx(-best, rel=1e-6, abs=1e-6)


@all_cases
@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e-42])
def test_the_size_of_a_direction_changes_nothing(case, scale):
    for direction in directions(case.shape):
        g = torch.tensor(direction, dtype=torch.float32)
        tiny = (g.double() * scale).float()
        v, scaled = case.region.extreme_point(g), case.region.extreme_point(tiny)
        assert torch.isfinite(scaled).all() and float(case.region.gauge(scaled)) <= 1 + 1e-6
        # Below 1e-38 float32 has fewer digits, for the direction as well.
        rounding = 1e-3 if scale < 1e-40 else 1e-6
        lost = inner(scaled, g) - inner(v, g)
        assert lost <= rounding * float(case.region.diameter(case.shape) * g.norm())
        wanted = scale * float(case.region.support(g))
        assert float(case.region.support(tiny)) == pytest.approx(wanted, rel=rounding, abs=0)


@all_cases
@all_types
def test_a_zero_direction_gives_a_vertex_or_zero(case, dtype):
    g = torch.zeros(case.shape, dtype=dtype)
    v = case.region.extreme_point(g)
    assert torch.isfinite(v).all()
    if case.region.has_gauge and case.region.name != "box":
        assert float(case.region.gauge(v)) == pytest.approx(1, abs=0.05)
    assert float(case.region.support(g)) == 0
    if case.region.name in WITHOUT_ZERO:
        with pytest.raises(InputError, match="contains 0"):
            replace(case.region, at_zero="zero")
    else:
        assert not replace(case.region, at_zero="zero").extreme_point(g).any()


@all_cases
def test_gauges_are_those_of_a_convex_program(case):
    if not case.region.has_gauge or case.region.name == "box":
        return
    for point in points(case.shape):
        wanted = oracles.gauge(case, point)
        found = float(replace(case.region, radius=2.0).gauge(torch.tensor(point)))
        assert found == pytest.approx(wanted / 2, rel=1e-6, abs=1e-5)


@all_cases
def test_projections_are_those_of_a_quadratic_program(case):
    for point in points(case.shape):
        found = case.region.project(torch.tensor(point)).numpy()
        wanted = oracles.nearest(case, point)
        size = max(1.0, float(np.abs(point).max()))
        assert np.abs(found - wanted).max() <= 2e-5 * size
        # The distance tells more of optimality than the point.
        ours, theirs = np.linalg.norm(found - point), np.linalg.norm(wanted - point)
        assert ours <= theirs + 1e-7 * size
        assert float(case.region.gauge(torch.tensor(found))) <= 1 + 1e-9


@all_cases
def test_projections_are_idempotent_and_nonexpansive(case):
    generator = torch.Generator().manual_seed(2)
    x, y = 3 * torch.randn(2, 40, *case.shape, generator=generator, dtype=torch.float64)
    px, py = case.region.project(x), case.region.project(y)
    torch.testing.assert_close(case.region.project(px), px, atol=1e-9, rtol=0)
    events = tuple(range(1, 1 + len(case.shape)))
    between, apart = (px - py).square().sum(events), (x - y).square().sum(events)
    assert (between <= apart * (1 + 1e-12)).all()
    inside = case.region.sample((5, *case.shape), generator=generator)
    torch.testing.assert_close(case.region.project(inside), inside, atol=1e-9, rtol=0)


@all_cases
@pytest.mark.parametrize("size", [1e8, 1e15, 1e20, 1e100, 1e200])
@pytest.mark.parametrize("spread", [False, True])
def test_however_far_a_point_is_its_projection_is_inside_and_the_nearest(case, size, spread):
    """<y - x, v - x> <= 0 for all v of the region says that x is the nearest point to y."""
    rng = np.random.default_rng(4)
    y = rng.normal(size=case.shape)
    if spread:
        y = np.sign(y) * size ** rng.permutation(np.linspace(0, 1, y.size)).reshape(case.shape)
    else:
        y *= size
    if case.region.name in ("birkhoff", "flow") and size > 1e9:
        with pytest.raises(InputError, match="projects points up to 1e"):
            case.region.project(torch.tensor(y))
        return
    x = case.region.project(torch.tensor(y))
    assert float(case.region.gauge(x)) <= 1 + 1e-6
    away = (torch.tensor(y) - x) / np.abs(y).max()
    assert inner(case.region.extreme_point(-away) - x, away) <= 1e-6


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize(
    ("point", "nearest"),
    [([1e200, 1, 1], [1, 0, 0]), ([1e300, 1e-200, 1e-200], [1, 0, 0]),
     ([3, 5e-324, 5e-324], [1, 0, 0]), ([0, 0, 0], [0, 0, 0])],
)  # fmt: skip
def test_entries_that_are_nothing_beside_others_count_as_zeros(k, point, nearest):
    region = region_by_name("k_support", k=k)
    assert region.project(torch.tensor(point, dtype=torch.float64)).tolist() == nearest
    group = torch.tensor([[x, 0.0] for x in point], dtype=torch.float64)
    found = region_by_name("group_k_support", k=k).project(group)
    assert found[:, 0].tolist() == nearest


@all_cases
def test_random_points_are_inside_and_never_better_than_the_vertex(case):
    generator = torch.Generator().manual_seed(3)
    inside = case.region.sample((200, *case.shape), generator=generator)
    assert (case.region.gauge(inside) <= 1 + 1e-9).all()
    for direction in directions(case.shape):
        g = torch.tensor(direction)
        events = tuple(range(1, 1 + len(case.shape)))
        values = (inside * g).sum(events)
        assert (values >= -case.region.support(g) - 1e-9).all()


@all_cases
def test_diameters_are_attained_and_not_exceeded(case):
    g = torch.tensor(np.array(directions(case.shape, count=300)))
    first, second = case.region.extreme_point(g), case.region.extreme_point(-g)
    events = tuple(range(1, 1 + len(case.shape)))
    apart = (first[:, None] - second[None]).square().sum(tuple(e + 1 for e in events)).sqrt()
    diameter = case.region.diameter(case.shape)
    assert float(apart.max()) <= diameter * (1 + 1e-9)
    assert float(apart.max()) >= diameter * (1 - 1e-6)


@all_cases
def test_a_batch_is_its_members(case):
    g = torch.tensor(np.array(directions(case.shape)), dtype=torch.float32)
    pair = torch.stack([g, 2 * g])
    found = case.region.extreme_point(pair)
    for i, direction in enumerate(g):
        torch.testing.assert_close(found[0, i], case.region.extreme_point(direction))
    for measure in (case.region.support, case.region.gauge):
        each = torch.stack([measure(direction) for direction in g])
        torch.testing.assert_close(measure(pair)[0], each, rtol=1e-9, atol=1e-12)
    each = torch.stack([case.region.project(direction) for direction in g])
    torch.testing.assert_close(case.region.project(pair)[0], each, rtol=1e-5, atol=1e-6)


@all_cases
def test_points_enter_along_their_ray_and_stay_if_they_are_inside(case):
    generator = torch.Generator().manual_seed(4)
    inside = case.region.sample((3, *case.shape), generator=generator)
    torch.testing.assert_close(case.region.enter(inside), inside, atol=1e-9, rtol=0)
    entered = case.region.enter(50 * torch.randn(case.shape, generator=generator))
    assert float(case.region.gauge(entered)) <= 1 + 1e-6


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_hierarchies(seed, size, k):
    rng = np.random.default_rng(seed)
    k = min(k, size)
    x = torch.tensor(rng.normal(size=size) * rng.choice([0, 1, 1], size=size))

    def same(one, other):
        for call in ("support", "gauge", "project"):
            torch.testing.assert_close(
                getattr(one, call)(x), getattr(other, call)(x), atol=1e-9, rtol=1e-9
            )
        assert one.diameter(x.shape) == pytest.approx(other.diameter(x.shape))

    l1, l2, linf = (region_by_name(name, radius=1.3) for name in ("l1", "l2", "linf"))
    same(region_by_name("k_sparse", radius=1.3, k=size), linf)
    same(region_by_name("k_sparse", radius=1.3, k=1), l1)
    same(region_by_name("k_norm", radius=1.3, k=1), linf)
    same(region_by_name("k_norm", radius=1.3, k=size), l1)
    same(region_by_name("k_support", radius=1.3, k=1), l1)
    same(region_by_name("k_support", radius=1.3, k=size), l2)
    same(region_by_name("lp", radius=1.3, p=2.0), l2)
    groups = region_by_name("group_k_support", radius=1.3, k=k)
    entries = region_by_name("k_support", radius=1.3, k=k)
    for call in ("support", "gauge"):
        torch.testing.assert_close(getattr(groups, call)(x[:, None]), getattr(entries, call)(x))
    torch.testing.assert_close(groups.project(x[:, None])[:, 0], entries.project(x))
    diagonal = torch.diag(x)
    for matrix, vector in (
        (region_by_name("nuclear", radius=1.3), l1),
        (region_by_name("spectral", radius=1.3), linf),
        (
            region_by_name("spectral_k_sparse", radius=1.3, k=k),
            replace(REGIONS["k_sparse"](k=k), radius=1.3),
        ),
        (region_by_name("spectral_k_support", radius=1.3, k=k), entries),
    ):
        for call in ("support", "gauge"):
            torch.testing.assert_close(getattr(matrix, call)(diagonal), getattr(vector, call)(x))
        torch.testing.assert_close(matrix.project(diagonal), torch.diag(vector.project(x)))


@pytest.mark.parametrize("p", [1.001, 1.1, 20.0, 1000.0])
@pytest.mark.parametrize("scale", [1e-6, 2.0, 1e12])
def test_projections_on_extreme_lp_balls_satisfy_their_conditions(p, scale):
    y = scale * torch.tensor([1.0, -0.5, 0.25, 1e-5, 0.0], dtype=torch.float64)
    ball = region_by_name("lp", p=p)
    x = ball.project(y)
    if float(ball.gauge(y)) <= 1:
        assert torch.equal(x, y)
        return
    assert float(ball.gauge(x)) == pytest.approx(1, abs=1e-12)
    # y - x points along a vertex: x is the maximizer of <., y - x>.
    assert inner(x, y - x) == pytest.approx(float(ball.support(y - x)), rel=1e-6)


@pytest.mark.parametrize("name", REGIONS)
def test_every_region_has_a_case_a_name_and_plain_data(name):
    assert any(case.region.name == name for case in CASES)
    region = next(case.region for case in CASES if case.region.name == name)
    data = region.as_data()
    assert region_by_name(**data) == region and all(
        isinstance(value, str | int | float) for value in data.values()
    )


@pytest.mark.parametrize("radius", [0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", REGIONS)
def test_a_radius_is_positive_and_finite(name, radius):
    with pytest.raises(InputError, match="radius"):
        region_by_name(name, radius=radius)


@pytest.mark.parametrize("name", [n for n, region in REGIONS.items() if hasattr(region, "k")])
def test_k_is_in_its_range(name):
    for k in (0, -1, 2.5, True):
        with pytest.raises(InputError, match="whole number"):
            region_by_name(name, k=k)
    region = region_by_name(name, k=100)
    with pytest.raises(InputError, match="only"):
        region.extreme_point(torch.ones(4, 4))


@pytest.mark.parametrize("name", [n for n, region in REGIONS.items() if region.event_dims == 2])
def test_a_region_of_matrices_refuses_vectors_and_scalars(name):
    for shape in ((), (3,)):
        with pytest.raises(InputError, match=f"{name} is a region of matrices"):
            region_by_name(name).extreme_point(torch.ones(shape))


@pytest.mark.parametrize("dtype", [torch.int64, torch.cfloat, torch.bool])
def test_numbers_are_real(dtype):
    with pytest.raises(InputError, match="real floating-point"):
        region_by_name("l2").extreme_point(torch.ones(3, dtype=dtype))


def test_the_examples_of_the_packages_run():
    for package in (regions, optimizers):
        assert doctest.testmod(package).failed == 0 < doctest.testmod(package).attempted


def test_misuse_is_named():
    with pytest.raises(InputError, match="no region 'l3'"):
        region_by_name("l3")
    with pytest.raises(InputError, match="l1 has no k"):
        region_by_name("l1", k=3)
    with pytest.raises(InputError, match="lower < upper"):
        region_by_name("box", lower=1.0, upper=1.0)
    with pytest.raises(InputError, match="square"):
        region_by_name("birkhoff").extreme_point(torch.ones(2, 3))
    with pytest.raises(InputError, match="empty"):
        region_by_name("l1").extreme_point(torch.ones(2, 0))
    with pytest.raises(InputError, match="exponent"):
        region_by_name("lp", p=1.0)


def test_a_flow_polytope_without_a_graph_is_a_simplex():
    flow, simplex = region_by_name("flow", radius=1.3), region_by_name("simplex", radius=1.3)
    for x in map(torch.tensor, [*directions((9,)), *points((9,))]):
        for call in ("extreme_point", "support", "gauge", "project"):
            torch.testing.assert_close(getattr(flow, call)(x), getattr(simplex, call)(x))
    assert flow.diameter((9,)) == simplex.diameter((9,))


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_points_are_projected_onto_the_only_flow_of_a_long_chain(size):
    chain = region_by_name("flow", graph=" ".join(f"{k}>{k + 1}" for k in range(100)))
    y = size * torch.randn(100, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(chain.project(y), torch.ones_like(y), rtol=0, atol=1e-9)


def test_what_is_no_graph_of_a_flow_is_refused_in_one_line():
    for graph, words in (
        ("0-1", "list of edges"),
        ("a>b", "list of edges"),
        ("0>1 1>0", "has no cycle"),
        ("0>1 1>1", "has no cycle"),
        ("0>2 1>2", "one source; this one has 0, 1"),
        ("0>1 0>2", "one sink; this one has 1, 2"),
    ):
        with pytest.raises(InputError, match=words):
            region_by_name("flow", graph=graph)
    with pytest.raises(InputError, match="2 edges; the shape is"):
        region_by_name("flow", graph="0>1 1>2").extreme_point(torch.ones(3))
