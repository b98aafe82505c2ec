"""Networks, data and weights of one's own, through the command."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flows.cli import main
from gpu.backend import cuda_problem
from tasks.nn.data import load_dataset
from tasks.records import Store

pytestmark = pytest.mark.flow

NETS = """
import torch
from torch import nn
from lwown_parts import conv

class Net(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.first, self.norm = conv(in_channels, 8), nn.BatchNorm2d(8)
        self.second = conv(8, 16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.head(torch.relu(self.second(x)).mean((2, 3)))

def table(shape, num_outputs):
    return nn.Sequential(nn.Linear(shape[0], 32), nn.ReLU(), nn.Linear(32, num_outputs))

def broken():
    raise RuntimeError("no network today")

def three():
    return 3
"""
PARTS = """
from torch import nn

def conv(a, b):
    return nn.Conv2d(a, b, 3, padding=1)
"""
QUICK = [
    "batch_size=32", "epochs=1", "retrain_epochs=0.5", "seeds=1", "ood_images=20",
    "ood_severities=3", "recalibration_images=100",
]  # fmt: skip
IMP = ["methods=imp", "schedules=allr", "sparsities=0.8"]
SOUP = ["phases=1", "members=2", "baselines=[]"]


def settings(*given):
    return [word for each in given for word in ("--set", each)]


@pytest.fixture
def own(prefect_api, tmp_path, monkeypatch):
    """A folder with a network, arrays, and trained weights."""
    monkeypatch.chdir(tmp_path)
    Path("lwown_nets.py").write_text(NETS)
    Path("lwown_parts.py").write_text(PARTS)
    digits = load_dataset("digits", validation_share=0)
    x, y = digits.train.inputs[:400, 0].numpy(), digits.train.targets[:400].numpy()
    x_test, y_test = digits.test.inputs[:100].numpy(), digits.test.targets[:100].numpy()
    np.savez("digits.npz", x=x, y=y, x_test=x_test[:, 0], y_test=y_test)
    random = np.random.default_rng(0)
    table = random.normal(50, 10, (400, 5))
    np.savez("table.npz", x=table, y=1000 * table[:, :2] - 3 * table[:, 2:4])
    yield tmp_path
    for name in ("lwown_nets", "lwown_parts"):
        sys.modules.pop(name, None)


def run(capsys, study, *given, address="serial"):
    words = ["run", study, "--address", address, "--out", "results", "--json"]
    code = main([*words, *settings(*given)])
    captured = capsys.readouterr()
    return code, json.loads(captured.out.splitlines()[-1]), captured.err


def models(outcome):
    path = outcome["path"]
    return Store.open(Path(path).parents[1]).find_run(path).read("models").to_pylist()


def weights(own):
    """A state dict of the network, as a user has it."""
    sys.path.insert(0, str(own))
    try:
        from lwown_nets import Net
    finally:
        sys.path.remove(str(own))
    torch.manual_seed(0)
    torch.save(Net(1, 10).state_dict(), "net.pt")
    return ["checkpoint=net.pt", "mean=0.3", "deviation=0.4"]


def test_serial_and_ray_give_the_same_models(own, local_ray, capsys):
    """The network's file and its neighbor travel to workers that were started without them."""
    given = ["data=digits.npz", "model=lwown_nets.py:Net", *QUICK, *SOUP]
    code, outcome, err = run(capsys, "sparse-soup", *given, address="local")
    assert code == 0, err
    on_ray = models(outcome)
    Path("results").rename("first")
    code, outcome, _ = run(capsys, "sparse-soup", *given)
    serial = models(outcome)
    assert [r["checkpoint"] for r in on_ray] == [r["checkpoint"] for r in serial]
    assert {row["method"] for row in serial} == {"dense", "pruned", "member", "soup", "ensemble"}
    assert all(row["accuracy"] is not None and row["r2"] is None for row in serial)


def test_weights_are_where_everything_starts(own, capsys):
    given = ["data=digits.npz", "model=lwown_nets:Net", *weights(own), *QUICK]
    code, outcome, err = run(capsys, "imp", *given, *IMP)
    assert code == 0, err
    dense, pruned = models(outcome)
    assert (dense["steps"], dense["total_steps"]) == (0, 0)
    assert pruned["total_steps"] == pruned["steps"] > 0
    first = outcome["run_id"]
    state = torch.load("net.pt")
    state["head.bias"] += 1
    torch.save(state, "net.pt")
    code, outcome, _ = run(capsys, "imp", *given, *IMP)
    assert code == 0 and outcome["run_id"] != first


def test_a_table_of_numbers_is_pruned_too(own, capsys):
    given = ["data=table.npz", "task=regression", "model=lwown_nets:table", "learning_rate=0.05"]
    code, outcome, err = run(capsys, "imp", *given, *QUICK, *IMP, "epochs=12")
    assert code == 0, err
    dense, pruned = models(outcome)
    assert dense["accuracy"] is None and 0.9 < dense["r2"] < 1 and pruned["r2"] < 1
    assert dense["root_mean_square"] < 5000
    assert main(["results", outcome["run_id"], "--out", "results"]) == 0
    shown = capsys.readouterr().out
    assert "R²" in shown and "RMS error" in shown and "accuracy" not in shown
    more = "merge=learned", "sparsity=0.5"
    code, outcome, err = run(capsys, "sparse-soup", *given, *QUICK, *SOUP, *more)
    assert code == 0, err
    assert all(row["r2"] is not None for row in models(outcome))
    code, outcome, err = run(
        capsys, "frank-wolfe", *given, *QUICK[:1], *QUICK[3:], "epochs=2",
        "regions=spectral", "rivals=sgd", "widths=10", "rate_factors=1",
    )  # fmt: skip
    assert code == 0, err
    assert all(row["r2"] is not None for row in models(outcome))


def broken_files(own):
    """Files that are refused."""
    torch.save({"head.weight": torch.zeros(3, 16)}, "other.pt")
    torch.save(torch.nn.Linear(2, 2), "pickle.pt")
    x, y = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    np.savez("short.npz", x=x, y=y[:10])
    np.savez("outside.npz", x=x, y=y, x_test=x, y_test=y + 1)
    np.savez("objects.npz", x=np.array([{}, []], dtype=object), y=y)
    for part, name in (("train", "cat"), ("val", "cat")):
        (own / "one" / part / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(own / "one" / part / name / "0.png")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["model=lwown_nets:broken"], "failed: RuntimeError: no network today"),
        (["model=lwown_nets:three"], "returned int; wanted is a torch.nn.Module"),
        (["model=lwown_nets:missing"], "lwown_nets has no missing"),
        (["model=lwown_absent:Net"], "cannot find module lwown_absent"),
        (["model=smal-cnn"], "unknown model 'smal-cnn'; did you mean small-cnn?"),
        (["checkpoint=other.pt", "mean=0", "deviation=1"], "is missing from other.pt"),
        (["checkpoint=pickle.pt", "mean=0", "deviation=1"], "a pickle with more than tensors"),
        (
            ["checkpoint=none.pt", "mean=0", "deviation=1"],
            "checkpoint none.pt: the file does not exist",
        ),
        (["checkpoint=net.pt"], "does not say how its inputs were normalized"),
        (["data=short.npz"], "x has 20 rows and y has 10"),
        (["data=outside.npz"], "y_test has the class 2; known are 0 to 1"),
        (["data=objects.npz"], "is not an .npz file of arrays"),
        (["data=none.npz"], "the file does not exist"),
        (["data=one"], "train has one class, cat"),
        (["task=regression", "data="], "task regression needs data of your own"),
        (["model=lwown_nets:table"], "Sequential fails on inputs of shape (2, 1, 8, 8)"),
        (["deviation=0", "mean=0"], "must be positive"),
        *([(["device=cuda"], "device=cuda cannot be used here")] if cuda_problem() else []),
    ],
)
def test_bad_input_is_one_line_at_once(own, capsys, given, message):
    broken_files(own)
    weights(own)
    first = ["data=digits.npz", "model=lwown_nets:Net"]
    code = main(["run", "imp", "--out", "results", *settings(*first, *QUICK, *given)])
    [line] = capsys.readouterr().err.splitlines()
    assert code == 2 and message in line.replace(f"{own}/", ""), line
    assert not Path("results").exists()


def test_checkpoints_that_do_not_belong_together_are_refused_by_name(own, capsys):
    weights(own)
    state = torch.load("net.pt")
    for name, change in {
        "half": {key: v.half() if v.is_floating_point() else v for key, v in state.items()},
        "complex": {**state, "head.bias": state["head.bias"] + 0j},
        "nan": {**state, "head.bias": state["head.bias"] * float("nan")},
        "fewer": {key: value for key, value in state.items() if key != "head.bias"},
        "zeros": {**state, "head.weight": state["head.weight"].clamp(min=0)},
    }.items():
        torch.save(change, f"{name}.pt")
    given = ["data=digits.npz", "model=lwown_nets:Net", "mean=0.3", "deviation=0.4"]
    for name, message in {
        "half": "first.weight is float32 (8, 1, 3, 3) in net.pt and float16 (8, 1, 3, 3) in half",
        "complex": "head.bias of complex.pt is complex",
        "nan": "head.bias has entries that are not finite",
        "fewer": "head.bias is in net.pt and not in fewer.pt",
        "zeros": "head.weight is pruned otherwise in net.pt (160 weights left) than in zeros.pt",
    }.items():
        code = main(["soup", "net.pt", f"{name}.pt", "--out", "results", *settings(*given)])
        [line] = capsys.readouterr().err.splitlines()
        assert code == 2 and message in line.replace(f"{own}/", ""), line


def test_members_whose_inputs_mean_something_else_are_refused(own, capsys):
    """The numbers of the first counted for all."""
    weights(own)
    from safetensors.torch import save_file

    given = ["data=digits.npz", "model=lwown_nets:Net"]
    for name, mean in (("a", 0.3), ("b", 0.2)):
        Path(name).mkdir()
        save_file(torch.load("net.pt"), f"{name}/model.safetensors")
        about = {"input": {"mean": [mean], "deviation": [0.4]}, "classes": [*map(str, range(10))]}
        Path(f"{name}/model.json").write_text(json.dumps(about))
    for files in (["a", "b"], ["a", "net.pt"], ["net.pt", "b"]):
        code = main(["soup", *files, "--out", "results", *settings(*given)])
        [line] = capsys.readouterr().err.splitlines()
        assert code == 2 and "normaliz" in line, line
    about["classes"].reverse()
    Path("b/model.json").write_text(json.dumps(about))
    code = main(["run", "imp", "--out", "results", *settings(*given, *QUICK, "checkpoint=b")])
    [line] = capsys.readouterr().err.splitlines()
    assert code == 2 and "has other classes than digits.npz" in line


def test_the_file_of_masks_has_to_fit(own, capsys):
    weights(own)
    from safetensors.torch import save_file

    for name in ("a", "b"):
        Path(name).mkdir()
        save_file(torch.load("net.pt"), f"{name}/model.safetensors")
        save_file({"head.weight": torch.ones(3, dtype=torch.bool)}, f"{name}/masks.safetensors")
    given = ["data=digits.npz", "model=lwown_nets:Net", "mean=0.3", "deviation=0.4"]
    files = [f"{name}/model.safetensors" for name in ("a", "b")]
    code = main(["soup", *files, "--out", "results", *settings(*given)])
    [line] = capsys.readouterr().err.splitlines()
    assert code == 2 and "the mask of head.weight has type torch.bool and shape (3,)" in line


def test_a_run_is_exported_from_any_folder(own, capsys, monkeypatch, tmp_path_factory):
    given = ["data=digits.npz", "model=lwown_nets:Net", *QUICK, *IMP]
    code, outcome, err = run(capsys, "imp", *given)
    assert code == 0, err
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["export", outcome["path"], "--best", "--to", "models", "--out", str(own)]) == 0
    assert len([*Path("models").iterdir()]) == 1


def test_a_soup_of_equal_networks_is_that_network(own, capsys):
    weights(own)
    given = ["data=digits.npz", "model=lwown_nets:Net", "mean=0.3", "deviation=0.4", *QUICK]
    words = ["soup", "net.pt", "net.pt", "net.pt", "--out", "results", "--address", "serial"]
    assert main([*words, "--json", *settings(*given)]) == 0
    rows = models(json.loads(capsys.readouterr().out.splitlines()[-1]))
    assert [row["method"] for row in rows] == [
        *["member"] * 3, "soup-uniform", "soup-greedy", "soup-learned", "ensemble"
    ]  # fmt: skip
    assert len({row["checkpoint"] for row in rows[:4]}) == 1
    assert len({row["accuracy"] for row in rows}) == 1


COMPRESSION = [
    "batch_size=32", "epochs=2", "seeds=1", "recalibration_images=100", "ratios=[0.4]",
    "widths=[10]", "shares=[0.3]", "penalties=[0.001]", "rate_factors=[1]",
]  # fmt: skip


def test_networks_of_ones_own_are_compressed_and_leave_smaller(own, capsys):
    regions = 'regions=["group_k_support","spectral_k_support"]'
    given = ["data=digits.npz", "model=lwown_nets:Net", *COMPRESSION, regions, 'kinds=["both"]']
    code, outcome, err = run(capsys, "compression-aware", *given, "ranking=energy")
    assert code == 0, err
    rows = {row["method"]: row for row in models(outcome)}
    assert set(rows) == {
        "sgd_decay", "group_penalty", "nuclear_penalty", "nuclear_prox", "imp",
        "group_k_support", "spectral_k_support",
    }  # fmt: skip
    path = Path(outcome["path"])
    found = Store.open(path.parents[1]).find_run(outcome["path"]).read("compressed").to_pylist()
    assert all(row["parameters"] < rows[row["method"]]["parameters"] for row in found)
    item = "group_k_support-0.both-0.4"
    assert (
        main(["export", outcome["run_id"], "--item", item, "--to", "out", "--out", "results"]) == 0
    )
    program = torch.export.load(Path("out") / item / "model.pt2").module()
    assert program(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_networks_of_numbers_are_compressed_too(own, capsys):
    given = ["data=table.npz", "task=regression", "model=lwown_nets:table", "learning_rate=0.05"]
    few = ['rivals=["sgd_decay","imp"]', 'regions=["k_support"]', "epochs=12"]
    kinds = ['kinds=["filters","low_rank","weights"]', "by_layer=true"]
    code, outcome, err = run(capsys, "compression-aware", *given, *COMPRESSION, *few, *kinds)
    assert code == 0, err
    assert all(row["accuracy"] is None and row["r2"] > 0.5 for row in models(outcome))
    assert main(["results", outcome["run_id"], "--out", "results"]) == 0
    assert "explains more than" in capsys.readouterr().out.replace("\n", " ")
