"""The study `perp` through the command: tiny models, resume, export, refusals."""

import json
import re
import sys
from pathlib import Path

import pytest

from flows.cli import main
from tasks.records.citations import cite

sys.path.append(str(Path(__file__).parents[1] / "pruning"))
from language_models import llama, write_folder_of, write_text

pytestmark = pytest.mark.flow

RUN = ["run", "perp", "--address", "serial", "--json"]
SMALL = {
    "context": 16, "calibration": 4, "batch_size": 4, "steps": 2, "rank": 2, "seeds": 1,
    "evaluation_sequences": 4, "methods": '["norms","masklora"]', "layer_errors": "false",
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    root = tmp_path_factory.mktemp("perp")
    return {
        "model": write_folder_of(llama(), root / "small"),
        "text": write_text(root / "text"),
        "other_text": write_text(root / "other", seed=1),
    }


def settings(places, **changes):
    given = {**places, **SMALL, **changes}
    return [part for name, value in given.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture
def ran(prefect_api, tmp_path, capsys):
    """Run into one store: (exit code, the JSON object, stderr)."""

    def run(*arguments: str) -> tuple[int, dict, str]:
        code = main([*RUN, "--out", str(tmp_path / "store"), *arguments])
        captured = capsys.readouterr()
        lines = captured.out.splitlines()
        return code, json.loads(lines[-1]) if lines else {}, captured.err

    return run


def test_a_folder_is_pruned_retrained_and_exported_by_commands(ran, places, tmp_path, capsys):
    code, outcome, err = ran(*settings(places))
    assert (code, outcome["status"]) == (0, "ok")
    assert json.loads((Path(outcome["path"]) / "manifest.json").read_text())["status"] == "complete"
    assert re.search(r"small: \d\d,\d{3} parameters; at most \d+ KiB to prune", err)
    pictures = (Path(outcome["path"]) / "figures").iterdir()
    assert {path.name for path in pictures} == {"recovery.png", "layers.png", "costs.png"}
    to = tmp_path / "exported"
    arguments = ["export", outcome["path"], "--item", "small-magnitude-0.5-masklora-0"]
    assert main([*arguments, "--to", str(to)]) == 0
    assert (to / "model.safetensors").is_file()
    assert (to / "pruning" / "masks.safetensors").is_file()
    capsys.readouterr()
    assert main([*arguments, "--compressed", "--to", str(tmp_path / "packed")]) == 0
    assert (tmp_path / "packed" / "model.packed.safetensors").is_file()


def test_the_same_command_again_does_nothing(ran, places):
    _, first, _ = ran(*settings(places))
    before = {p: p.stat().st_mtime_ns for p in Path(first["path"]).rglob("*.arrow")}
    code, second, _ = ran(*settings(places))
    assert (code, second["path"]) == (0, first["path"])
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_the_tiny_twin_trains_its_own_model(ran):
    code, outcome, _ = ran("--recipe", "tiny", "--smoke")
    assert (code, outcome["status"]) == (0, "ok")
    folder = Path(outcome["path"]) / "models" / "tiny-llama-0"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in folder.iterdir()
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "/nowhere"}, "model folder /nowhere does not exist"),
        ({"pattern": "4:4"}, "n:m needs 1 <= n < m"),
        ({"methods": '["lor"]'}, "'lor'"),
        ({"pattern": "1.5"}, "give a share in [0, 1)"),
    ],
)
def test_misuse_is_one_line_with_exit_code_2_and_starts_nothing(
    changes, message, places, tmp_path, capsys
):
    store = tmp_path / "store"
    code = main(["run", "perp", *settings(places, **changes), "--out", str(store)])
    err = capsys.readouterr().err
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not store.exists()


def test_its_sources_can_be_cited():
    assert cite("PERP").arxiv == "2312.15230"
    assert cite("FreeLunch").arxiv == "2510.14444"
