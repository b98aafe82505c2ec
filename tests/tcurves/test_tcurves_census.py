"""The census against recorded histograms, the oracle, and itself in another order."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import triangulations

from tasks.lattice import honeycomb, load_triangulations, num_points, transform
from tasks.records import BudgetExceeded, InputError
from tasks.tcurves import (
    PUBLISHED,
    Scheme,
    exhaustive_census,
    frontier_census,
    known_schemes,
    real_scheme_by_euler,
)
from tasks.tcurves.program import frontier_program

HISTOGRAMS = json.loads((Path(__file__).parents[1] / "recorded" / "histograms.json").read_text())
PUBLISHED_COUNTS = dict(zip(PUBLISHED, (37, 53, 44, 47, 107, 103, 115), strict=True))


def named(name):
    [triangulation] = load_triangulations([name])
    return triangulation


def histogram(census):
    return {str(row.scheme): row.count for row in census.schemes}


@pytest.fixture(scope="module")
def published():
    return {name: frontier_census(named(name)) for name in PUBLISHED}


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_the_frontier_engine_reproduces_the_recorded_histograms(name):
    census = frontier_census(named(name))
    assert histogram(census) == HISTOGRAMS[name]["histogram"]
    assert census.sign_classes == HISTOGRAMS[name]["sign_classes"]


@pytest.mark.parametrize("name", [n for n in HISTOGRAMS if n[0] in "2345"])
def test_the_exhaustive_engine_reproduces_the_recorded_histograms(name):
    assert histogram(exhaustive_census(named(name))) == HISTOGRAMS[name]["histogram"]


def test_the_published_numbers_of_schemes_come_out(published):
    assert {name: len(c.schemes) for name, c in published.items()} == PUBLISHED_COUNTS


@pytest.mark.parametrize(("degree", "size"), [(6, 55), (7, 121)])
def test_the_published_triangulations_give_every_nonempty_scheme(published, degree, size):
    censuses = [c for name, c in published.items() if name.startswith(f"{degree}_")]
    found = {str(row.scheme) for census in censuses for row in census.schemes}
    assert len(found) == size
    assert found == set(known_schemes(degree)) - {"<0>"}


def test_every_witness_has_its_scheme(published):
    for census in published.values():
        for row in census.schemes:
            assert real_scheme_by_euler(census.triangulation, row.witness) == row.scheme


def test_witnesses_are_canonical(published):
    for census in published.values():
        fixed = 0b11 | 1 << (census.triangulation.degree + 1)
        assert all(row.witness & fixed == 0 for row in census.schemes)


@settings(max_examples=30)
@given(triangulations(1, 4))
def test_both_engines_agree_on_random_triangulations(triangulation):
    assert histogram(frontier_census(triangulation)) == histogram(exhaustive_census(triangulation))


@pytest.mark.parametrize("seed", range(3))
def test_both_engines_agree_in_degree_5(seed):
    from tasks.lattice import random_flips

    triangulation = random_flips(honeycomb(5), 400, np.random.default_rng(seed))
    assert histogram(frontier_census(triangulation)) == histogram(exhaustive_census(triangulation))


@settings(max_examples=20)
@given(triangulations(6, 7))
def test_random_triangulations_stay_in_the_classification(triangulation):
    census = frontier_census(triangulation)
    assert set(histogram(census)) <= set(known_schemes(triangulation.degree)) - {"<0>"}
    assert sum(row.count for row in census.schemes) == census.sign_classes
    for row in census.schemes[:: max(1, len(census.schemes) // 8)]:
        assert real_scheme_by_euler(triangulation, row.witness) == row.scheme


def connected_order(triangulation, rng):
    """A random order in which every point is next to an earlier one."""
    order = [int(rng.integers(triangulation.num_points))]
    edges = triangulation.edges.tolist()
    while len(order) < triangulation.num_points:
        reached = {p for e in edges for p in e if set(e) & set(order)} - set(order)
        order.append(int(rng.choice(sorted(reached))))
    return order


@pytest.mark.parametrize(
    "name", ["1_honeycomb", "3_honeycomb", "4_honeycomb", "5_honeycomb", "6_bat"]
)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_points_changes_nothing(name, seed):
    triangulation = named(name)
    order = connected_order(triangulation, np.random.default_rng(seed))
    try:
        program = frontier_program(triangulation, order=order)
        census = frontier_census(triangulation, program=program, max_bytes=1 << 28)
    except BudgetExceeded:
        # A bad order may be too wide; then points from left to right will do.
        program = frontier_program(triangulation, order=range(triangulation.num_points))
        census = frontier_census(triangulation, program=program)
    assert histogram(census) == histogram(frontier_census(triangulation))
    for row in census.schemes:
        assert real_scheme_by_euler(triangulation, row.witness) == row.scheme


@pytest.mark.parametrize("element", range(6))
def test_symmetric_triangulations_have_the_same_histogram(element):
    bat = named("6_bat")
    assert histogram(frontier_census(transform(bat, element))) == HISTOGRAMS["6_bat"]["histogram"]


@pytest.mark.parametrize("name", ["6_bat", "6_honeycomb", "7_fra", "7_cen"])
@pytest.mark.parametrize("deficiency", [0, 1, 3, 6])
def test_a_census_from_k_ovals_on_is_the_full_one_cut_off(name, deficiency):
    triangulation = named(name)
    least = {6: 11, 7: 15}[triangulation.degree] - deficiency
    full, cut = frontier_census(triangulation), frontier_census(triangulation, min_ovals=least)
    assert histogram(cut) == {
        k: v for k, v in histogram(full).items() if Scheme.parse(k).ovals >= least
    }
    assert cut.transitions < full.transitions


def test_a_census_without_counts_finds_the_same_schemes_and_witnesses():
    fra = named("7_fra")
    counted, uncounted = frontier_census(fra), frontier_census(fra, counts=False)
    assert [(r.scheme, r.witness) for r in counted.schemes] == [
        (r.scheme, r.witness) for r in uncounted.schemes
    ]
    assert {row.count for row in uncounted.schemes} == {0}


@settings(max_examples=30)
@given(st.integers(0, 1 << 17))
def test_no_budget_changes_a_result(extra_bytes):
    honeycomb_5 = honeycomb(5)
    try:
        census = frontier_census(honeycomb_5, max_bytes=12_000 + extra_bytes)
    except BudgetExceeded as error:
        assert "\n" not in str(error)
        assert "raise memory_gib" in str(error)
    else:
        assert histogram(census) == HISTOGRAMS["5_honeycomb"]["histogram"]
        assert census.peak_bytes <= 12_000 + extra_bytes


def test_a_census_is_refused_beyond_degree_9():
    with pytest.raises(InputError, match="up to degree 9"):
        frontier_census(honeycomb(10))
    with pytest.raises(InputError, match="up to degree 9"):
        exhaustive_census(honeycomb(10))


def test_an_endless_enumeration_is_refused():
    with pytest.raises(BudgetExceeded, match="use engine=frontier"):
        exhaustive_census(honeycomb(8))


def test_ranges_of_the_exhaustive_engine_add_up():
    whole = exhaustive_census(honeycomb(4))
    parts = [exhaustive_census(honeycomb(4), begin=b, end=b + 1024) for b in range(0, 4096, 1024)]
    total: dict[str, int] = {}
    for part in parts:
        for scheme, count in histogram(part).items():
            total[scheme] = total.get(scheme, 0) + count
    assert total == histogram(whole)
    assert min(r.witness for p in parts for r in p.schemes) == min(r.witness for r in whole.schemes)


def test_a_targeted_census_of_degree_9_finds_the_harnack_curve():
    census = frontier_census(honeycomb(9), min_ovals=28)
    assert num_points(9) == 55
    assert any(row.scheme.ovals == 28 for row in census.schemes)
    for row in census.schemes:
        assert real_scheme_by_euler(honeycomb(9), row.witness) == row.scheme
