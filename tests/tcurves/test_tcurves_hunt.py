"""Proposals, the archive, and rounds of a hunt."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_triangulations import PINWHEEL
from scipy.stats import spearmanr
from strategies import SEEDS, triangulations
from study_helpers import failed_tables, tables_of

from flows.planning import PlannedRun, open_run, plan_run
from flows.tcurve_hunt import STUDY
from tasks.lattice import (
    Certified,
    Regularity,
    RegularityCertificate,
    Triangulation,
    automorphisms,
    canonical_key,
    honeycomb,
    is_regular_with,
    load_triangulations,
    random_flips,
)
from tasks.records import InputError, Item, Status, Stored
from tasks.records.rows import rows_table
from tasks.tcurves import Scheme, frontier_census, real_scheme_by_euler
from tasks.tcurves.archive import Archive, Candidate, candidate_of
from tasks.tcurves.hunt import ARCHIVE_SCHEMA, HuntConfig
from tasks.tcurves.hunt_rounds import HuntWork, archive_rows, round_works
from tasks.tcurves.program import estimated_cost
from tasks.tcurves.proposals import (
    Origin,
    common_cells,
    cross,
    maximal_codes,
    mutate,
    promise,
    score,
    vary,
)
from tasks.tcurves.restrictions import is_maximal

[HUNT] = STUDY.stages


def plan_hunt(config: HuntConfig) -> PlannedRun:
    return plan_run(STUDY, config)


def candidates(plan: PlannedRun, work: HuntWork) -> list[dict]:
    """Rows of the candidates of one item, as they are stored."""
    return tables_of(plan, HUNT, Item(work.key, work))["candidates"].to_pylist()


def first_candidate(config: HuntConfig, origin: Origin | None = None) -> dict:
    """The row of the first start, or of what is put in its place."""
    planned = plan_hunt(config)
    work = round_works(planned.plan, Archive(config.degree), 0)[0]
    [row] = candidates(planned, replace(work, origins=(origin,)) if origin else work)
    return row


def hunted(config, rounds):
    """The planned hunt, the archive after some rounds, and their rows."""
    planned, rows = plan_hunt(config), []
    archive = Archive(config.degree, patience=config.patience)
    for number in range(rounds):
        works = round_works(planned.plan, archive, number)
        found = [row for work in works for row in candidates(planned, work)]
        archive.extend(candidate_of(r, config.degree) for r in found if r["codes"] is not None)
        rows += found
    return planned, archive, rows


def test_a_start_that_was_edited_makes_the_first_round_anew(tmp_path):
    start, origins = tmp_path / "mine.json", []
    flipped = random_flips(honeycomb(4), 6, np.random.default_rng(3))
    for triangulation in (honeycomb(4), flipped):
        triangles = triangulation.triangles.tolist()
        start.write_text(json.dumps({"name": "mine", "degree": 4, "triangles": triangles}))
        planned = plan_hunt(HuntConfig(degree=4, starts=(str(start),)))
        stored = Stored(open_run(planned, str(tmp_path)), planned.schemas)
        [item] = next(planned.waves(HUNT, stored)).items
        origins.append(planned.origin(HUNT, item))
    assert origins[0].made_from != origins[1].made_from


def pairs_of_degree(degree):
    return st.tuples(triangulations(degree, degree), triangulations(degree, degree))


@settings(max_examples=40)
@given(triangulations(2, 7), SEEDS)
def test_mutations_are_triangulations_of_the_same_degree(triangulation, seed):
    changed = mutate(triangulation, np.random.default_rng(seed), mean_flips=5)
    again = Triangulation.of(changed.degree, changed.triangles)  # validates
    assert again == changed.with_weights(None)
    assert changed.degree == triangulation.degree


@settings(max_examples=40)
@given(
    st.integers(2, 7).flatmap(lambda d: st.tuples(triangulations(d, d), triangulations(d, d))),
    SEEDS,
)
def test_crossings_take_every_edge_from_a_parent(pair, seed):
    first, second = pair
    crossed = cross(first, second, np.random.default_rng(seed))
    parents = set(map(tuple, first.edges.tolist())) | set(map(tuple, second.edges.tolist()))
    assert set(map(tuple, crossed.edges.tolist())) <= parents


@settings(max_examples=40)
@given(triangulations(2, 7))
def test_a_triangulation_crossed_with_itself_has_no_cells(triangulation):
    assert common_cells(triangulation, triangulation) == []
    assert cross(triangulation, triangulation, np.random.default_rng(0)) == triangulation


def test_two_neighbors_by_a_flip_differ_in_one_cell_of_two_triangles():
    start = honeycomb(4).with_weights(None)
    flipped = random_flips(start, 1, np.random.default_rng(0))
    [(before, after)] = common_cells(start, flipped)
    assert before.shape == after.shape == (2, 3)


@pytest.mark.parametrize("name", ["4_honeycomb", "5_honeycomb", "6_bat", "6_moth", "7_cen"])
def test_the_score_counts_the_sign_classes_of_m_curves(name):
    [triangulation] = load_triangulations([name])
    census = frontier_census(triangulation)
    most = max(row.scheme.ovals for row in census.schemes)
    assert 1 << score(triangulation) == sum(
        row.count for row in census.schemes if row.scheme.ovals == most
    )


def test_the_promise_prefers_rare_m_curves_then_many_then_the_score_then_the_cheaper_census():
    rng = np.random.default_rng(5)
    plain = [random_flips(honeycomb(6), 30, rng) for _ in range(40)]
    [bat] = load_triangulations(["6_bat"])
    [harnack] = maximal_codes(honeycomb(6))
    assert {maximal_codes(each) for each in plain} == {frozenset([harnack])}
    assert len(maximal_codes(bat)) == 3
    assert promise(bat, {harnack: 3}) > max(promise(each, {harnack: 3}) for each in plain)
    everything = dict.fromkeys(maximal_codes(bat), 3)
    assert promise(bat, everything) > max(promise(each, everything) for each in plain)
    best = max(plain, key=lambda each: promise(each, everything))
    rivals = [each for each in plain if score(each) == max(map(score, plain))]
    assert estimated_cost(best) == min(map(estimated_cost, rivals))


@settings(max_examples=20, deadline=None)
@given(triangulations(3, 7))
def test_maximal_codes_are_m_schemes_of_the_triangulation(triangulation):
    odd = bool(triangulation.degree % 2)
    found = maximal_codes(triangulation)
    census = frontier_census(triangulation, counts=False)
    known = {row.scheme.code for row in census.schemes}
    assert found
    assert found <= known
    for code in found:
        assert is_maximal(Scheme.from_code(code, pseudo_line=odd), triangulation.degree)


def test_the_estimated_cost_ranks_censuses_by_their_work():
    rng = np.random.default_rng(8)
    drawn = [random_flips(honeycomb(7), 60, rng) for _ in range(40)]
    costs = [estimated_cost(triangulation) for triangulation in drawn]
    work = [frontier_census(triangulation, counts=False).transitions for triangulation in drawn]
    assert spearmanr(costs, work).statistic > 0.4  # 0.5 to 0.7 in larger samples


@settings(max_examples=20)
@given(SEEDS)
def test_heights_keep_regularity_and_symmetric_flips_the_reflection(seed):
    rng = np.random.default_rng(seed)
    parent = honeycomb(6)
    made = vary(Origin("heights", parent), rng, mean_flips=5)
    assert is_regular_with(made, made.weights)
    mirrored = vary(Origin("symmetric", parent), rng, mean_flips=5)
    assert {1, 2, 5} & set(automorphisms(mirrored))


def test_no_candidate_repeats_one_of_an_earlier_round():
    _, _, rows = hunted(HuntConfig(degree=5, round_size=6, seed=1), 8)
    for number in range(1, 8):
        earlier = {row["key"] for row in rows if row["round"] < number and row["codes"]}
        assert earlier.isdisjoint(row["key"] for row in rows if row["round"] == number)


@pytest.mark.slow
def test_a_hunt_whose_triangulations_are_all_seen_goes_on():
    _, archive, rows = hunted(HuntConfig(degree=3, round_size=16, seed=0), 12)
    assert len(archive.keys) < len(rows)  # F(3) = 12 unimodular triangulations up to symmetry
    assert {row["status"] for row in rows} == {"ok"}


def test_shares_beyond_one_are_refused():
    with pytest.raises(ValueError, match="give shares that add up to 1 at most"):
        HuntConfig(crossing_share=0.6, heights_share=0.3, symmetric_share=0.2)


def test_a_hunt_from_the_honeycomb_finds_every_scheme_of_degree_4():
    _, archive, _ = hunted(HuntConfig(degree=4, round_size=4, seed=1), 4)
    assert {str(scheme) for scheme in archive.schemes()} >= {"<1>", "<1<1>>", "<4>"}


def test_a_hunt_depends_on_its_seed_only():
    config = HuntConfig(degree=5, round_size=6, seed=3)
    _, _, first = hunted(config, 3)
    _, _, second = hunted(config, 3)
    _, _, other = hunted(HuntConfig(degree=5, round_size=6, seed=4), 3)
    assert first == second
    assert [row["triangles"] for row in first] != [row["triangles"] for row in other]


def test_every_candidate_is_certified_and_every_witness_has_its_scheme():
    shares = {"crossing_share": 0.3, "heights_share": 0.2, "symmetric_share": 0.2}
    _, _, rows = hunted(HuntConfig(degree=6, round_size=8, proposals=1, seed=2, **shares), 4)
    assert {row["source"] for row in rows} == {
        "seed",
        "mutation",
        "crossing",
        "heights",
        "symmetric",
    }
    for row in rows:
        triangulation = Triangulation.of(6, row["triangles"])
        assert row["regular"] is is_regular_with(triangulation, row["weights"]) is True
        for code, witness in zip(row["codes"][:5], row["witnesses"][:5], strict=True):
            scheme = Scheme.from_code(code, pseudo_line=False)
            assert real_scheme_by_euler(triangulation, witness) == scheme


def test_an_irregular_candidate_is_marked_and_has_no_census():
    row = first_candidate(HuntConfig(degree=4), Origin("seed", PINWHEEL))
    assert row["regular"] is False
    assert row["weights"] is row["codes"] is None
    assert row["reason"] == "irregular"


def test_a_census_beyond_the_budget_is_a_row():
    row = first_candidate(HuntConfig(degree=7, memory_gib=1e-4))
    assert row["status"] == "over_budget"
    assert "raise memory_gib" in row["reason"]


def test_a_failed_item_is_a_row_for_each_candidate():
    planned, archive, _ = hunted(HuntConfig(degree=4, round_size=3, per_call=3), 1)
    [work] = round_works(planned.plan, archive, 1)
    tables = failed_tables(planned, HUNT, Item(work.key, work), Status.FAILED, "no room")
    rows = tables["candidates"].to_pylist()
    assert [(row["status"], row["reason"]) for row in rows] == [("failed", "no room")] * 3
    assert [(row["round"], row["index"]) for row in rows] == [(1, 0), (1, 1), (1, 2)]
    parents = [canonical_key(origin.parent) for origin in work.origins]
    assert [row["parent"] for row in rows] == parents
    assert all(row["codes"] is None for row in rows)


@pytest.mark.parametrize("number", [1, 7])
def test_the_items_of_a_round_cover_its_candidates_in_order(number):
    planned, archive, _ = hunted(HuntConfig(degree=4, round_size=7, per_call=3), 1)
    assert [work.key for work in round_works(planned.plan, archive, 0)] == ["r000000.00000"]
    works = round_works(planned.plan, archive, number)
    assert [work.key for work in works] == [f"r{number:06d}.{i:05d}" for i in (0, 3, 6)]
    assert [len(work.origins) for work in works] == [3, 3, 1]


def test_candidates_without_a_census_are_not_tried_again():
    archive = Archive(4)
    irregular = {"key": "ab" * 32, "status": "ok", "codes": None}
    failed = {"key": None, "status": "failed", "codes": None}
    archive.note([irregular, failed])
    assert archive.tried().tolist() == [0xABABABABABABABAB]
    assert archive.num_failed == 1


def test_weights_beyond_64_bits_are_replaced_by_smaller_ones():
    start = honeycomb(4)
    big = start.with_weights(tuple(10**30 * w + i % 3 for i, w in enumerate(start.weights)))
    assert is_regular_with(big, big.weights)
    row = first_candidate(HuntConfig(degree=4), Origin("seed", big))
    assert is_regular_with(start, row["weights"])
    assert row["codes"]


def test_undecided_regularity_is_not_called_irregular(monkeypatch):
    nothing = RegularityCertificate(Regularity.UNDECIDED, None, "no decision")
    undecided = Certified(honeycomb(4).with_weights(None), nothing)
    monkeypatch.setattr("tasks.tcurves.hunt_rounds.certify", lambda _: undecided)
    row = first_candidate(HuntConfig(degree=4))
    assert (row["regular"], row["reason"], row["codes"]) == (None, "undecided", None)


def test_the_place_of_the_known_list_does_not_name_the_run(tmp_path):
    lists = []
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_text('["<4>"]')
        lists.append(plan_hunt(HuntConfig(degree=4, known=str(tmp_path / name))).identity)
    assert lists[0] == lists[1]
    assert str(tmp_path) not in lists[0].config


@pytest.mark.parametrize(
    ("content", "message"),
    [("[" * 100_000, "cannot read the known schemes"), ('["<4", "<1>"]', "known.json: ")],
)
def test_a_bad_known_list_is_named(tmp_path, content, message):
    path = tmp_path / "known.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        plan_hunt(HuntConfig(degree=4, known=str(path)))


def test_more_ovals_than_the_degree_allows_are_refused():
    assert HuntConfig(degree=6, min_ovals=11).min_ovals == 11
    with pytest.raises(ValueError, match="curves of degree 6 have at most 11 ovals"):
        HuntConfig(degree=6, min_ovals=12)
    with pytest.raises(ValueError, match="curves of degree 7 have at most 15 ovals"):
        HuntConfig(degree=7, min_ovals=16)


def test_targeted_candidates_hold_only_schemes_with_many_ovals():
    config = HuntConfig(degree=6, min_ovals=9, targeted_share=1.0, round_size=4)
    _, archive, _ = hunted(config, 2)
    assert {scheme.ovals for scheme in archive.schemes()} <= {9, 10, 11}


def candidate(place, bits, codes):
    triangulation = honeycomb(4)
    weights = tuple(w << bits for w in triangulation.weights)
    return Candidate(
        round=place[0],
        index=place[1],
        key=f"{place}",
        triangulation=triangulation.with_weights(weights),
        codes=tuple(codes),
        witnesses=tuple(range(len(codes))),
    )


def test_the_archive_keeps_the_smallest_certificate():
    archive = Archive(4)
    assert len(archive.add(candidate((0, 0), 2, [2, 10]))) == 2
    assert archive.add(candidate((0, 1), 3, [2])) == []
    [smaller] = archive.add(candidate((0, 2), 0, [2]))
    assert archive.finds[2] is smaller
    assert archive.island.hits == {2: 3, 10: 1}


def test_an_island_without_discoveries_is_left_and_its_finds_are_kept():
    archive = Archive(4, patience=3)
    archive.extend(candidate((0, i), 0, [2]) for i in range(3))
    archive.add(candidate((1, 0), 0, [2, 10]))  # in time
    assert archive.num_islands == 1
    archive.extend(candidate((1, i), 0, [2]) for i in range(1, 4))
    assert (archive.num_islands, archive.island.elites) == (2, {})
    assert set(archive.finds) == {2, 10}
    rng = np.random.default_rng(0)
    assert archive.choose_parent(rng) in archive.starts
    archive.add(candidate((2, 0), 0, [12]))
    assert set(archive.island.elites) == {12}
    assert set(archive.everywhere.elites) == {2, 10, 12}


def test_a_hunt_without_discoveries_starts_again_from_its_seeds():
    _, archive, rows = hunted(HuntConfig(degree=4, round_size=4, patience=4, seed=2), 12)
    assert archive.num_islands > 1
    honeycombs = [row for row in rows if row["parent"] == canonical_key(honeycomb(4))]
    assert max(row["round"] for row in honeycombs) > 1


def test_the_archive_does_not_depend_on_the_order_of_arrival():
    some = [candidate((0, i), i % 3, [2, 10, 12][: 1 + i % 3]) for i in range(6)]
    archives = []
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4]):
        archive = Archive(4)
        archive.extend(some[i] for i in order)
        archives.append((archive.finds, archive.island))
    assert archives[0] == archives[1]


def test_the_stored_archive_says_what_is_known_and_what_is_first():
    config = HuntConfig(degree=6, round_size=4)
    planned, archive, rows = hunted(config, 1)
    better = list(archive.finds.values())
    known, new = planned.inputs.value.known, frozenset(archive.finds)
    found = archive_rows(known, archive, 0, better, new)
    table = rows_table(ARCHIVE_SCHEMA, found, planned.identity)
    assert table.num_rows == len(archive.finds) == 37
    assert set(table["is_known"].to_pylist()) == {True}
    assert set(table["is_first"].to_pylist()) == {True}
    assert table["scheme"].to_pylist() == [str(s) for s in archive.schemes()]
    assert rows[0]["num_schemes"] == 37


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "cannot read"),
        ("{}", "must hold a JSON list"),
        ('["<J>"]', "no curve of degree 6"),
    ],
)
def test_bad_lists_of_known_schemes_are_refused(tmp_path, content, message):
    path = tmp_path / "known.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        plan_hunt(HuntConfig(degree=6, known=str(path)))


def known_of(**settings) -> frozenset[str]:
    return plan_hunt(HuntConfig(**settings)).inputs.value.known


def test_known_schemes_can_be_given(tmp_path):
    path = tmp_path / "known.json"
    path.write_text(json.dumps(["<2>", "<1 v 1<1>>"]))
    assert known_of(degree=6, known=str(path)) == {"<2>", "<1v1<1>>"}
    assert known_of(degree=6, known="none") == frozenset()
    assert len(known_of(degree=8)) == 2415


def test_seeds_of_another_degree_are_refused():
    with pytest.raises(InputError, match="6_bat has degree 6; this hunt is in degree 7"):
        plan_hunt(HuntConfig(degree=7, starts=("6_bat",)))
