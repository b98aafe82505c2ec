"""The study `frank-wolfe` end to end, through the command, with tiny trainings."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from flows import find_study
from flows.cli import main
from flows.planning import plan_run
from flows.reports import report_of
from tasks.frankwolfe.config import FrankWolfeConfig
from tasks.nn import fitting
from tasks.nn.data import load_dataset
from tasks.nn.models import build_model
from tasks.nn.models.gpt import build_gpt
from tasks.records import Store, Stored
from tasks.records.markdown import markdown

pytestmark = pytest.mark.flow

RUN = ["run", "frank-wolfe", "--recipe", "digits", "--smoke", "--address", "serial", "--json"]
SMALL = ["--set", "epochs=1", "--set", "widths=[10,20]", "--set", "rate_factors=[1]"]


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
    return Stored(run, plan_run(find_study("frank-wolfe"), FrankWolfeConfig()).schemas)


def science_bytes(path: str) -> dict[str, bytes]:
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".safetensors"))
    return {str(p.relative_to(path)): p.read_bytes() for p in files if "execution" not in p.parts}


def test_regions_are_chosen_trained_verified_reported_and_drawn(ran):
    code, outcome, _ = ran()
    assert (code, outcome["status"]) == (0, "ok")
    found = stored(outcome["path"])
    assert found.run.manifest().status == "complete"
    models = {row["item"]: row for row in found.rows("models")}
    # Rivals and regions with one setting need no choice.
    assert set(models) == {
        "choose-l2-w10-x1", "choose-l2-w20-x1", "choose-spectral-w10-x1",
        "choose-spectral-w20-x1", "sgd-0", "l2-0", "spectral-0",
    }  # fmt: skip
    for name in ("l2", "spectral"):
        trials = [models[f"choose-{name}-w{w}-x1"] for w in (10, 20)]
        best = max(trials, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
        assert models[f"{name}-0"]["width"] == best["width"]
        assert 0 < models[f"{name}-0"]["gauge"] <= 1 + 1e-4 and models[f"{name}-0"]["gap"] >= 0
    assert models["sgd-0"]["gauge"] is None and models["sgd-0"]["width"] is None
    checks = {row["item"]: row for row in found.rows("verification")}
    assert checks.keys() == {"sgd-0", "l2-0", "spectral-0"}
    assert all(row["status"] == "ok" and row["reason"] == "" for row in checks.values())
    assert checks["l2-0"]["gauge"] == pytest.approx(models["l2-0"]["gauge"], rel=1e-9)
    assert {row["layer"] for row in found.rows("layers")} == {"1.weight", "3.weight", "5.weight"}
    filters = [row for row in found.rows("filters") if row["item"] == "l2-0"]
    assert len(filters) == 64 and filters[0]["shape"] == [1, 12, 12]
    radii = [r["radius"] for r in found.rows("certified") if r["item"] == "spectral-0"]
    assert radii == [0.05, 0.1, 0.2, 0.3, 0.5]
    text = markdown(report_of(find_study("frank-wolfe"), found), found.run)
    assert "weights are feasible at the end" in text
    assert "verified from their files: 3 of 3 models" in text
    figures = {path.name for path in (Path(outcome["path"]) / "figures").iterdir()}
    assert figures == {
        "accuracies.png",
        "curves.png",
        "learned.png",
        "certified.png",
        "filters.png",
    }


def test_a_training_that_was_interrupted_ends_in_the_same_bytes(ran, monkeypatch, tmp_path):
    _, whole, _ = ran("--set", "checkpoint_steps=2")
    wanted = science_bytes(whole["path"])
    saved = fitting.save_checkpoint
    calls = []

    def interrupted(*arguments):
        saved(*arguments)
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt

    other = tmp_path / "other"
    monkeypatch.setattr(fitting, "save_checkpoint", interrupted)
    code, _, _ = ran("--set", "checkpoint_steps=2", "--out", str(other))
    assert code == 130
    monkeypatch.setattr(fitting, "save_checkpoint", saved)
    code, again, _ = ran("--set", "checkpoint_steps=2", "--out", str(other))
    assert code == 0 and science_bytes(again["path"]) == wanted
    assert not list(Path(again["path"]).rglob("running-*"))


def test_what_cannot_be_trained_is_refused_before_anything_starts(ran):
    for setting, words in (
        ("widths=[0]", "must be positive"),
        ("widths=[3,3]", "a value twice"),
        ('regions=["l2","l2"]', "a name twice"),
        ('regions=["birkhoff"]', "regions"),
        ("batch_size=100000", "batch"),
    ):
        code, outcome, error = ran("--set", setting)
        assert code == 2 and outcome["status"] == "refused" and words in error, (setting, error)


def test_a_model_that_is_exported_is_as_good_elsewhere(ran, tmp_path, capsys):
    _, outcome, _ = ran("--set", "widths=[10]")
    rows = {row["item"]: row for row in stored(outcome["path"]).rows("models")}
    where = ["--to", str(tmp_path / "models"), "--out", str(tmp_path)]
    assert main(["export", outcome["path"], *where]) == 0
    best = max(rows.values(), key=lambda row: row["validation_accuracy"])
    folder = tmp_path / "models" / best["item"]
    names = ("model.safetensors", "model.pt2", "model.json")
    assert capsys.readouterr().out.split() == [str(folder / name) for name in names]
    about = json.loads((folder / "model.json").read_text())
    network, inputs = about["architecture"], about["input"]
    model = build_model(network["name"], tuple(network["shape"]), network["num_classes"], seed=7)
    model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    test = load_dataset(about["provenance"]["dataset"]).test
    mean, deviation = (torch.tensor(inputs[n])[:, None, None] for n in ("mean", "deviation"))
    found = model.eval()((test.inputs / 255 - mean) / deviation).argmax(1)
    assert float((found == test.targets).double().mean()) == best["accuracy"] == about["accuracy"]
    program = torch.export.load(folder / "model.pt2").module()
    assert torch.equal(program(test.inputs.float()).argmax(1), found)
    notes = report_of(find_study("frank-wolfe"), stored(outcome["path"])).notes
    [line] = [note for note in notes if note.startswith("best model by validation data: ")]
    assert f": {best['item']} (accuracy {100 * best['accuracy']:.2f} %); " in line
    assert main(["export", outcome["path"], *where, "--best"]) == 0
    assert json.loads((folder / "model.json").read_text()) == about
    assert main(["export", outcome["path"], *where, "--item", "spectral-0"]) == 0
    about = json.loads((tmp_path / "models/spectral-0/model.json").read_text())
    assert {data["region"]["name"] for data in about["regions"].values()} == {"spectral"}
    capsys.readouterr()
    assert main(["export", outcome["path"], *where, "--item", "spectral-1"]) == 2
    assert "has no item spectral-1; did you mean spectral-0?" in capsys.readouterr().err


def test_text_is_learned_compared_by_loss_and_drawn(prefect_api, tmp_path, capsys):
    """The smoke twin of `python-docs`: a text names the run by its content, and has no filters."""
    command = ["run", "frank-wolfe", "--recipe", "python-docs", "--smoke", "--address", "serial"]
    assert main([*command, "--json", "--out", str(tmp_path)]) == 0
    outcome = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = stored(outcome["path"])
    assert {row["item"] for row in found.rows("models")} == {"adamw-0", "spectral-0"}
    assert all(row["loss"] > 0 and row["ood_accuracy"] is None for row in found.rows("models"))
    assert not found.rows("filters") and not found.rows("certified")
    assert all(row["status"] == "ok" for row in found.rows("verification"))
    text = markdown(report_of(find_study("frank-wolfe"), found), found.run)
    assert "on validation text, loss: spectral" in text and "best of" not in text
    figures = {path.name for path in (Path(outcome["path"]) / "figures").iterdir()}
    assert figures == {"losses.png", "curves.png", "learned.png"}
    where = ["--to", str(tmp_path / "models"), "--out", str(tmp_path)]
    assert main(["export", outcome["path"], *where, "--item", "adamw-0"]) == 0
    assert "adamw-0: model.pt2 is left out: it is a network of text" in capsys.readouterr().out
    about = json.loads((tmp_path / "models/adamw-0/model.json").read_text())
    gpt = build_gpt(about["architecture"]["num_tokens"], about["architecture"]["context"])
    gpt.load_state_dict(safetensors.torch.load_file(tmp_path / "models/adamw-0/model.safetensors"))
    run = json.loads((Path(outcome["path"]) / "run.json").read_text())
    assert "python-docs" in json.dumps(run.get("inputs", {}))
