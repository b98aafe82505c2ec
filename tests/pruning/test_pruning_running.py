"""Files of trainings in progress: whose they are, what happens to bad ones, when they go."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import done, small_config

from tasks.nn import fitting
from tasks.pruning import CHECKPOINTS, Parent, link, soup_items

CHANGES = {"phases": 1, "seeds": 2, "epochs": 1, "baselines": (), "checkpoint_steps": 2}


def begun(folder, **changes):
    """Item by key, and the ids of the pruned networks of two repetitions."""
    waves = soup_items(small_config(**CHANGES | changes)).values()
    items = {item.key: item for wave in waves for item in wave}
    rows = []
    for key in ("pretrain.s0", "pretrain.s1", "prune.s0.p1", "prune.s1.p1"):
        rows += models(items[key], rows, folder)
    return items, rows


def models(item, rows, folder):
    return done(link(item, rows), folder)["models"].to_pylist()


def running(folder):
    return sorted(p.name for p in (folder / CHECKPOINTS).glob("running-*"))


@pytest.fixture
def power_cut(monkeypatch):
    """Run something until its first save, which is kept."""

    def run(call):
        save = fitting.save_checkpoint

        def broken(*arguments):
            save(*arguments)
            raise RuntimeError("power cut")

        with monkeypatch.context() as patched:
            patched.setattr(fitting, "save_checkpoint", broken)
            with pytest.raises(RuntimeError, match="power cut"):
                call()

    return run


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"retraining": "llr"}, "branch.s0.p1.m0"),
        ({"retraining": "allr"}, "branch.s0.p1.m0"),
        ({"branches": "stacked"}, "stack.s0.p1"),
    ],
    ids=["llr", "allr", "stacked"],
)
def test_a_training_goes_on_from_its_file_only_if_its_start_is_the_same(
    tmp_path, power_cut, changes, key
):
    """A soup that was made again with a member that had failed is another start."""
    mine, fresh = tmp_path / "mine", tmp_path / "fresh"
    items, rows = begun(mine, **changes)
    shutil.copytree(mine, fresh)
    power_cut(lambda: models(items[key], rows, mine))
    assert running(mine) == [f"running-{key}.safetensors"]
    other = next(r["checkpoint"] for r in rows if r["item"] == "prune.s1.p1")
    again = replace(items[key], parents=(Parent("pruned", 1, 0, other),))
    found, expected = (done(again, folder)["models"] for folder in (mine, fresh))
    assert found.equals(expected)
    assert running(mine) == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "branch.s0.p1.m0"),
        ({"branches": "stacked"}, "stack.s0.p1"),
    ],
    ids=["separate", "stacked"],
)
def test_a_damaged_file_of_a_training_is_named_and_costs_only_its_steps(
    tmp_path, power_cut, caplog, changes, key
):
    items, rows = begun(tmp_path, **changes)
    power_cut(lambda: models(items[key], rows, tmp_path))
    file = tmp_path / CHECKPOINTS / f"running-{key}.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    found = models(items[key], rows, tmp_path)
    assert {row["status"] for row in found} == {"ok"}
    [warning] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert file.name in warning and "starts over" in warning
    assert found == models(items[key], rows, tmp_path)


def test_an_item_removes_the_files_of_its_own_trainings_and_no_others(tmp_path):
    items, rows = begun(tmp_path, members=3)
    own = "running-branch.s0.p1.m1"
    others = [f"running-branch.s0.p1.m1{rest}.safetensors" for rest in ("0", "1", "0-2", ".x")] + [
        "running-branch.s0.p1.m.safetensors",
        "running-branch.s0.p10.m1.safetensors",
    ]
    for name in (*others, f"{own}.safetensors", f"{own}-0.safetensors", f"{own}-12.safetensors"):
        Path(tmp_path / CHECKPOINTS / name).write_bytes(b"")
    models(items["branch.s0.p1.m1"], rows, tmp_path)
    assert running(tmp_path) == sorted(others)


def test_files_of_trainings_are_removed_at_a_uri_too(tmp_path):
    items, rows = begun(tmp_path.as_uri())
    (tmp_path / CHECKPOINTS / "running-branch.s0.p1.m1.safetensors").write_bytes(b"")
    models(items["branch.s0.p1.m1"], rows, tmp_path.as_uri())
    assert running(tmp_path) == []
