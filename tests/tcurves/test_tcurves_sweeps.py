"""Sweeps: which sign vectors they evaluate, that shards add up, and that nothing is dropped."""

import pickle
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from study_helpers import failed_tables, joined_tables, replaced, tables_of

from flows.planning import PlannedRun, _code_of, plan_run
from flows.tcurve_census import STUDY as CENSUS
from flows.tcurve_sweep import STUDY
from gpu import backend
from gpu.schemes import FAILED, Counts
from tasks.lattice import Triangulation, honeycomb, num_points, write_triangulations_json
from tasks.records import InputError, Status
from tasks.records.version import closure, code_version
from tasks.tcurves import (
    CensusConfig,
    SweepConfig,
    SweepWork,
    as_word,
    canonical_signs,
    check_sweep_device,
    frontier_census,
    harnack_bound,
    harnack_signs,
    num_sign_classes,
    real_scheme,
    sweep_summary,
    sweeps,
)
from tasks.tcurves._sign_sources import (
    ball_size,
    ball_words,
    canonical_words,
    class_words,
    sample_words,
)
from tasks.tcurves.signs import canonical_word, gauge_points

SCIENCE = ("fingerprint", "code_version", "seed", "status")
SWEEP, VERIFY = STUDY.stages
CODE = [name.partition(":")[0] for name in _code_of(STUDY, STUDY.stages)]


def plan_sweep(config: SweepConfig) -> PlannedRun:
    return plan_run(STUDY, config)


def results(config: SweepConfig) -> dict[str, dict[str, pa.Table]]:
    """All tables of a sweep, by triangulation: those of the shards in one, then the summary."""
    plan = plan_sweep(config)
    shards = {item.key: tables_of(plan, SWEEP, item) for item in plan.items["sweep"]}
    found = {}
    for item in plan.items["verify"]:
        parts = [shards[key] for key in item.parts]
        tables = {t: pa.concat_tables([part[t] for part in parts]) for t in VERIFY.needs}
        found[item.key] = tables | tables_of(plan, VERIFY, item, *tables.values())
    return found


def works_of(config: SweepConfig) -> list[SweepWork]:
    return [item.argument for item in plan_sweep(config).items["sweep"]]


def histogram(config: SweepConfig) -> list[dict]:
    """Rows of the one triangulation's histogram without what names the run."""
    [tables] = results(config).values()
    return tables["histogram"].drop_columns(SCIENCE).to_pylist()


def sweep_of(name: str, **settings) -> SweepConfig:
    return SweepConfig(triangulations=(name,), **settings)


# --- enumerations of sign vectors ---------------------------------------------------------------


@pytest.mark.parametrize("degree", range(1, 10))
def test_the_bits_of_a_class_are_the_signs_of_the_free_points(degree: int) -> None:
    fixed = gauge_points(degree)
    free = [p for p in range(num_points(degree)) if p not in fixed]
    numbers = np.unique(np.random.default_rng(0).integers(0, num_sign_classes(degree), 50))
    expected = [sum(1 << p for i, p in enumerate(free) if k >> i & 1) for k in numbers.tolist()]
    assert class_words(degree, numbers).tolist() == expected


@given(st.integers(1, 9), st.integers(0, 2**32))
def test_random_words_are_canonical(degree: int, seed: int) -> None:
    words = sample_words(degree, 20, np.random.default_rng(seed))
    assert np.array_equal(canonical_words(degree, words), words)


@given(st.integers(1, 9), st.data())
def test_canonical_words_are_those_of_one_word(degree: int, data) -> None:
    words = data.draw(st.lists(st.integers(0, (1 << num_points(degree)) - 1), max_size=9))
    found = canonical_words(degree, np.array(words, dtype=np.int64))
    assert found.tolist() == [canonical_word(degree, word) for word in words]


@pytest.mark.parametrize(("degree", "radius"), [(1, 3), (2, 2), (3, 4), (4, 3), (2, 99)])
def test_a_ball_holds_every_sign_vector_within_its_radius_once(degree: int, radius: int) -> None:
    n, center = num_points(degree), 0b101
    words = ball_words(degree, center, 0, ball_size(degree, radius)).tolist()
    expected = [
        center ^ sum(1 << p for p in chosen)
        for distance in range(min(radius, n) + 1)
        for chosen in combinations(range(n), distance)
    ]
    assert sorted(words) == sorted(expected)
    distances = [(word ^ center).bit_count() for word in words]
    assert distances == sorted(distances)


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_any_part_of_a_ball_is_made_without_the_rest(first: int, second: int) -> None:
    begin, end = sorted((first, second))
    whole = ball_words(9, 12345, 0, 2000)
    assert np.array_equal(ball_words(9, 12345, begin, end), whole[begin:end])


def test_the_last_sign_vectors_of_a_large_ball_are_far() -> None:
    size = ball_size(9, 27)
    words = ball_words(9, 0, size - 3, size)
    assert [word.bit_count() for word in words.tolist()] == [27, 27, 27]


# --- plans --------------------------------------------------------------------------------------


def test_shards_cover_every_sign_vector_once() -> None:
    config = SweepConfig(triangulations=("3_honeycomb", "4_honeycomb"), shard_size=1000)
    plan, works = plan_sweep(config), works_of(config)
    keys = ["3_honeycomb.000000", *(f"4_honeycomb.{i:06d}" for i in range(5))]
    assert plan.keys == [work.key for work in works] == keys
    assert [i for work in works[1:] for i in work.part] == list(range(4096))
    merged = {item.key: item.parts for item in plan.items["verify"]}
    assert merged == {"3_honeycomb": tuple(keys[:1]), "4_honeycomb": tuple(keys[1:])}


def test_the_device_is_no_part_of_the_identity_and_everything_else_is() -> None:
    base = sweep_of("3_honeycomb", signs="random", samples=10)
    run_id = plan_sweep(base).identity.run_id
    assert plan_sweep(base.model_copy(update={"device": "cpu"})).identity.run_id == run_id
    changes = [{"seed": 1}, {"samples": 11}, {"shard_size": 7}, {"signs": "ball"}, {"radius": 2}]
    others = {plan_sweep(base.model_copy(update=c)).identity.run_id for c in changes}
    assert len(others | {run_id}) == len(changes) + 1


def test_the_identity_names_triangulations_by_content_and_not_by_path(tmp_path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_triangulations_json(tmp_path / folder / "mine.json", [honeycomb(2).with_name("t")])
    ids = {
        plan_sweep(sweep_of(str(tmp_path / f / "mine.json"))).identity.run_id for f in ("a", "b")
    }
    assert len(ids) == 1
    identity = plan_sweep(sweep_of("2_honeycomb")).identity
    assert identity.code_version == code_version(*CODE)


def test_the_code_version_covers_kernels_triangulations_and_how_tables_are_made() -> None:
    needed = {"gpu.schemes", "gpu.isotopy", "tasks.lattice.triangulation", "tasks.records.parts"}
    assert needed | {"tasks.records.rows", "tasks.tcurves._prefilter"} <= set(closure(*CODE))


def test_an_item_travels_without_the_names_of_all_others() -> None:
    plan = plan_sweep(SweepConfig(triangulations=("2_honeycomb", "3_honeycomb")))
    work = plan.items["sweep"][1].argument
    again = pickle.loads(pickle.dumps(work))
    assert again.config.triangulations == ("3_honeycomb",)
    assert (again.key, again.part) == (work.key, work.part)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"triangulations": ("10_honeycomb",)}, "has degree 10; a sweep goes up to degree 9"),
        ({"begin": 8, "end": 8}, "begin=8, end=8: 2_honeycomb has the sign classes 0 to 7"),
        ({"begin": 8}, "give 0 <= begin < end <= 8"),
        ({"end": 9}, "end=9"),
        ({"signs": "ball", "centers": (64,)}, "64 is no sign word of 2_honeycomb, which has 6"),
        ({"signs": "ball", "centers": (0, -1)}, "-1 is no sign word"),
        ({"triangulations": ("7_fra",), "shard_size": 1000}, "take 86000 or more"),
        ({"triangulations": ("7_fro",)}, "did you mean '7_fra'"),
    ],
)
def test_impossible_sweeps_are_refused_in_one_line(settings, message) -> None:
    with pytest.raises(InputError) as caught:
        plan_sweep(SweepConfig(**({"triangulations": ("2_honeycomb",)} | settings)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"shard_size": 0}, {"samples": 0}, {"radius": -1}, {"seed": -1}, {"signs": "all"}, {"x": 1}],
)
def test_impossible_settings_are_refused(settings) -> None:
    with pytest.raises(ValidationError):
        SweepConfig(**settings)


def test_a_name_that_looks_like_a_shard_makes_no_two_items_of_one_key(tmp_path) -> None:
    names = ["a", "a.000000"]
    path = tmp_path / "both.json"
    write_triangulations_json(path, [honeycomb(2).with_name(name) for name in names])
    keys = [item.key for item in plan_sweep(sweep_of(str(path), shard_size=4)).items["sweep"]]
    assert len(set(keys)) == len(keys) == 4


def test_a_gpu_that_is_not_there_is_refused_on_this_machine_only(monkeypatch) -> None:
    monkeypatch.setattr(backend, "cuda_problem", lambda: "no CUDA device is visible")
    config = sweep_of("2_honeycomb", device="cuda")
    for address in ("local", "serial"):
        with pytest.raises(InputError) as caught:
            check_sweep_device(config, address)
        assert str(caught.value) == (
            "device=cuda: no GPU can be used: no CUDA device is visible; "
            "use device=auto or device=cpu"
        )
    check_sweep_device(config, "head:6379")
    check_sweep_device(sweep_of("2_honeycomb"), "local")


# --- results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["1_honeycomb", "2_honeycomb", "3_honeycomb", "4_honeycomb"])
def test_all_sign_classes_give_the_histogram_of_the_census(name: str) -> None:
    plan = plan_run(CENSUS, CensusConfig(triangulations=(name,), engine="union-find"))
    census = joined_tables(plan, CENSUS.stages[0])["histogram"].drop_columns(SCIENCE)
    assert histogram(sweep_of(name)) == census.to_pylist()


@pytest.mark.parametrize("signs", ["range", "ball"])
def test_shards_of_a_range_or_of_balls_add_up_to_the_whole(signs) -> None:
    settings = {"signs": signs, "radius": 2, "centers": (0, 77)}
    whole = histogram(sweep_of("4_honeycomb", **settings))
    assert histogram(sweep_of("4_honeycomb", **settings, shard_size=64)) == whole


def test_a_range_counts_its_sign_classes_only() -> None:
    rows = histogram(sweep_of("4_honeycomb", begin=100, end=1234, shard_size=100))
    assert sum(row["count"] for row in rows) == 1134
    least = class_words(4, np.array([100]))[0]
    assert all(row["witness"] >= least for row in rows)


@pytest.mark.parametrize("signs", ["random", "ball"])
def test_every_sign_vector_is_evaluated_as_alone(signs) -> None:
    config = sweep_of("5_honeycomb", signs=signs, samples=231, radius=2, seed=4, shard_size=100)
    works = works_of(config)
    words = np.concatenate([w for work in works for w in sweeps._batches(work)])
    triangulation = works[0].triangulation
    expected: dict[str, list[int]] = {}
    for word in words.tolist():
        expected.setdefault(str(real_scheme(triangulation, word)), []).append(word)
    rows = histogram(config)
    assert {row["scheme"]: (row["count"], row["witness"]) for row in rows} == {
        scheme: (len(found), min(found)) for scheme, found in expected.items()
    }
    assert sum(row["count"] for row in rows) == words.size == {"random": 231, "ball": 232}[signs]


def test_balls_surround_the_harnack_signs_by_default() -> None:
    [row] = histogram(sweep_of("7_honeycomb", signs="ball", radius=0))
    assert row["is_maximal"]
    assert row["ovals"] + 1 == harnack_bound(7)
    assert row["witness"] == as_word(canonical_signs(7, harnack_signs(7)))
    given_ = sweep_of("7_honeycomb", signs="ball", radius=1, centers=(as_word(harnack_signs(7)),))
    assert histogram(given_) == histogram(sweep_of("7_honeycomb", signs="ball", radius=1))


def test_a_random_shard_is_the_same_alone_and_another_one_with_another_seed() -> None:
    config = sweep_of("5_honeycomb", signs="random", samples=300, shard_size=100)
    alone = works_of(config)[2]
    together = SweepConfig(
        **config.model_dump() | {"triangulations": ("2_honeycomb", "5_honeycomb")}
    )
    other = next(work for work in works_of(together) if work.key == alone.key)
    [words], [same] = sweeps._batches(alone), sweeps._batches(other)
    assert np.array_equal(words, same)
    [reseeded] = sweeps._batches(works_of(config.model_copy(update={"seed": 1}))[2])
    assert not np.array_equal(words, reseeded)


def test_the_batch_size_changes_nothing(monkeypatch) -> None:
    config = sweep_of("5_honeycomb", signs="random", samples=300)
    whole = histogram(config)
    monkeypatch.setattr(sweeps, "BATCH", 7)
    assert histogram(config) == whole


def test_two_executions_give_the_same_bytes() -> None:
    plan = plan_sweep(sweep_of("5_honeycomb", signs="random", samples=500))
    [item] = plan.items["sweep"]
    first, second = (tables_of(plan, SWEEP, i) for i in (item, pickle.loads(pickle.dumps(item))))
    assert set(first) == set(SWEEP.tables)
    assert all(first[table].equals(second[table]) for table in SWEEP.tables)


# --- many ovals ---------------------------------------------------------------------------------


def rows_with_ovals(rows: list[dict], least: int) -> list[dict]:
    return [row for row in rows if row["ovals"] >= least]


MANY_OVALS = [
    {"signs": "range", "begin": 5000, "end": 30_000, "shard_size": 7000},
    {"signs": "random", "samples": 20_000, "shard_size": 7000},
    {"signs": "ball", "radius": 3, "shard_size": 1000},
]


@pytest.mark.parametrize("settings", MANY_OVALS, ids=lambda settings: settings["signs"])
@pytest.mark.parametrize("name", ["5_honeycomb", "6_bat", "7_cen"])
def test_min_ovals_gives_the_rows_of_the_full_sweep_that_have_so_many(name, settings) -> None:
    full = histogram(sweep_of(name, **settings))
    most = max(row["ovals"] for row in full)
    for least in range(most + 2):
        cut = histogram(sweep_of(name, min_ovals=least, **settings))
        assert cut == rows_with_ovals(full, least)


@pytest.mark.parametrize("settings", MANY_OVALS, ids=lambda settings: settings["signs"])
@pytest.mark.parametrize("share", [-1.0, 1.0], ids=["plain", "prefilter"])
def test_counting_components_first_changes_no_row(monkeypatch, settings, share) -> None:
    full = histogram(sweep_of("6_honeycomb", **settings))
    counted = []

    def evaluate(work, words, found):
        counted.append(words.size)
        return kernel(work, words, found)

    kernel = sweeps._evaluate
    monkeypatch.setattr(sweeps, "_evaluate", evaluate)
    monkeypatch.setattr(sweeps, "LARGEST_SHARE_OF_BATCH", share)
    monkeypatch.setattr(sweeps, "LARGEST_SHARE_OF_RANGE", share)
    monkeypatch.setattr(sweeps, "BATCH", 3000)
    config = sweep_of("6_honeycomb", min_ovals=4, **settings)
    expected = rows_with_ovals(full, 4)
    assert histogram(config) == expected
    if share == 1.0:
        assert sum(counted) == sum(row["count"] for row in expected)


def test_the_search_of_all_sign_classes_finds_what_the_targeted_census_counts() -> None:
    config = sweep_of("8_honeycomb", min_ovals=20, shard_size=1 << 40)
    census = frontier_census(honeycomb(8), min_ovals=20)
    expected = {str(row.scheme): row.count for row in census.schemes}
    assert {row["scheme"]: row["count"] for row in histogram(config)} == expected
    assert len(expected) == 5


def test_more_ovals_than_any_curve_has_are_not_found() -> None:
    [tables] = results(sweep_of("5_honeycomb", min_ovals=29, shard_size=1 << 10)).values()
    assert tables["histogram"].num_rows == 0
    [summary] = tables["summary"].to_pylist()
    assert (summary["evaluations"], summary["num_schemes"]) == (1 << 18, 0)
    assert summary["status"] == "ok"


def test_min_ovals_is_part_of_the_identity_of_a_run() -> None:
    all_, few = (plan_sweep(sweep_of("4_honeycomb", min_ovals=k)).identity for k in (0, 3))
    assert all_.run_id != few.run_id
    with pytest.raises(ValidationError):
        sweep_of("4_honeycomb", min_ovals=30)


def test_the_gpu_evaluates_all_and_drops_those_with_few_ovals(monkeypatch) -> None:
    settings = {"signs": "random", "samples": 500, "min_ovals": 3}
    expected = histogram(sweep_of("5_honeycomb", **settings))
    kernel, seen = sweeps.scheme_codes, []

    def on_gpu(triangles, grid, words, *, device):
        seen.append((words.size, device))
        return kernel(triangles, grid, words)

    monkeypatch.setattr(backend, "cuda_problem", lambda: "")
    monkeypatch.setattr(sweeps, "scheme_codes", on_gpu)
    assert histogram(sweep_of("5_honeycomb", device="cuda", **settings)) == expected
    assert seen == [(500, "cuda")]


# --- failures -----------------------------------------------------------------------------------


def test_what_a_batch_leaves_open_is_redone_and_counted(monkeypatch) -> None:
    config = sweep_of("4_honeycomb", signs="random", samples=1000, shard_size=250)
    expected = histogram(config)
    kernel = sweeps.scheme_codes

    def forgetful(*arguments, **options):
        codes = kernel(*arguments, **options)
        codes[::3] = FAILED
        return codes

    monkeypatch.setattr(sweeps, "scheme_codes", forgetful)
    [tables] = results(config).values()
    assert tables["shards"]["redone"].to_pylist() == [84] * 4
    assert tables["summary"]["redone"].to_pylist() == [336]
    assert tables["histogram"].drop_columns(SCIENCE).to_pylist() == expected


def test_a_range_that_the_kernel_leaves_open_is_redone_as_a_whole(monkeypatch) -> None:
    expected = histogram(sweep_of("4_honeycomb"))
    empty = np.zeros(0, np.int64)
    monkeypatch.setattr(sweeps, "sweep", lambda *_, **__: Counts(empty, empty, empty, 5))
    monkeypatch.setattr(sweeps, "BATCH", 1000)
    [tables] = results(sweep_of("4_honeycomb")).values()
    assert tables["shards"]["redone"].to_pylist() == [5]
    assert tables["histogram"].drop_columns(SCIENCE).to_pylist() == expected


def test_what_no_method_answers_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(sweeps, "scheme_codes", lambda _, __, words, **___: words * 0 + FAILED)
    monkeypatch.setattr(sweeps.isotopy, "scheme_codes", lambda *a: a[-1] * 0 - 1)
    [work] = works_of(sweep_of("4_honeycomb", signs="ball", radius=0))
    with pytest.raises(ArithmeticError, match="gives no rooted tree"):
        sweeps.sweep_rows(work)


@pytest.mark.parametrize("status", [Status.OVER_BUDGET, Status.FAILED])
def test_a_failed_shard_is_a_row_with_its_reason(status: Status) -> None:
    plan = plan_sweep(sweep_of("4_honeycomb"))
    [item] = plan.items["sweep"]
    tables = failed_tables(plan, SWEEP, item, status, "no luck")
    assert tables["sweep"].num_rows == 0
    [row] = tables["shards"].to_pylist()
    assert (row["item"], row["status"], row["reason"]) == (item.key, status, "no luck")
    assert (row["triangulation"], row["degree"], row["shard"]) == ("4_honeycomb", 4, 0)
    assert row["evaluations"] is None


# --- summaries ----------------------------------------------------------------------------------


def test_the_summary_carries_the_triangulation_and_its_certificate() -> None:
    [tables] = results(sweep_of("4_honeycomb", shard_size=1000)).values()
    [row] = tables["summary"].to_pylist()
    again = Triangulation.of(row["degree"], row["triangles"], weights=row["weights"])
    assert again.content_hash() == row["content"]
    assert (row["evaluations"], row["redone"], row["num_schemes"]) == (4096, 0, 5)
    assert (row["regular"], row["unclassified"], row["status"]) == (True, [], "ok")
    assert all(tables["verification"]["agrees"].to_pylist())
    assert tables["verification"].num_rows == 5


def test_schemes_of_degree_8_cannot_be_held_against_a_classification() -> None:
    [tables] = results(sweep_of("8_honeycomb", signs="random", samples=50)).values()
    assert tables["summary"]["unclassified"].to_pylist() == [None]


def test_a_scheme_that_no_curve_has_fails_a_regular_triangulation(monkeypatch) -> None:
    monkeypatch.setattr(sweep_summary, "possible_schemes", lambda _: ("<J>",))
    [tables] = results(sweep_of("3_honeycomb")).values()
    [row] = tables["summary"].to_pylist()
    assert (row["status"], row["unclassified"]) == ("failed", ["<Jv1>"])
    assert row["reason"] == "not in the classification: <Jv1>"


def test_a_wrong_witness_fails_the_verification() -> None:
    plan = plan_sweep(sweep_of("3_honeycomb"))
    tables = joined_tables(plan, SWEEP)
    swapped = tables["sweep"]["witness"].to_pylist()[::-1]
    wrong = replaced(tables["sweep"], "witness", swapped)
    [item] = plan.items["verify"]
    found = tables_of(plan, VERIFY, item, wrong, tables["shards"])
    assert found["verification"]["status"].to_pylist() == ["failed", "failed"]
