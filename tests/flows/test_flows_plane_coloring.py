"""The studies of colorings end to end, through the command, with tiny searches."""

import json
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from functools import cache
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from flows import find_study
from flows.cli import main
from tasks.coloring import CellColoring, Lattice, parse_distances, read_certificate
from tasks.coloring import run as calls
from tasks.coloring.certificates.norms import Euclidean
from tasks.coloring.checker import check
from tasks.coloring.making import Made
from tasks.records import Store, Stored

pytestmark = pytest.mark.flow

SEARCH = (
    *("seeds=4", "per_call=2", "areas=[2.5,4]", "penalties=[0.1]", "margin=0.14", "grids=[12,16]"),
    *("steps=80", "kept=1", "cells=32", "refinements=0", "repair_steps=50"),
    *("exchanges=20", "finalists=2", "polygons=0"),
)
REPAIR = ("refinements=0", "repair_steps=50", "exchanges=20", "polygons=0")
SIX = ("plane-coloring", "colors=6", *SEARCH, "finer_refinements=1")
SEVEN = ("plane-coloring", "colors=7", *SEARCH)


def arguments(study: str, *settings: str) -> list[str]:
    return ["run", study, *(part for each in settings for part in ("--set", each))]


def run_study(out: Path, study: str, *settings: str, address="serial") -> tuple[int, dict, str]:
    """Run through the command: (exit code, the JSON object, stderr)."""
    given = arguments(study, *settings)
    with redirect_stdout(StringIO()) as printed, redirect_stderr(StringIO()) as said:
        code = main([*given, "--address", address, "--json", "--out", str(out)])
    return code, json.loads(printed.getvalue().splitlines()[-1]), said.getvalue()


@pytest.fixture
def ran(prefect_api, tmp_path):
    """Run into one store."""

    def run(*words: str, out=tmp_path, address="serial") -> tuple[int, dict, str]:
        return run_study(out, *words, address=address)

    return run


@pytest.fixture(scope="module")
def shared(prefect_api, tmp_path_factory):
    """The outcome of a run that several tests read; each is made once."""

    @cache
    def run(*words: str) -> dict:
        code, outcome, _ = run_study(tmp_path_factory.mktemp("shared"), *words)
        assert (code, outcome["status"]) == (0, "ok")
        assert (
            json.loads((Path(outcome["path"]) / "manifest.json").read_text())["status"]
            == "complete"
        )
        return outcome

    return run


def stored(path: str, name: str = "plane-coloring") -> Stored:
    run = Store.open(Path(path).parents[1]).find_run(path)
    study = find_study(name)
    return Stored(run, study.schemas({}))


def science_bytes(path: str) -> dict[str, bytes]:
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".npz", ".json"))
    kept = (p for p in files if p.parent.name in ("fields", "certificates") or "tables" in p.parts)
    return {str(p.relative_to(path)): p.read_bytes() for p in kept}


def test_six_colors_are_searched_made_of_cells_refined_and_proved_by_both_checkers(shared):
    outcome = shared(*SIX)
    found = stored(outcome["path"])
    runs = {row["run"]: row for row in found.rows("runs")}
    assert list(runs) == [f"6.l0.1.{seed}" for seed in range(4)]
    assert [len(row["grid"]) for row in runs.values()] == [2] * 4
    finals = sorted(runs.values(), key=lambda row: row["estimate"])
    made = {row["item"]: row for row in found.rows("constructions")}
    assert {f"cells.{row['run']}" for row in finals if row["field"]} >= set(made) - {
        key for key in made if key.startswith("finer")
    }
    assert sum(key.startswith("finer-cells") for key in made) == 1
    for row in made.values():
        data = (Path(outcome["path"]) / row["certificate"]).read_bytes()
        assert check(data).state == "valid"
        assert Fraction(row["removed"]) == read_certificate(data).removed
        assert 0 < row["removed_percent"] < 25
        if row["item"].startswith("finer"):
            assert (
                row["removed_percent"]
                <= made[row["item"].removeprefix("finer-")]["removed_percent"]
            )
    checks = found.rows("verification")
    assert {row["item"] for row in checks} == set(made)
    assert all(row["valid"] and row["fast"] == row["standard"] == "valid" for row in checks)
    records = {row["item"]: row for row in found.rows("records")}
    assert set(records) == set(made) and not any(row["is_record"] for row in records.values())


def test_rounds_have_starts_of_their_own_and_are_those_of_a_longer_first_round(ran, shared):
    _, twice, _ = ran(*SEVEN, "seeds=2", "rounds=2", "finalists=1")
    rows = [stored(each["path"]).rows("runs") for each in (twice, shared(*SEVEN))]
    assert len(rows[0]) == 4 and len(stored(twice["path"]).rows("constructions")) == 2
    columns = ("run", "loss", "lattice", "estimate", "point_rate", "pair_rate")
    assert [[row[c] for c in columns] for row in rows[0]] == [
        [row[c] for c in columns] for row in rows[1]
    ]


def test_more_starts_take_over_those_that_were_made(ran, shared):
    first = shared(*SEVEN)
    _, second, _ = ran(*SEVEN, "seeds=6", out=Path(first["path"]).parents[1])
    execution = stored(second["path"]).run.read("execution").to_pylist()
    searched = {row["item"] for row in execution if row["run_id"] == second["run_id"]}
    assert first["run_id"] != second["run_id"]
    assert {key for key in searched if key.startswith("7.")} == {"7.l0.1.4-5"}


def test_a_run_that_is_killed_in_any_stage_ends_in_the_same_bytes(ran, shared, monkeypatch):
    wanted = science_bytes(shared(*SIX)["path"])
    assert any(name.startswith("certificates") for name in wanted)
    for name, number in (("search_rows", 1), ("making_rows", 1), ("making_rows", 1)):
        called, count = getattr(calls, name), []

        def killed(*given, called=called, count=count, number=number):
            count.append(1)
            if len(count) > number:
                raise KeyboardInterrupt
            return called(*given)

        with monkeypatch.context() as patched:
            patched.setattr(calls, name, killed)
            code, _, _ = ran(*SIX)
            assert code == 130, name
    code, again, _ = ran(*SIX)
    assert code == 0 and science_bytes(again["path"]) == wanted


def test_two_workers_give_the_rows_of_one(ran, shared, local_ray):
    _, two, _ = ran(*SEVEN, address="local")
    assert science_bytes(shared(*SEVEN)["path"]) == science_bytes(two["path"])


def test_a_given_grid_is_checked_repaired_and_improved(ran, shared, tmp_path):
    outcome = shared(*SEVEN)
    row, *_ = stored(outcome["path"]).rows("constructions")
    coloring = read_certificate(Path(outcome["path"]) / row["certificate"])
    grid = coloring.grid.copy()
    grid[:3] = 0
    path = tmp_path / "mine.npz"
    np.savez(path, grid=grid)
    lattice = json.dumps(row["lattice"])
    code, found, error = ran("plane-coloring", "colors=7", *REPAIR, f"start={path}")
    assert code == 2 and "lattice" in error and found["status"] == "refused"
    code, found, _ = ran(
        "plane-coloring", "colors=7", *REPAIR, f"start={path}", f"lattice={lattice}"
    )
    assert code == 0
    (start,) = stored(found["path"]).rows("runs")
    assert start["run"] == "start" and start["point_rate"] > 0
    (made,) = stored(found["path"]).rows("constructions")
    assert made["item"] == "cells.start" and made["removed_percent"] < 5
    assert all(each["valid"] for each in stored(found["path"]).rows("verification"))


def test_distances_of_a_sweep_are_proved_with_the_interval_around_them(ran):
    settings = (*SEARCH, "colors=[7]", "first=0.9", "last=1", "count=2", "finalists=1")
    code, outcome, _ = ran("coloring-sweep", *settings)
    assert code == 0
    found = stored(outcome["path"], "coloring-sweep")
    made = {row["problem"]: row for row in found.rows("constructions")}
    assert set(made) == {"7.6x1_0.9", "7"}
    row = made["7.6x1_0.9"]
    assert row["allowed"][:6] == ["1"] * 6
    low, high = map(Fraction, row["allowed"][6].split("-"))
    assert low < Fraction("0.9") < high
    coloring = read_certificate(Path(outcome["path"]) / row["certificate"])
    assert coloring.forbidden == parse_distances(row["allowed"], 7)


def test_targets_of_a_sweep_have_settings_of_their_own(ran):
    targets = [
        {"colors": 7},
        {"colors": 4, "norm": "max", "areas": [2.0, 5.0]},
    ]
    settings = (*SEARCH, f"targets={json.dumps(targets)}", "finalists=1")
    code, outcome, _ = ran("coloring-sweep", *settings)
    assert code == 0
    made = {row["problem"]: row for row in stored(outcome["path"]).rows("constructions")}
    assert set(made) == {"7", "4.max"}


def test_what_cannot_exist_stops_the_run_and_stays_for_examination(ran, monkeypatch, tmp_path):
    lattice = Lattice.parse([["9", "0"], ["0", "9"]])
    grid = np.zeros((4, 4), np.uint8)

    def wrong(work, field):
        forbidden = parse_distances(None, work.problem.num_colors)
        return Made(CellColoring(grid, lattice, work.problem.num_colors, forbidden, Euclidean()))

    def blind(*given):
        return type("Verdict", (), {"state": "valid", "reason": ""})()

    found = type("Found", (), {"valid": True, "removed": Fraction(0), "summary": ""})()
    monkeypatch.setattr(calls, "made_coloring", wrong)
    monkeypatch.setattr(calls, "num_offsets", lambda coloring: 0)
    monkeypatch.setattr("tasks.coloring.verify.check", blind)
    monkeypatch.setattr("tasks.coloring.verify.verify_certificate", lambda coloring: found)
    code, outcome, error = ran("plane-coloring", "colors=5", *SEARCH, "rounds=2", "seeds=2")
    assert code == 1 and "colorings by tiles need seven" in error
    assert outcome["status"] != "ok"
    (kept,) = tmp_path.rglob("certificates/*.json")
    assert kept.name in error and f"`latticework results {kept.parents[1].name}` shows" in error
    with redirect_stdout(StringIO()) as printed:
        assert main(["results", kept.parents[1].name, "--out", str(tmp_path)]) == 0
    assert "5 colors: nothing removed by 16 cells" in printed.getvalue()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (['distances={"4":"0.6-0.5"}'], "wrong way round"),
        (['lattice=[["0.05","0"],["0","0.05"]]', "learn_lattice=false"], "holds a distance"),
        (["start=missing.npz", "cells=0"], "missing.npz"),
        (["start=missing.npz"], "cells 64 would have no effect"),
    ],
)
def test_what_cannot_be_colored_is_refused_before_anything_starts(ran, settings, words, tmp_path):
    code, outcome, error = ran("plane-coloring", "cells=64", *settings)
    assert code == 2 and outcome["status"] == "refused" and words in error, error
    assert len(error.strip().splitlines()) == 1 and not list(tmp_path.iterdir())
