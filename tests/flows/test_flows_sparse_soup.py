"""The flows `sparse-soup` and `imp` end to end, through the command, with tiny trainings."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flows.cli import main
from flows.imp_reports import markdown_report as imp_report
from flows.sparse_soup_reports import markdown_report
from tasks.nn import fitting
from tasks.pruning import CHECKPOINTS, SoupConfig, link, plan_soup, run_pruning_item
from tasks.records import Store
from workers import ResourceProfile, WorkItem, map_batches

pytestmark = pytest.mark.flow

RUN = ["run", "sparse-soup", "--recipe", "digits", "--smoke", "--address", "serial"]
ONE_PHASE = ["--set", "phases=1", "--set", "members=3", "--set", 'baselines=["long"]']


@pytest.fixture
def cooked(prefect_api, tmp_path, capsys):
    """Run the flow with --json into one store: (exit code, the JSON object, stderr)."""

    def run(*arguments: str) -> tuple[int, dict, str]:
        code = main([*RUN, "--out", str(tmp_path), "--json", *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def stored(path: str):
    return Store.open(Path(path).parents[1]).find_run(path)


def science_bytes(path: str) -> dict[str, bytes]:
    """Every deterministic file of a run, with the checkpoints."""
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".safetensors"))
    return {p.name: p.read_bytes() for p in files if p.parent.name != "execution"}


def calls(path: str) -> list[str]:
    return stored(path).read("execution")["item"].to_pylist()


def test_a_soup_ends_with_models_lineage_a_report_and_a_picture(cooked):
    code, outcome, _ = cooked()
    assert (code, outcome["status"]) == (0, "ok")
    run = stored(outcome["path"])
    assert run.manifest().status == "complete"
    rows = run.read("models").to_pylist()
    files = {path.stem for path in (Path(outcome["path"]) / CHECKPOINTS).iterdir()}
    assert {row["checkpoint"] for row in rows if row["checkpoint"]} == files
    assert {parent for row in rows for parent in row["parents"]} <= files
    assert set(run.read("verification")["status"].to_pylist()) == {"ok"}
    report = markdown_report(run)
    for method in ("dense", "IMP", "IMP, m-fold", "IMP-RePrune", "mean member", "best member",
                   "soup", "ensemble"):  # fmt: skip
        assert f"| {method} |" in report
    assert "* published: the soup is more accurate than its members -" in report
    assert "* verified from their files: 15 of 15 models" in report
    assert (Path(outcome["path"]) / "figures/soup.png").stat().st_size > 10_000


def test_a_finished_run_is_not_repeated_and_what_is_lost_is_made_again(cooked):
    _, outcome, _ = cooked(*ONE_PHASE)
    before, first = science_bytes(outcome["path"]), calls(outcome["path"])
    assert cooked(*ONE_PHASE)[1] == outcome
    assert calls(outcome["path"]) == first
    path = Path(outcome["path"])
    part = path / "models/models-branch.s0.p1.m0.arrow"
    part.write_bytes(part.read_bytes()[:-50])
    rows = stored(outcome["path"]).read("models", on_corrupt="skip").to_pylist()
    [soup] = [row for row in rows if row["method"] == "soup"]
    (path / CHECKPOINTS / f"{soup['checkpoint']}.safetensors").unlink()
    assert cooked(*ONE_PHASE)[0] == 0
    assert science_bytes(outcome["path"]) == before
    repeated = ["branch.s0.p1.m0", "merge.s0.p1"]
    assert sorted(calls(outcome["path"])) == sorted([*first, *repeated])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-50] ^= 1
    file.write_bytes(content)


def test_damaged_models_are_named_and_made_again(cooked, caplog):
    """One that something depends on, one that was to be verified, and one that seemed finished."""
    _, outcome, _ = cooked(*ONE_PHASE)
    before, first = science_bytes(outcome["path"]), calls(outcome["path"])
    path = Path(outcome["path"])
    rows = {row["method"]: row for row in stored(outcome["path"]).read("models").to_pylist()}
    files = {m: path / CHECKPOINTS / f"{rows[m]['checkpoint']}.safetensors" for m in rows if
             rows[m]["checkpoint"]}  # fmt: skip
    for method in ("pruned", "soup", "long"):
        flip(files[method])
    (path / "models/models-branch.s0.p1.m0.arrow").unlink()
    (path / "verification/verification-merge.s0.p1.arrow").unlink()
    code, again, _ = cooked(*ONE_PHASE)
    assert (code, again) == (0, outcome)
    assert science_bytes(outcome["path"]) == before
    repeated = ["prune.s0.p1", "branch.s0.p1.m0", "long.s0.p1", "merge.s0.p1", "verify.merge.s0.p1"]
    assert sorted(calls(outcome["path"])) == sorted([*first, *repeated])
    damaged = [r.getMessage() for r in caplog.records if "is damaged" in r.getMessage()]
    assert {text.partition(":")[0] for text in damaged} == {
        f"{CHECKPOINTS}/{files[method].name}" for method in ("pruned", "soup", "long")
    }


def test_a_soup_of_survivors_says_so_and_the_next_run_mends_it(cooked, monkeypatch, tmp_path):
    def fails(item, *shared):
        if item.key == "branch.s0.p1.m1":
            raise RuntimeError("no luck")
        return run_pruning_item(item, *shared)

    with monkeypatch.context() as patched:
        patched.setattr("flows.pruning.run_pruning_item", fails)
        code, outcome, err = cooked(*ONE_PHASE)
    assert (code, outcome["status"]) == (1, "failed")
    assert "branch.s0.p1.m1: failed, no luck" in err
    report = markdown_report(stored(outcome["path"]))
    assert "merge.s0.p1, soup: 2 of 3 members: without member 1 of phase 1" in report
    assert cooked(*ONE_PHASE)[0] == 0
    _, whole, _ = cooked(*ONE_PHASE, "--out", str(tmp_path / "whole"))
    mended, expected = (stored(o["path"]).read("models") for o in (outcome, whole))
    assert mended.equals(expected)


def test_members_get_the_pruned_network_with_their_calls(cooked, monkeypatch):
    shared = {}

    def noting(item, *contents):
        shared[item.key] = [content.checkpoint for content in contents]
        return run_pruning_item(item, *contents)

    with monkeypatch.context() as patched:
        patched.setattr("flows.pruning.run_pruning_item", noting)
        _, outcome, _ = cooked(*ONE_PHASE)
    rows = stored(outcome["path"]).read("models").to_pylist()
    [pruned] = [row["checkpoint"] for row in rows if row["method"] == "pruned"]
    members = [f"branch.s0.p1.m{j}" for j in range(3)]
    assert {key for key, names in shared.items() if names} == set(members)
    assert all(shared[key] == [pruned] for key in members)


def test_trainings_that_broke_off_go_on_to_the_same_models(cooked, monkeypatch, tmp_path, caplog):
    slow = ["--set", "checkpoint_steps=2", *ONE_PHASE]
    save, saved = fitting.save_checkpoint, []

    def broken(path, state, extra):
        digest = save(path, state, extra)
        saved.append(path)
        # Once in the dense training, once in a member.
        if state.step == 4 and saved.count(path) == 2 and ("pretrain" in path or "m1" in path):
            raise RuntimeError("power cut")
        return digest

    monkeypatch.setattr(fitting, "save_checkpoint", broken)
    assert cooked(*slow)[0] == 1
    assert cooked(*slow)[0] == 1
    code, continued, _ = cooked(*slow)
    assert code == 0
    resumed = [r.getMessage() for r in caplog.records if "resumed at step" in r.getMessage()]
    assert [text.partition(" from")[0] for text in resumed] == [
        "resumed at step 4 of 12",
        "resumed at step 4 of 6",
    ]
    monkeypatch.setattr(fitting, "save_checkpoint", save)
    _, whole, _ = cooked(*slow, "--out", str(tmp_path / "whole"))
    for table in ("models", "curve", "distances"):
        mine, theirs = (stored(o["path"]).read(table) for o in (continued, whole))
        assert mine.equals(theirs)


@pytest.mark.ray
def test_one_two_and_four_workers_give_the_same_rows(local_ray, tmp_path):
    config = SoupConfig(
        dataset="synthetic", batch=60, epochs=1, retrain_epochs=0.5, sparsity=0.7, phases=1,
        members=4, seeds=1, ood_images=0, recalibration_images=100, baselines=("long",),
    )  # fmt: skip
    found = []
    for share in (2.0, 1.0, 0.5):
        profile, rows = ResourceProfile(cpus=share), []
        folder = str(tmp_path / f"{share}")
        assert local_ray.slots(profile) == 2 / share
        for items in plan_soup(config).stages.values():
            work = [WorkItem(i.key, replace(link(i, rows), folder=folder)) for i in items]
            for outcome in map_batches(
                run_pruning_item, work, executor=local_ray, profile=profile, ordered=True
            ):
                rows += outcome.value["models"].to_pylist()
        found.append(rows)
    assert len(found[0]) == 9
    assert found[0] == found[1] == found[2]


def test_methods_are_compared_at_equal_compute(prefect_api, tmp_path, capsys):
    arguments = ["run", "imp", "--recipe", "schedules-digits-smoke", "--address", "serial"]
    assert main([*arguments, "--out", str(tmp_path), "--json"]) == 0
    run = stored(json.loads(capsys.readouterr().out.splitlines()[-1])["path"])
    report = imp_report(run)
    for method in ("dense", "imp-llr", "imp-allr", "bimp", "gmp", "dpf"):
        assert f"| {method} |" in report
    assert "allr minus others at 0.8 after 1 epochs: imp-llr" in report
    assert (Path(run.path) / "figures/imp.png").is_file()
    assert set(run.read("verification")["status"].to_pylist()) == {"ok"}


@pytest.mark.parametrize(
    ("flow", "setting", "message"),
    [
        ("sparse-soup", "sparsity=1", "sparsity: 1 is not allowed"),
        ("sparse-soup", "dataset=mnist", "dataset: 'mnist' is not allowed"),
        ("sparse-soup", "model=resnet", "model: 'resnet' is not allowed"),
        ("sparse-soup", "batch=5000", "batches of 5000 from"),
        ("sparse-soup", "min_branches=50", "must not exceed members"),
        ("sparse-soup", "sparsity=0.99999", "a layer would be empty; take a lower sparsity"),
        ("sparse-soup", "dataset=cifar10", "files of cifar10 are missing (looked in:"),
        ("imp", "sparsities=[1.5]", "sparsity 1.5 is not in [0, 1)"),
        ("imp", "updates=1000", "give more steps"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(flow, setting, message, capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("LATTICEWORK_DATA", raising=False)
    code = main(["run", flow, "--smoke", "--set", setting, "--out", str(tmp_path)])
    [line] = capsys.readouterr().err.splitlines()
    assert code == 2
    assert message in line
    assert not list(tmp_path.iterdir())
