"""The study `compression-aware` end to end, through the command, with tiny trainings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from flows import find_study
from flows.cli import main
from flows.planning import plan_run
from flows.reports import report_of
from tasks.frankwolfe.compression.config import CompressionConfig
from tasks.frankwolfe.compression.results import concordance
from tasks.nn import fitting
from tasks.nn.data import load_dataset
from tasks.records import Store, Stored
from tasks.records.markdown import markdown

pytestmark = pytest.mark.flow

RUN = ["run", "compression-aware", "--recipe", "digits", "--smoke", "--json"]
SMALL = [
    "--set", 'kinds=["filters","low_rank","both","weights"]', "--set", "ratios=[1,0.3]",
    "--set", 'regions=["group_k_support"]', "--set", "by_layer=true",
]  # fmt: skip


@pytest.fixture
def ran(prefect_api, tmp_path, capsys):
    """Run into one store: (exit code, the JSON object, stderr)."""

    def run(*arguments: str, address: str = "serial") -> tuple[int, dict, str]:
        code = main([*RUN, "--address", address, *SMALL, "--out", str(tmp_path), *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def stored(path: str) -> Stored:
    run = Store.open(Path(path).parents[1]).find_run(path)
    return Stored(run, plan_run(find_study("compression-aware"), CompressionConfig()).schemas)


def science_bytes(path: str) -> dict[str, bytes]:
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".safetensors"))
    return {str(p.relative_to(path)): p.read_bytes() for p in files if "execution" not in p.parts}


def test_networks_are_trained_compressed_made_again_reported_and_drawn(ran):
    code, outcome, _ = ran("--set", "widths=[10,20]", "--set", 'plain=["group_k_support"]')
    assert (code, outcome["status"]) == (0, "ok")
    found = stored(outcome["path"])
    assert found.run.manifest().status == "complete"
    models = {row["item"]: row for row in found.rows("models")}
    methods = ("sgd_decay", "imp", "group_k_support", "group_k_support_plain")
    choices = {
        f"choose-{name}-w{width}-k0.3-x1": name for name in methods[2:] for width in (10, 20)
    }
    assert set(models) == {*choices, *(f"{name}-0" for name in methods)}
    for name in methods[2:]:
        best = max(
            (key for key in choices if choices[key] == name), key=lambda k: models[k]["score"]
        )
        assert models[f"{name}-0"]["width"] == models[best]["width"]
        assert models[f"{name}-0"]["gauge"] <= 1 + 1e-4
    rows = {row["item"]: row for row in found.rows("compressed")}
    kinds = ("filters", "low_rank", "both", "weights")
    keys = {f"{m}-0.{kind}-{ratio}" for m in methods for kind in kinds for ratio in ("1", "0.3")}
    assert set(rows) == keys
    for name in ("sgd_decay", "group_k_support"):
        whole = models[f"{name}-0"]
        for kind in kinds:
            same, less = rows[f"{name}-0.{kind}-1"], rows[f"{name}-0.{kind}-0.3"]
            for column in ("accuracy", "parameters", "multiplications", "bytes"):
                assert same[column] == whole[column], (name, kind, column)
            assert same["instability"] == 0 and same["energy"] == pytest.approx(1)
            assert less["parameters"] < whole["parameters"] and less["bytes"] < whole["bytes"]
            assert less["checkpoint"] is None and less["parent"] == whole["checkpoint"]
    assert rows["imp-0.filters-0.3"]["checkpoint"] and rows["imp-0.filters-0.3"]["steps"] > 0
    checks = {row["item"]: row for row in found.rows("verification")}
    assert set(checks) == keys and all(row["status"] == "ok" for row in checks.values())
    assert max(row["difference"] for row in checks.values()) <= 1e-5
    text = markdown(report_of(find_study("compression-aware"), found), found.run)
    assert "| filters cut out: group_k_support, points over |" in text
    assert "published: filters cut out: group_k_support is more accurate than sgd_decay" in text
    assert "published, gradient rescaling: filters cut out" in text
    assert "made again from files: 32 of 32 compressed models" in text
    figures = {path.name for path in (Path(outcome["path"]) / "figures").iterdir()}
    assert figures == {*(f"{kind}.png" for kind in kinds), "layers.png"}


def test_a_run_that_was_killed_ends_in_the_same_bytes(ran, monkeypatch, tmp_path):
    few = ["--set", "checkpoint_steps=2", "--set", 'kinds=["both"]', "--set", "lmo_delay=0.4"]
    _, whole, _ = ran(*few)
    wanted = science_bytes(whole["path"])
    saved = fitting.save_checkpoint
    for stop in (2, 7):
        other, calls = tmp_path / f"other{stop}", []

        def interrupted(*arguments, calls=calls, stop=stop):
            saved(*arguments)
            calls.append(arguments)
            if len(calls) == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(fitting, "save_checkpoint", interrupted)
        code, _, _ = ran(*few, "--out", str(other))
        assert code == 130
        monkeypatch.setattr(fitting, "save_checkpoint", saved)
        code, again, _ = ran(*few, "--out", str(other))
        assert code == 0 and science_bytes(again["path"]) == wanted
        assert not list(Path(again["path"]).rglob("running-*"))


def test_what_is_tried_without_rescaling_alone_is_drawn_and_reported(ran):
    few = ["--set", 'kinds=["weights"]', "--set", "ratios=[0.5]", "--set", "rivals=[]"]
    only = ["--set", 'regions=["l2"]', "--set", 'plain=["k_support"]']
    code, outcome, error = ran(*few, *only)
    assert code == 0, error
    found = stored(outcome["path"])
    text = markdown(report_of(find_study("compression-aware"), found), found.run)
    assert "k_support_plain" in text and "no published claim is about these methods" in text
    assert (Path(outcome["path"]) / "figures" / "weights.png").exists()


@pytest.mark.ray
def test_rows_do_not_depend_on_the_number_of_workers(ran, local_ray, tmp_path):
    few = ["--set", 'kinds=["filters"]', "--set", "ratios=[0.5]"]
    _, one, _ = ran(*few)
    code, other, _ = ran(*few, "--out", str(tmp_path / "ray"), address="local")
    assert code == 0 and science_bytes(one["path"]) == science_bytes(other["path"])


def test_a_smaller_module_leaves_as_a_program_that_needs_torch_alone(ran, tmp_path, capsys):
    _, outcome, _ = ran()
    rows = {row["item"]: row for row in stored(outcome["path"]).rows("compressed")}
    whole = stored(outcome["path"]).rows("models")[-1]
    where = ["--to", str(tmp_path / "models"), "--out", str(tmp_path)]
    for key in ("group_k_support-0.both-0.3", "imp-0.low_rank-0.3", "sgd_decay-0.filters-0.3"):
        assert main(["export", outcome["path"], "--item", key, *where]) == 0, capsys.readouterr()
        folder = tmp_path / "models" / key
        about = json.loads((folder / "model.json").read_text())
        assert about["accuracy"] == pytest.approx(rows[key]["accuracy"], abs=1e-9)
        assert about["parameters"] == {
            "dense": whole["parameters"],
            "left": rows[key]["parameters"],
        }
        assert about["multiplications"]["left"] == rows[key]["multiplications"]
        script = tmp_path / "use.py"
        test = load_dataset("synthetic").test
        torch.save({"x": test.inputs.float(), "y": test.targets}, tmp_path / "test.pt")
        script.write_text(
            "import sys, torch\n"
            "data = torch.load(sys.argv[2])\n"
            "found = torch.export.load(sys.argv[1]).module()(data['x']).argmax(1)\n"
            "assert not any(name.startswith('tasks') for name in sys.modules)\n"
            "print(float((found == data['y']).double().mean()))\n"
        )
        command = [
            sys.executable,
            "-P",
            str(script),
            str(folder / "model.pt2"),
            str(tmp_path / "test.pt"),
        ]
        found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert float(found.stdout) == pytest.approx(rows[key]["accuracy"], abs=1e-9)
    capsys.readouterr()
    assert main(["export", outcome["path"], "--item", "imp-0.low_rank-0.4", *where]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert main(["export", outcome["path"], *where]) == 0


def test_what_cannot_be_trained_or_compressed_is_refused_before_anything_starts(ran):
    for setting, words in (
        ("ratios=[0]", "in (0, 1]"),
        ("ratios=[1.2]", "in (0, 1]"),
        ("lmo_delay=1", "beyond the training"),
        ("epochs=0.01", "give more epochs"),
        ('regions=["birkhoff"]', "regions"),
        ("model=mlp", ""),
    ):
        code, outcome, error = ran("--set", setting)
        if words:
            assert code == 2 and outcome["status"] == "refused" and words in error, (setting, error)
        else:
            assert code == 0, error


def test_agreement_of_rankings():
    torch.manual_seed(0)
    values = torch.rand(6, 5).numpy()
    ranks = values.argsort(1).argsort(1) + 1.0
    # Kendall's W by its definition, without ties.
    spread = ((ranks.sum(0) - ranks.sum(0).mean()) ** 2).sum()
    assert concordance(values) == pytest.approx(12 * spread / (6**2 * (5**3 - 5)))
    assert concordance(values[:1].repeat(3, axis=0)) == pytest.approx(1)
    assert concordance(torch.ones(3, 4).numpy()) == 1
