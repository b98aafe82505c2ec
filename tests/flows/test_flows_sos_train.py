"""The flow `sos-train` end to end, through the command, with a tiny network."""

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.sos_train_reports import _comparison, markdown_report
from tasks.nn import load_tensors, save_tensors
from tasks.records import Store
from tasks.sos.prediction import run as training_run
from tasks.sos.prediction.items import CHECKPOINT, MODEL
from tasks.sos.prediction.metrics import sign_test
from tasks.sos.prediction.predictor import load_predictor

pytestmark = pytest.mark.flow

RUN = ["run", "sos-train", "--recipe", "train-small", "--smoke", "--address", "serial", "--json"]


@pytest.fixture
def trained(prefect_api, tmp_path, capsys):
    """Run the flow into one store: (exit code, the JSON object)."""

    def run(*arguments: str, store: Path = tmp_path) -> tuple[int, dict]:
        code = main([*RUN, "--out", str(store), *arguments])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def stored(path: str):
    return Store.open(Path(path).parents[1]).find_run(path)


def science_bytes(path: str) -> dict[str, bytes]:
    """Every deterministic file of a run."""
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".safetensors"))
    return {p.name: p.read_bytes() for p in files if p.parent.name != "execution"}


def test_a_training_ends_with_tables_a_model_curves_and_a_report(trained):
    code, outcome = trained()
    assert (code, outcome["status"]) == (0, "ok")
    run = stored(outcome["path"])
    assert run.read("curve")["step"].to_pylist() == [2, 4]
    families = run.read("scores")["family"].to_pylist()
    assert families.count("all") == 2 and families.count("dense") == 2
    [model] = run.read("models").to_pylist()
    predictor = load_predictor(Path(outcome["path"]) / MODEL)
    assert predictor.threshold == model["threshold"]
    assert (Path(outcome["path"]) / "figures" / "training.png").is_file()
    report = markdown_report(run)
    assert "| vanishing |" in report and MODEL in report
    assert run.manifest().status == "complete"


@pytest.mark.slow
def test_a_finished_training_is_not_repeated_but_a_lost_model_is_made_again(trained):
    _, outcome = trained()
    before = science_bytes(outcome["path"])
    calls = len(stored(outcome["path"]).read("execution"))
    trained()
    assert len(stored(outcome["path"]).read("execution")) == calls
    (Path(outcome["path"]) / MODEL).unlink()
    code, _ = trained()
    assert code == 0
    assert science_bytes(outcome["path"]) == before


def test_a_training_that_broke_off_goes_on_and_ends_with_the_same_bytes(
    trained, tmp_path, monkeypatch
):
    measures, resumed = training_run._measures, []

    def broken(state, *arguments):
        if state.step == 4:
            raise RuntimeError("power cut")
        return measures(state, *arguments)

    def watched(state, *arguments):
        resumed.append(state.step)
        return measures(state, *arguments)

    monkeypatch.setattr(training_run, "_measures", broken)
    code, outcome = trained()
    assert (code, outcome["status"]) == (1, "failed")
    assert (Path(outcome["path"]) / CHECKPOINT).is_file()
    assert not (Path(outcome["path"]) / MODEL).exists()
    monkeypatch.setattr(training_run, "_measures", watched)
    code, again = trained()
    assert code == 0 and again["path"] == outcome["path"]
    assert resumed == [4]
    _, whole = trained(store=tmp_path / "other")
    assert science_bytes(outcome["path"]) == science_bytes(whole["path"])


def test_a_failed_training_is_a_row_that_says_why(trained, monkeypatch):
    def broken(item):
        raise ValueError("no luck")

    monkeypatch.setattr("tasks.sos.prediction.run.train_item", broken)
    code, outcome = trained()
    assert (code, outcome["status"]) == (1, "failed")
    [row] = stored(outcome["path"]).read("models").to_pylist()
    assert (row["status"], row["reason"]) == ("failed", "no luck")
    assert stored(outcome["path"]).manifest().status == "partial"


@pytest.mark.parametrize("damage", ["cut", "another"])
def test_a_model_file_that_is_not_the_stored_one_is_made_again(trained, damage):
    _, outcome = trained()
    before = science_bytes(outcome["path"])
    place = Path(outcome["path"]) / MODEL
    if damage == "cut":
        place.write_bytes(place.read_bytes()[:-100])
    else:
        save_tensors(place, load_tensors(place).tensors, {"kind": "other"})
    code, _ = trained()
    assert code == 0
    assert science_bytes(outcome["path"]) == before
    calls = len(stored(outcome["path"]).read("execution"))
    trained()
    assert len(stored(outcome["path"]).read("execution")) == calls


def test_the_report_names_families_by_the_sign_test_with_their_counts():
    def rows(family, mine, rule):
        test = sign_test(mine, rule)
        return [
            {"family": family, "method": method, "covered_alone": alone, "sign_test": test}
            for method, alone in (("predicted", mine), ("even-sqrt", rule))
        ]

    scores = [*rows("dense", 0, 7), *rows("sparse", 0, 5), *rows("multiplied", 30, 2)]
    more, less, how = _comparison(scores)
    assert more.endswith(": multiplied (30 : 2)")
    assert less == "covers less: dense (0 : 7)"
    assert "sign test" in how
    assert [line.endswith("nowhere") for line in _comparison(rows("sparse", 0, 5))][:2] == [
        True
    ] * 2
    assert list(_comparison([])) == []
