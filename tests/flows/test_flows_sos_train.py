"""The study `sos-train` end to end, through the command, with a tiny network."""

import json
from pathlib import Path

import pytest

from flows.cli import main
from flows.sos_train import STUDY
from tasks.nn import load_tensors, save_tensors
from tasks.records import Store, Stored
from tasks.sos.prediction import run as training_run
from tasks.sos.prediction.items import CHECKPOINT, MODEL
from tasks.sos.prediction.metrics import sign_test
from tasks.sos.prediction.predictor import load_predictor
from tasks.sos.prediction.report import _comparison, train_report

pytestmark = pytest.mark.flow

RUN = ["run", "sos-train", "--recipe", "train-small", "--smoke", "--address", "serial", "--json"]


@pytest.fixture
def trained(prefect_api, tmp_path, capsys):
    """Run the study into one store: (exit code, what is stored)."""

    def run(*arguments: str, store: Path = tmp_path) -> tuple[int, Stored]:
        code = main([*RUN, "--out", str(store), *arguments])
        path = json.loads(capsys.readouterr().out.splitlines()[-1])["path"]
        found = Store.open(str(store)).find_run(path)
        return code, Stored(found, STUDY.schemas(found.record.config))

    return run


def science_bytes(stored: Stored) -> dict[str, bytes]:
    """Every deterministic file of a run."""
    files = (p for p in Path(stored.run.path).rglob("*") if p.suffix in (".arrow", ".safetensors"))
    return {p.name: p.read_bytes() for p in files if p.parent.name != "execution"}


def test_a_training_ends_with_tables_a_model_curves_and_a_report(trained):
    code, stored = trained()
    assert code == 0
    assert stored.table("curve")["step"].to_pylist() == [2, 4]
    families = stored.table("scores")["family"].to_pylist()
    assert families.count("all") == 2 and families.count("dense") == 2
    [model] = stored.rows("models")
    place = Path(stored.run.path) / MODEL
    assert load_predictor(place).threshold == model["threshold"]
    assert (place.parent / "figures/training.png").is_file()
    report = train_report(stored)
    assert report.findings[0].startswith("covers more than even-sqrt with repair: ")
    assert "vanishing" in [row[0] for row in report.tables[0].rows]
    assert report.notes[-1] == f"model: {place}"


@pytest.mark.parametrize("damage", ["lost", "cut", "another"])
def test_a_model_file_that_is_not_the_stored_one_is_made_again(trained, damage):
    _, stored = trained()
    before, place = science_bytes(stored), Path(stored.run.path) / MODEL
    if damage == "lost":
        place.unlink()
    elif damage == "cut":
        place.write_bytes(place.read_bytes()[:-100])
    else:
        save_tensors(place, load_tensors(place).tensors, {"kind": "other"})
    code, stored = trained()
    assert code == 0
    assert science_bytes(stored) == before
    calls = len(stored.run.read("execution"))
    assert len(trained()[1].run.read("execution")) == calls


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
    code, stored = trained()
    assert code == 1
    assert train_report(stored).notes[-1] == "scorer: failed, power cut"
    place = Path(stored.run.path)
    assert (place / CHECKPOINT).is_file() and not (place / MODEL).exists()
    monkeypatch.setattr(training_run, "_measures", watched)
    code, again = trained()
    assert code == 0 and again.run.path == stored.run.path
    assert resumed == [4]
    _, whole = trained(store=tmp_path / "other")
    assert science_bytes(again) == science_bytes(whole)


def test_the_report_names_families_by_the_sign_test_with_their_counts():
    def rows(family, mine, rule):
        test = sign_test(mine, rule)
        return [
            {"family": family, "method": method, "covered_alone": alone, "sign_test": test}
            for method, alone in (("predicted", mine), ("even-sqrt", rule))
        ]

    scores = [*rows("dense", 0, 7), *rows("sparse", 0, 5), *rows("multiplied", 30, 2)]
    more, less = _comparison(scores)
    assert more.endswith(": multiplied (30 : 2)")
    assert less == "covers less: dense (0 : 7)"
    assert all(line.endswith("nowhere") for line in _comparison(rows("sparse", 0, 5)))
    assert list(_comparison([])) == []
