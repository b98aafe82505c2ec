"""The study `adaptive-networks` end to end, through the command, with tiny trainings."""

import json
from pathlib import Path

import pytest

from flows import find_study
from flows.cli import main
from flows.planning import plan_run
from flows.reports import report_of
from tasks.frankwolfe.adaptive.networks.config import AdaptiveNetworksConfig
from tasks.nn import fitting
from tasks.records import Store, Stored
from tasks.records.markdown import markdown

pytestmark = pytest.mark.flow

RUN = ["run", "adaptive-networks", "--recipe", "digits", "--smoke", "--address", "serial", "--json"]
SMALL = ["--set", "epochs=1", "--set", "rate_factors=[1]", "--set", "snapshot_epochs=0.5"]


@pytest.fixture
def ran(prefect_api, tmp_path, capsys):
    """Run into one store: (exit code, the JSON object, stderr)."""

    def run(*arguments: str) -> tuple[int, dict, str]:
        code = main([*RUN, *SMALL, "--out", str(tmp_path), *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def stored(path: str) -> Stored:
    run = Store.open(Path(path).parents[1]).find_run(path)
    return Stored(run, plan_run(find_study("adaptive-networks"), AdaptiveNetworksConfig()).schemas)


def science_bytes(path: str) -> dict[str, bytes]:
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".safetensors"))
    return {str(p.relative_to(path)): p.read_bytes() for p in files if "execution" not in p.parts}


def test_rates_are_chosen_networks_trained_verified_reported_drawn_and_exported(
    ran, tmp_path, capsys
):
    code, outcome, _ = ran("--set", "rate_factors=[1,3]", "--set", 'methods=["sgd","adasfw"]')
    assert (code, outcome["status"]) == (0, "ok")
    found = stored(outcome["path"])
    assert found.run.manifest().status == "complete"
    models = {row["item"]: row for row in found.rows("models")}
    assert set(models) == {
        "choose-sgd-x1", "choose-sgd-x3", "choose-adasfw-x1", "choose-adasfw-x3",
        "sgd-0", "adasfw-0",
    }  # fmt: skip
    assert 0 < models["adasfw-0"]["gauge"] <= 1 + 1e-6 and models["adasfw-0"]["gap"] >= 0
    assert models["sgd-0"]["gauge"] is None and models["sgd-0"]["train_loss"] > 0
    assert models["sgd-0"]["evaluations"] == models["adasfw-0"]["evaluations"]
    checks = {row["item"]: row for row in found.rows("verification")}
    assert checks.keys() == {"sgd-0", "adasfw-0"}
    assert all(row["status"] == "ok" and row["reason"] == "" for row in checks.values())
    text = markdown(report_of(find_study("adaptive-networks"), found), found.run)
    assert "adasfw is more accurate than sgd" in text
    assert "verified from their files: 2 of 2 models" in text
    drawn = {path.name for path in (Path(outcome["path"]) / "figures").iterdir()}
    assert drawn == {"curves.png", "ends.png"}
    where = ["--to", str(tmp_path / "models"), "--out", str(tmp_path), "--item", "adasfw-0"]
    assert main(["export", outcome["path"], *where]) == 0
    about = json.loads((tmp_path / "models/adasfw-0/model.json").read_text())
    assert {data["region"]["name"] for data in about["regions"].values()} == {"linf"}
    assert about["accuracy"] == models["adasfw-0"]["accuracy"]
    capsys.readouterr()


def test_a_training_that_was_interrupted_between_snapshots_ends_in_the_same_bytes(
    ran, monkeypatch, tmp_path
):
    given = ("--set", "checkpoint_steps=2", "--set", 'methods=["svrf","spider"]',
             "--set", "epochs=3")  # fmt: skip
    _, whole, _ = ran(*given)
    wanted = science_bytes(whole["path"])
    saved = fitting.save_checkpoint
    calls = []

    def interrupted(*arguments):
        saved(*arguments)
        calls.append(arguments)
        if len(calls) in (1, 6):
            raise KeyboardInterrupt

    other = tmp_path / "other"
    monkeypatch.setattr(fitting, "save_checkpoint", interrupted)
    for _ in range(2):
        assert ran(*given, "--out", str(other))[0] == 130
    monkeypatch.setattr(fitting, "save_checkpoint", saved)
    code, again, _ = ran(*given, "--out", str(other))
    assert code == 0 and science_bytes(again["path"]) == wanted
    assert not list(Path(again["path"]).rglob("running-*"))


def test_what_cannot_be_trained_is_refused_before_anything_starts(ran):
    for setting, words in (
        ("pad=1", "needs a finite sum"),
        ('methods=["sgd","sgd"]', "a name twice"),
        ('methods=["saga"]', "methods"),
        ("batch_size=100000", "batch"),
        ("region=l7", "region"),
    ):
        code, outcome, error = ran("--set", setting)
        assert code == 2 and outcome["status"] == "refused" and words in error, (setting, error)
