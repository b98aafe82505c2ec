"""The study `adaptive-frank-wolfe` end to end, through the command, with short descents."""

import json
from pathlib import Path

import numpy as np
import pytest
from study_helpers import science_bytes

from flows import find_study
from flows.cli import main
from flows.planning import plan_run
from flows.reports import report_of
from tasks.frankwolfe.adaptive import methods, run
from tasks.frankwolfe.adaptive.config import AdaptiveConfig
from tasks.frankwolfe.adaptive.items import Target
from tasks.frankwolfe.adaptive.names import KINDS, REGIONS_OF
from tasks.frankwolfe.adaptive.problems import problem_of
from tasks.frankwolfe.adaptive.results import Results
from tasks.frankwolfe.adaptive.sources import SOURCES
from tasks.records import InputError, Store, Stored
from tasks.records.markdown import markdown

pytestmark = pytest.mark.flow

STUDY = find_study("adaptive-frank-wolfe")
RUN = ["run", STUDY.name, "--recipe", "convex", "--smoke", "--json"]
SMALL = ["--set", "passes=2", "--set", "points=4"]


@pytest.fixture
def ran(prefect_api, tmp_path, capsys):
    """Run into one store: (exit code, the JSON object, stderr)."""

    def run_it(*arguments: str, address="serial") -> tuple[int, dict, str]:
        where = ["--address", address, "--out", str(tmp_path)]
        code = main([*RUN, *SMALL, *where, *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run_it


def stored(path: str) -> Stored:
    found = Store.open(Path(path).parents[1]).find_run(path)
    return Stored(found, plan_run(STUDY, AdaptiveConfig()).schemas)


def test_optima_rates_and_descents_are_stored_verified_reported_and_drawn(ran):
    code, outcome, _ = ran()
    assert (code, outcome["status"]) == (0, "ok")
    found = stored(outcome["path"])
    assert found.run.manifest().status == "complete"
    optima = {row["problem"]: row for row in found.rows("optima")}
    assert optima.keys() == {"diabetes-squares-l1", "permuted-squares-birkhoff"}
    for row in optima.values():
        assert 0 <= row["gap"] <= 1e-9 * row["value"] and row["value"] < row["start_value"]
        assert row["relative_gap"] == row["gap"] / row["value"]
    checks = found.rows("verification")
    assert len(checks) == 2 and all(row["status"] == "ok" for row in checks)
    runs = found.rows("runs")
    # Two deterministic methods run once, four stochastic ones twice.
    assert len(runs) == 2 * (2 + 4 * 2)
    choices = found.rows("choices")
    assert {row["method"] for row in choices} == {"adasfw", "adasvrf", "adagrad"}
    for row in runs:
        own = [c for c in choices if (c["problem"], c["method"]) == (row["problem"], row["method"])]
        best = min(own, key=lambda c: c["error"])["factor"] if own else None
        assert row["factor"] == best
        optimum = optima[row["problem"]]
        # The gap bounds the error, which is not below 0.
        assert -1e-9 <= row["value"] - optimum["value"] <= row["gap"] + 1e-12
        assert row["gradients"] >= 2 * optimum["num_terms"]
    curve = [row for row in found.rows("curve") if row["item"] == runs[0]["item"]]
    assert [row["number"] for row in curve] == list(range(4))
    assert curve[0]["gradients"] == 0 and curve[0]["error"] == pytest.approx(1)
    timed = [name for name in found.seconds() if name.startswith("point.")]
    assert len(timed) == len(found.rows("curve"))
    text = markdown(report_of(STUDY, found), found.run)
    for words in (
        "published: AdaSFW is ahead of SFW at equal gradients",
        "least error, dear projection, well scaled (1 problem)",
        "checked by other code: 2 of 2",
    ):
        assert words in text, words
    figures = {path.name for path in (Path(outcome["path"]) / "figures").iterdir()}
    assert figures == {"gradients.png", "oracles.png", "seconds.png", "winners.png"}


def test_a_run_that_was_killed_ends_in_the_same_bytes(ran, monkeypatch, tmp_path):
    _, whole, _ = ran()
    calls = []

    def interrupted(*arguments, **keywords):
        calls.append(arguments)
        if len(calls) == 12:
            raise KeyboardInterrupt
        yield from methods.descend(*arguments, **keywords)

    other = ["--out", str(tmp_path / "other")]
    monkeypatch.setattr(run, "descend", interrupted)
    assert ran(*other)[0] == 130
    monkeypatch.setattr(run, "descend", methods.descend)
    code, again, _ = ran(*other)
    assert code == 0 and len(calls) == 12
    assert science_bytes(again["path"]) == science_bytes(whole["path"])
    before = {p: p.stat().st_mtime_ns for p in Path(again["path"]).rglob("runs/*.arrow")}
    assert before and ran(*other)[0] == 0
    assert before == {p: p.stat().st_mtime_ns for p in before}


@pytest.mark.ray
def test_rows_do_not_depend_on_the_number_of_workers(ran, local_ray, tmp_path):
    _, alone, _ = ran("--out", str(tmp_path / "alone"))
    _, many, _ = ran("--out", str(tmp_path / "many"), address="local")
    assert science_bytes(alone["path"]) == science_bytes(many["path"])


def test_more_repetitions_and_methods_take_over_what_is_there(ran):
    _, first, _ = ran()
    _, second, _ = ran("--set", "seeds=3", "--set", 'methods=["fw","sfw","adasfw"]')
    rows = {row["item"]: row for row in stored(first["path"]).rows("runs")}
    more = {row["item"]: row for row in stored(second["path"]).rows("runs")}
    assert "diabetes-squares-l1-sfw-2" in more and "diabetes-squares-l1-sfw-2" not in rows
    for key in ("diabetes-squares-l1-sfw-0", "permuted-squares-birkhoff-adasfw-1"):
        assert rows[key]["value"] == more[key]["value"]


def test_a_table_of_ones_own_is_minimized_over_every_region(ran, tmp_path):
    random = np.random.default_rng(0)
    rows = random.standard_normal((60, 4))
    targets = rows @ [1.0, -2.0, 0.5, 0.0] + 0.1 * random.standard_normal(60)
    np.savez(tmp_path / "mine.npz", x=rows, y=targets)
    small = ["--set", 'methods=["pairwise","sfw","adasfw"]', "--set", 'regions=["l1","l2"]']
    code, outcome, _ = ran("--set", f"data={tmp_path / 'mine.npz'}", *small)
    assert code == 0
    optima = stored(outcome["path"]).rows("optima")
    assert [row["problem"] for row in optima] == ["own-squares-l1", "own-squares-l2"]
    # Two different targets are classes; commas work as well.
    table = np.column_stack([rows, targets > 0])
    np.savetxt(tmp_path / "mine.csv", table, delimiter=",")
    code, outcome, _ = ran("--set", f"data={tmp_path / 'mine.csv'}", *small)
    assert code == 0
    found = stored(outcome["path"])
    [first, _] = found.rows("optima")
    assert first["problem"] == "own-logistic-l1"
    # Its start is optimal: errors are relative to the value then, not to a fall of nothing.
    assert first["start_value"] == pytest.approx(first["value"], rel=1e-9)
    own = [row for row in found.rows("runs") if row["problem"] == first["problem"]]
    assert own and max(abs(row["error"]) for row in own) < 10


def test_what_cannot_be_minimized_is_refused_in_one_line_before_anything_starts(ran, tmp_path):
    ones = np.ones((20, 2))
    given = {
        "empty": (np.empty((0, 3)), np.empty(0)),
        "nan": (np.array([[1.0, np.nan]] * 20), np.arange(20.0)),
        "huge": (1e200 * ones * np.arange(20.0)[:, None], 1e200 * np.arange(20.0)),
        "short": (ones, np.arange(3.0)),
        "flat": (ones, np.ones(20)),
        "five": (ones, np.arange(20.0) % 5),
        "text": (np.array([["a", "b"]] * 20), np.arange(20.0)),
    }
    for name, (x, y) in given.items():
        np.savez(tmp_path / f"{name}.npz", x=x, y=y)
    np.savez(tmp_path / "other.npz", a=ones)
    (tmp_path / "words.csv").write_text("a,b\n1,2\n")
    (tmp_path / "junk.npz").write_bytes(b"PK junk")
    own = 'methods=["sfw"]'
    for settings, words in (
        (["data=empty.npz"], "has no rows: a finite sum needs at least one"),
        (["data=nan.npz"], "x has 20 entries that are not finite, the first at (0, 1)"),
        (["data=huge.npz", "loss=squares"], "the objective is not finite at the start"),
        (["data=short.npz"], "x has 20 rows and y has 3"),
        (["data=flat.npz", "loss=logistic"], "two classes are wanted"),
        (["data=five.npz", "loss=logistic"], "y has 5 different values"),
        (["data=text.npz"], "x has type"),
        (["data=other.npz"], "has no array x; it has a"),
        (["data=words.csv"], "is not a table of numbers"),
        (["data=junk.npz"], "is not an .npz file"),
        (["data=missing.npz"], "missing.npz"),
        (["batch=500"], "batch 500 is more than its 442 terms"),
        (["start=zero"], "permuted-squares-birkhoff: the region does not contain the start 0"),
        (['problems=["diabetes-squares-nuclear"]'], "can be in l1, l2, linf, simplex"),
        (['problems=["diabets-squares-l1"]'], "did you mean diabetes?"),
        (['problems=["diabetes"]'], "is called TABLE-LOSS-REGION"),
        (['problems=["diabetes-squares-l2"]', 'methods=["away"]'], "none of the methods is for l2"),
        (["rate_factors=[0]"], "must be positive"),
        (["clip_low=2", "clip_high=1"], "is above clip_high"),
    ):
        changes = [own, *settings] if "methods" not in str(settings) else settings
        placed = [each.replace("data=", f"data={tmp_path}/") for each in changes]
        code, outcome, error = ran(*(word for each in placed for word in ("--set", each)))
        assert code == 2 and outcome["status"] == "refused", settings
        assert words in error and error.strip().count("\n") == 0, (settings, error)


def test_every_table_has_a_kind_and_every_kind_a_region():
    assert list(SOURCES) and set(SOURCES) == set(KINDS)
    config = AdaptiveConfig()
    for name, kind in KINDS.items():
        problem = problem_of(config, f"{name}-squares-{REGIONS_OF[kind][0]}")
        assert (problem.scale_ratio >= 50) == (name.endswith(("_raw", "scaled"))), name
    with pytest.raises(InputError, match="needs a polytope"):
        next(methods.descend(problem_of(config, "diabetes-squares-l2"), config, "away"))


def test_a_run_without_a_proved_optimum_ends_with_a_report_and_no_pictures(ran):
    code, outcome, err = ran("--set", "optimum_steps=1")
    assert code == 1 and "raise optimum_steps" in err
    found = stored(outcome["path"])
    assert all(row["status"] == "failed" for row in found.rows("optima"))


def test_a_vertex_far_away_does_not_make_up_for_a_large_gap(tmp_path):
    random = np.random.default_rng(0)
    x = random.standard_normal((30, 4))
    np.savez(tmp_path / "own.npz", x=x, y=x @ [1.0, -1, 0, 2] + random.standard_normal(30))
    config = AdaptiveConfig(data=str(tmp_path / "own.npz"), radius=1e10, optimum_steps=100)
    [row] = run.optimum_rows(Target(config, "own-squares-l1"))["optima"]
    assert row["relative_gap"] > 1e-9 and row["status"] == "failed"


def test_a_descent_that_fails_does_not_shorten_the_comparison_of_the_others():
    def curve(errors):
        return [
            {"gradients": 10 * k, "error": error, "number": k} for k, error in enumerate(errors)
        ]

    row = {"gap": 0.0, "start_value": 1.0, "value": 0.0}
    curves = {("p", "sfw"): {0: curve([1, 0.1, 0.01])}, ("p", "adasfw"): {0: curve([1, np.inf])}}
    results = Results({"p": row}, curves, 1)
    assert results.budget("p", "gradients") == 20
    assert results.mean("p", "sfw") == pytest.approx(-2) and results.mean("p", "adasfw") == 0


def test_a_table_of_ones_own_is_no_problem_without_its_file():
    with pytest.raises(ValueError, match="a table of your own is data=FILE"):
        AdaptiveConfig(problems=("own-squares-l1",))
