"""The studies `sparse-soup` and `imp` end to end, through the command, with tiny trainings."""

import json
from itertools import product
from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image

from flows import find_study
from flows.cli import main
from flows.planning import plan_run
from flows.reports import report_of
from gpu.backend import one_thread
from tasks.nn import fitting, workbench
from tasks.nn.data import load_dataset
from tasks.nn.models import build_model
from tasks.pruning import CHECKPOINTS, SoupConfig, link, soup_items
from tasks.pruning.imp import masked_copy
from tasks.pruning.run import soup_rows
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import load_sparse
from tasks.records import Place, Store, Stored
from tasks.records.markdown import markdown
from workers import ResourceProfile, WorkItem, map_batches

pytestmark = pytest.mark.flow

SOUP = ["sparse-soup", "--recipe", "digits"]
IMP = ["imp", "--recipe", "schedules-digits"]
ONE_PHASE = ["--set", "phases=1", "--set", "members=3", "--set", 'baselines=["long"]']
CALL = "tasks.pruning.run.soup_rows"


@pytest.fixture
def ran(prefect_api, tmp_path, capsys):
    """Run a study with --json into one store: (exit code, the JSON object, stderr)."""

    def run(*arguments: str, study: list[str] = SOUP) -> tuple[int, dict, str]:
        where = ["--smoke", "--address", "serial", "--out", str(tmp_path), "--json"]
        code = main(["run", *study, *where, *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def stored(path: str):
    return Store.open(Path(path).parents[1]).find_run(path)


def report(path: str) -> str:
    run = stored(path)
    study = find_study(run.identity.flow)
    schemas = plan_run(study, SoupConfig()).schemas
    return markdown(report_of(study, Stored(run, schemas)), run)


def science_bytes(path: str) -> dict[str, bytes]:
    """Every deterministic file of a run, with the checkpoints."""
    files = (p for p in Path(path).rglob("*") if p.suffix in (".arrow", ".safetensors"))
    return {p.name: p.read_bytes() for p in files if p.parent.name != "execution"}


def calls(path: str) -> list[str]:
    """Items of the calls that the run made itself."""
    rows = stored(path).read("execution").to_pylist()
    return [row["item"] for row in rows if row["run_id"] == Path(path).name]


def test_a_soup_ends_with_models_lineage_a_report_and_a_picture(ran):
    code, outcome, _ = ran()
    assert (code, outcome["status"]) == (0, "ok")
    run = stored(outcome["path"])
    assert run.manifest().status == "complete"
    rows = run.read("models").to_pylist()
    files = {path.stem for path in (Path(outcome["path"]) / CHECKPOINTS).iterdir()}
    assert {row["checkpoint"] for row in rows if row["checkpoint"]} == files
    assert {parent for row in rows for parent in row["parents"]} <= files
    assert set(run.read("verification")["status"].to_pylist()) == {"ok"}
    text = report(outcome["path"])
    for method in ("dense", "IMP", "IMP, m-fold", "IMP-RePrune", "mean member", "best member",
                   "soup", "ensemble"):  # fmt: skip
        assert f"| {method} |" in text
    found, _, table = text.partition("| sparse | method |")
    first, second = found.splitlines()[2:4]
    [soup] = [row for row in rows if row["method"] == "soup" and row["phase"] == 2]
    assert first.startswith(
        f"* with {100 * soup['sparsity']:.2f} % of the weights pruned, the accuracy of the soup is "
        f"{100 * soup['accuracy']:.2f} %, that of its best member "
    )
    assert second.startswith("* soup - mean member, paired, points: accuracy ")
    assert "* published: the soup is more accurate than its members -" in found
    assert "published" not in table
    assert "* verified from their files: 15 of 15 models" in text
    assert (Path(outcome["path"]) / "figures/soup.png").stat().st_size > 10_000


def test_damaged_and_lost_models_are_made_again_and_nothing_else(ran):
    """One that others were made from, one that was merged, and one that nothing needs."""
    _, outcome, _ = ran(*ONE_PHASE)
    before, first = science_bytes(outcome["path"]), calls(outcome["path"])
    rows = {row["method"]: row for row in stored(outcome["path"]).read("models").to_pylist()}
    folder = Path(outcome["path"]) / CHECKPOINTS
    files = {m: folder / f"{rows[m]['checkpoint']}.safetensors" for m in ("pruned", "soup", "long")}
    files["soup"].unlink()
    for method in ("pruned", "long"):
        content = bytearray(files[method].read_bytes())
        content[-50] ^= 1
        files[method].write_bytes(content)
    assert ran(*ONE_PHASE)[:2] == (0, outcome)
    assert science_bytes(outcome["path"]) == before
    repeated = ["prune.s0.p1", "long.s0.p1", "merge.s0.p1"]
    assert sorted(calls(outcome["path"])) == sorted([*first, *repeated])


def test_a_soup_of_survivors_says_so_and_the_next_run_mends_it(ran, monkeypatch, tmp_path):
    def fails(item, *given):
        if item.key == "branch.s0.p1.m1":
            raise RuntimeError("no luck")
        return soup_rows(item, *given)

    with monkeypatch.context() as patched:
        patched.setattr(CALL, fails)
        code, outcome, err = ran(*ONE_PHASE)
    assert (code, outcome["status"]) == (1, "failed")
    assert "branch.s0.p1.m1: failed, no luck" in err
    text = report(outcome["path"])
    assert "merge.s0.p1, soup: 2 of 3 members: without member 1 of phase 1" in text
    assert ran(*ONE_PHASE)[0] == 0
    _, whole, _ = ran(*ONE_PHASE, "--out", str(tmp_path / "whole"))
    mended, expected = (stored(o["path"]).read("models") for o in (outcome, whole))
    assert mended.equals(expected)


def test_members_get_the_pruned_network_with_their_calls(ran, monkeypatch):
    shared = {}

    def noting(item, place, *contents):
        shared[item.key] = [content.checkpoint for content in contents]
        return soup_rows(item, place, *contents)

    with monkeypatch.context() as patched:
        patched.setattr(CALL, noting)
        _, outcome, _ = ran(*ONE_PHASE)
    rows = stored(outcome["path"]).read("models").to_pylist()
    [pruned] = [row["checkpoint"] for row in rows if row["method"] == "pruned"]
    members = [f"branch.s0.p1.m{j}" for j in range(3)]
    assert {key for key, names in shared.items() if names} == set(members)
    assert all(shared[key] == [pruned] for key in members)


def test_trainings_that_broke_off_go_on_to_the_same_models(ran, monkeypatch, tmp_path, caplog):
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
    assert ran(*slow)[0] == 1
    assert ran(*slow)[0] == 1
    code, continued, _ = ran(*slow)
    assert code == 0
    resumed = [r.getMessage() for r in caplog.records if "resumed at step" in r.getMessage()]
    assert [text.partition(" from")[0] for text in resumed] == [
        "resumed at step 4 of 12",
        "resumed at step 4 of 6",
    ]
    monkeypatch.setattr(fitting, "save_checkpoint", save)
    _, whole, _ = ran(*slow, "--out", str(tmp_path / "whole"))
    for table in ("models", "curve", "distances"):
        mine, theirs = (stored(o["path"]).read(table) for o in (continued, whole))
        assert mine.equals(theirs)


def test_more_repetitions_take_over_those_that_another_run_has(ran, tmp_path):
    quick = [*ONE_PHASE, "--set", "members=2"]
    ran(*quick, "--set", "seeds=1")
    code, both, _ = ran(*quick, "--set", "seeds=2")
    assert code == 0
    assert calls(both["path"]) and all(".s1" in item for item in calls(both["path"]))
    whole = ran(*quick, "--set", "seeds=2", "--out", str(tmp_path / "whole"))[1]
    assert science_bytes(both["path"]) == science_bytes(whole["path"])


@pytest.mark.ray
def test_one_two_and_four_workers_give_the_same_rows(local_ray, tmp_path):
    config = SoupConfig(
        dataset="synthetic", batch_size=60, epochs=1, retrain_epochs=0.5, sparsity=0.7, phases=1,
        members=4, seeds=1, ood_images=0, recalibration_images=100, baselines=("long",),
    )  # fmt: skip
    found = []
    for share in (2.0, 1.0, 0.5):
        profile, rows = ResourceProfile(cpus=share), []
        place = Place(str(tmp_path / f"{share}"))
        assert local_ray.slots(profile) == 2 / share
        for items in soup_items(config).values():
            work = [WorkItem(i.key, (link(i, rows), place)) for i in items]
            for outcome in map_batches(
                models, work, executor=local_ray, profile=profile, ordered=True
            ):
                rows += outcome.value
        found.append(rows)
    assert len(found[0]) == 9
    assert found[0] == found[1] == found[2]


def models(payload):
    return soup_rows(*payload)["models"]


def test_methods_are_compared_at_equal_compute(ran):
    _, outcome, _ = ran(study=IMP)
    text = report(outcome["path"])
    for method in ("dense", "imp-llr", "imp-allr", "bimp", "gmp", "dpf"):
        assert f"| {method} |" in text
    assert text.splitlines()[2].startswith("* allr minus others at 0.8 after 1 epochs: imp-llr")
    assert (Path(outcome["path"]) / "figures/imp.png").is_file()
    assert set(stored(outcome["path"]).read("verification")["status"].to_pylist()) == {"ok"}


def test_a_wider_comparison_takes_over_the_cells_that_another_run_has(ran):
    few = ["--set", 'methods=["imp"]', "--set", "schedules=llr"]
    ran(*few, study=IMP)
    more = [*few, "--set", "sparsities=[0.5, 0.8]", "--set", "retrain_epochs=[1.0, 2.0]"]
    _, outcome, _ = ran(*more, study=IMP)
    trained = [item for item in calls(outcome["path"]) if not item.startswith("verify.")]
    assert sorted(trained) == [f"imp-llr.e{e}.s0" for e in ("1.t0.5", "2.t0.5", "2.t0.8")]


# --- exports ------------------------------------------------------------------------------------


def exported(outcome, tmp_path, *arguments: str) -> int:
    where = ["--to", str(tmp_path / "models"), "--out", str(tmp_path)]
    return main(["export", outcome["path"], *where, *arguments])


def accuracy_elsewhere(folder: Path) -> float:
    """Accuracy on the test images, with plain PyTorch and what the description says."""
    about = json.loads((folder / "model.json").read_text())
    network, inputs = about["architecture"], about["input"]
    model = build_model(network["name"], tuple(network["shape"]), network["num_classes"], seed=7)
    model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    test = load_dataset(about["provenance"]["dataset"]).test
    mean, deviation = (torch.tensor(inputs[n])[:, None, None] for n in ("mean", "deviation"))
    with torch.inference_mode():
        outputs = model.eval()((test.inputs / 255 - mean) / deviation)
    return float((outputs.argmax(1) == test.targets).double().mean())


def test_exported_soups_have_their_accuracy_and_sparsity_elsewhere(ran, tmp_path, capsys):
    _, outcome, _ = ran("--set", "phases=2", "--set", "baselines=[]", "--set", "seeds=2")
    assert exported(outcome, tmp_path) == 0
    folders = [tmp_path / f"models/merge.s{r}.p2" for r in range(2)]
    names = ("model.safetensors", "masks.safetensors", "model.pt2", "model.json")
    assert capsys.readouterr().out.split() == [str(f / name) for f in folders for name in names]
    rows = {row["item"]: row for row in stored(outcome["path"]).read("models").to_pylist()
            if row["method"] == "soup"}  # fmt: skip
    for folder in folders:
        about, row = json.loads((folder / "model.json").read_text()), rows[folder.name]
        assert accuracy_elsewhere(folder) == row["accuracy"] == about["accuracy"]
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        kept = sum(int((w != 0).sum()) for w in weights.values() if w.ndim > 1)
        assert kept == row["kept"]
        assert about["provenance"]["parents"] == row["parents"]


def test_networks_with_hidden_weights_are_exported_as_they_are_evaluated(
    ran, tmp_path, monkeypatch, capsys
):
    def spoil(_, model):
        torch.nn.init.zeros_(next(model.parameters()))

    settings = ["--set", "method=dpf", "--set", "phases=2", "--set", "baselines=[]"]
    _, outcome, _ = ran(*settings, "--set", "seed=7")
    assert exported(outcome, tmp_path, "--item", "merge.s0.p1") == 0
    [row] = [row for row in stored(outcome["path"]).read("models").to_pylist()
             if row["item"] == "merge.s0.p1" and row["method"] == "soup"]  # fmt: skip
    folder = tmp_path / "models/merge.s0.p1"
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    assert sum(int((w != 0).sum()) for w in weights.values() if w.ndim > 1) == row["kept"]
    assert accuracy_elsewhere(folder) == row["accuracy"]
    setup = Setup.open(SoupConfig(**stored(outcome["path"]).record.config, seed=7))
    sparse, _ = load_sparse(outcome["path"], row["checkpoint"], setup.new_model(0))
    with one_thread():
        expected = masked_copy(setup, sparse).state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in expected.items())
    monkeypatch.setattr(Setup, "recalibrate", spoil)
    assert exported(outcome, tmp_path, "--item", "merge.s0.p1") == 1
    assert ", its row says " in capsys.readouterr().err


def test_images_of_a_folder_are_found_again_by_the_environment(ran, tmp_path, monkeypatch, capsys):
    pictures = tmp_path / "pictures"
    for part, label, k in product(("train", "test"), "ab", range(12)):
        (pictures / part / label).mkdir(parents=True, exist_ok=True)
        color = (250 * (label == "a"), 20 * k, 0)
        Image.new("RGB", (8, 8), color).save(pictures / part / label / f"{k}.png")
    given = ("dataset=imagefolder", f"data_folder={pictures}", "image_size=8", "batch_size=4")
    settings = [word for setting in given for word in ("--set", setting)]
    _, outcome, _ = ran(*ONE_PHASE, *settings)
    monkeypatch.delenv("LATTICEWORK_DATA", raising=False)
    assert exported(outcome, tmp_path) == 0
    moved = pictures.rename(tmp_path / "moved")
    assert exported(outcome, tmp_path) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("set LATTICEWORK_DATA to the data_folder of the run")
    monkeypatch.setenv("LATTICEWORK_DATA", str(moved))
    assert exported(outcome, tmp_path) == 0
    Image.new("RGB", (8, 8), (9, 9, 9)).save(moved / "train" / "a" / "0.png")
    workbench._loaded.cache_clear()
    assert exported(outcome, tmp_path) == 2
    assert "imagefolder has other data now than the run had" in capsys.readouterr().err


def test_what_cannot_be_exported_is_one_line(ran, tmp_path, capsys):
    _, outcome, _ = ran(*ONE_PHASE)
    path, where = outcome["path"], ["--out", str(tmp_path)]

    def refused(*arguments: str) -> tuple[int, str]:
        code = main(["export", path, *where, *arguments])
        [line] = capsys.readouterr().err.splitlines()
        return code, line

    to = ["--to", str(tmp_path / "models")]
    assert refused() == (2, "latticework: export needs a folder: give --to FOLDER")
    code, line = refused(*to, "--item", "merge.s0.p2")
    assert code == 2 and line.endswith("has no item merge.s0.p2; did you mean merge.s0.p1?")
    [row] = [r for r in stored(path).read("models").to_pylist() if r["method"] == "soup"]
    file = Path(path) / CHECKPOINTS / f"{row['checkpoint']}.safetensors"
    content = bytearray(file.read_bytes())
    content[-50] ^= 1
    file.write_bytes(content)
    code, line = refused(*to)
    assert code == 1 and f"{file.name}: is damaged" in line
    assert not (tmp_path / "models").exists()


def test_a_comparison_exports_the_cell_that_is_named(ran, tmp_path, capsys):
    _, outcome, _ = ran("--set", 'methods=["imp"]', "--set", "schedules=llr", study=IMP)
    assert exported(outcome, tmp_path) == 2
    assert "has no soups; name an item with --item, such as imp-llr" in capsys.readouterr().err
    assert exported(outcome, tmp_path, "--item", "imp-llr.e1.t0.8.s0") == 0
    row = stored(outcome["path"]).read("models").to_pylist()[-1]
    assert accuracy_elsewhere(tmp_path / "models/imp-llr.e1.t0.8.s0") == row["accuracy"]


@pytest.mark.parametrize(
    ("study", "setting", "message"),
    [
        ("sparse-soup", "sparsity=1", "sparsity: 1 is not allowed"),
        ("sparse-soup", "dataset=mnist", "dataset: 'mnist' is not allowed"),
        ("sparse-soup", "model=resnet", "model: 'resnet' is not allowed"),
        ("sparse-soup", "batch_size=5000", "batches of 5000 from"),
        ("sparse-soup", "min_branches=50", "must not exceed members"),
        ("sparse-soup", "sparsity=0.99999", "a layer would be empty; take a lower sparsity"),
        ("sparse-soup", "dataset=cifar10", "files of cifar10 are missing (looked in:"),
        ("imp", "sparsities=[1.5]", "sparsity 1.5 is not in [0, 1)"),
        ("imp", "updates=1000", "give more steps"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(study, setting, message, capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("LATTICEWORK_DATA", raising=False)
    code = main(["run", study, "--smoke", "--set", setting, "--out", str(tmp_path)])
    [line] = capsys.readouterr().err.splitlines()
    assert code == 2
    assert message in line
    assert not list(tmp_path.iterdir())
