"""What leaves a run stands alone: files of exported models, and `latticework predict`."""

import hashlib
import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from commands import run_python
from PIL import Image
from study_helpers import stored_run

from flows import find_study
from flows.cli import main
from tasks.nn import exports
from tasks.nn.data import load_dataset
from tasks.nn.models import build_model
from tasks.nn.models.own import build_own
from tasks.nn.programs import Description, Standalone, read_program
from tasks.nn.yardstick import ACCURACY
from tasks.pruning.config import ImpConfig, SoupConfig
from tasks.pruning.criteria import without_pruned_filters
from tasks.pruning.statistics import best_row
from tasks.records import Stored
from tasks.records.own_code import is_reference

QUICK = {"batch_size": 60, "epochs": 1, "seeds": 1, "ood_images": 0, "recalibration_images": 100}
SOUP = {"dataset": "synthetic", "retrain_epochs": 0.5, "phases": 1, "members": 2, "baselines": ()}
IMP = {"methods": ("imp",), "schedules": ("llr",), "sparsities": (0.5,), "retrain_epochs": (1.0,)}
HERE = Path(__file__).parent


def exported(stored: Stored, to: Path, *arguments: str) -> list[str]:
    """Export through the command; the lines that it prints."""
    out = StringIO()
    where = ["--out", str(Path(stored.run.path).parents[1]), "--to", str(to)]
    with redirect_stdout(out):
        assert main(["export", stored.run.path, *where, *arguments]) == 0
    return out.getvalue().splitlines()


def about(folder: Path) -> dict:
    return json.loads((folder / "model.json").read_text())


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def program_of(folder: Path) -> torch.nn.Module:
    return read_program((folder / "model.pt2").read_bytes())


def network_of(folder: Path) -> Standalone:
    """The network of a folder in our code, with its normalization."""
    described = Description.read(about(folder))
    name = about(folder)["architecture"]["name"]
    build = build_own if is_reference(name) else build_model
    network = build(name, described.shape, described.num_outputs, seed=3)
    network.load_state_dict(weights_of(folder))
    return Standalone(network, described).eval().requires_grad_(False)


def size_of(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def close(first: torch.Tensor, second: torch.Tensor, bound: float = 1e-5) -> bool:
    return float((first - second).detach().abs().max()) <= bound


@pytest.fixture(scope="module")
def soup(tmp_path_factory) -> Stored:
    """A soup of two members with 70 % of the weights pruned."""
    folder = tmp_path_factory.mktemp("soup")
    return stored_run(find_study("sparse-soup"), SoupConfig(**QUICK, **SOUP, sparsity=0.7), folder)


@pytest.fixture(scope="module")
def model(soup, tmp_path_factory) -> Path:
    """Its exported folder."""
    folder = tmp_path_factory.mktemp("exported")
    exported(soup, folder)
    return folder / "merge.s0.p1"


@pytest.fixture(scope="module")
def elsewhere(model, tmp_path_factory) -> dict:
    """What a program finds that knows the folder and test data alone."""
    place = tmp_path_factory.mktemp("elsewhere")
    test = load_dataset("synthetic").test
    data = {"inputs": test.inputs.contiguous(), "labels": test.targets}
    safetensors.torch.save_file(data, place / "data.safetensors")
    command = [str(HERE / "used_elsewhere.py"), str(model), str(place / "data.safetensors")]
    return json.loads(run_python("-I", *command, cwd=place).stdout)


# --- pruned classifiers -------------------------------------------------------------------------


def test_weights_and_program_have_the_accuracy_of_the_row_without_this_project(
    soup, model, elsewhere
):
    [row] = [row for row in soup.rows("models") if row["method"] == "soup"]
    assert elsewhere["ours"] == []
    assert elsewhere["accuracies"] == [row["accuracy"], row["accuracy"]]
    assert elsewhere["difference"] < 1e-5
    found = about(model)
    assert found["accuracy"] == found["measured again"]["test"]["accuracy"] == row["accuracy"]
    assert found["measured again"]["validation"]["accuracy"] == row["validation_accuracy"]


def test_a_program_normalizes_raw_inputs_itself_for_any_number_of_examples(model):
    program, network = program_of(model), network_of(model)
    inputs = load_dataset("synthetic").test.inputs
    for count in (1, 7, 200):
        found = program(inputs[:count].float())
        assert close(found, network(inputs[:count].float()))
        assert close(found.sum(dim=1), torch.ones(count))
    [described] = about(model)["programs"]
    assert described["input"]["shape"] == ["batch", 1, 12, 12]
    assert (described["input"]["name"], described["output"]["name"]) == ("inputs", "probabilities")


def test_masks_are_those_of_the_run_and_cover_its_zeros(soup, model):
    masks = safetensors.torch.load_file(model / "masks.safetensors")
    [row] = [row for row in soup.rows("models") if row["method"] == "soup"]
    file = Path(soup.run.path) / "checkpoints" / f"{row['checkpoint']}.safetensors"
    inside = safetensors.torch.load_file(file)
    stored = {n.removeprefix("mask."): t for n, t in inside.items() if n.startswith("mask.")}
    assert masks.keys() == stored.keys()
    assert all(torch.equal(mask, stored[name]) for name, mask in masks.items())
    weights = weights_of(model)
    assert all(mask.dtype == torch.bool for mask in masks.values())
    assert not any(weights[name][~mask].any() for name, mask in masks.items())
    assert sum(int(mask.sum()) for mask in masks.values()) == row["kept"]
    sizes = about(model)
    pruned = sum(int((~mask).sum()) for mask in masks.values())
    assert sizes["parameters"]["dense"] - sizes["parameters"]["left"] == pruned
    speed_up = sizes["multiplications"]["dense"] / sizes["multiplications"]["left"]
    assert speed_up == pytest.approx(row["speed_up"])


def test_files_are_named_with_their_digests_and_the_same_every_time(soup, model, tmp_path):
    lines = exported(soup, tmp_path)
    again = tmp_path / model.name
    names = ("model.safetensors", "masks.safetensors", "model.pt2", "model.json")
    assert lines == [str(again / name) for name in names]
    assert all((again / n).read_bytes() == (model / n).read_bytes() for n in names)
    for name, digest in about(model)["files"].items():
        assert hashlib.sha256((model / name).read_bytes()).hexdigest() == digest
    assert str(Path.cwd()).encode() not in (model / "model.pt2").read_bytes()


def test_the_best_model_is_that_of_the_validation_data(soup, tmp_path):
    best = best_row(soup.rows("models"), ACCURACY)
    exported(soup, tmp_path, "--best")
    [folder] = tmp_path.iterdir()
    assert folder.name == best["item"]
    assert about(folder)["provenance"]["checkpoint"] == best["checkpoint"]


def test_a_dense_model_has_no_masks_and_takes_away_those_of_another(soup, model, tmp_path):
    folder = tmp_path / "pretrain.s0"
    folder.mkdir()
    (folder / "masks.safetensors").write_bytes((model / "masks.safetensors").read_bytes())
    exported(soup, tmp_path, "--item", "pretrain.s0")
    assert not (folder / "masks.safetensors").exists()
    sizes = about(folder)["parameters"]
    assert sizes["dense"] == sizes["left"] == size_of(network_of(folder).network)


def test_models_of_one_item_get_folders_of_their_own(soup, model, tmp_path):
    exported(soup, tmp_path, "--item", "branch.s0.p1.m0")
    files = (str(model), str(tmp_path / "branch.s0.p1.m0"))
    config = SoupConfig(**QUICK, dataset="synthetic", checkpoints=files)
    merged = stored_run(find_study("sparse-soup"), config, tmp_path / "store")
    lines = exported(merged, tmp_path / "to")
    folders = {path.name for path in (tmp_path / "to").iterdir()}
    assert folders == {f"given.s0.p1.soup-{rule}" for rule in ("uniform", "greedy", "learned")}
    assert len(lines) == 4 * len(folders)


def test_a_file_that_is_not_as_good_as_its_row_is_not_exported(soup, tmp_path, monkeypatch, capsys):
    dumped = exports._dumped
    monkeypatch.setattr(
        exports, "_dumped", lambda tensors: dumped({n: 0 * t for n, t in tensors.items()})
    )
    where = ["--out", str(Path(soup.run.path).parents[1]), "--to", str(tmp_path / "to")]
    assert main(["export", soup.run.path, *where]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "merge.s0.p1: its file has validation_accuracy 0." in line
    assert line.endswith("; it is not exported") and not (tmp_path / "to").exists()


def test_requests_that_cannot_be_met_are_one_line(soup, tmp_path, monkeypatch, capsys):
    where = ["export", soup.run.path, "--out", str(Path(soup.run.path).parents[1])]
    monkeypatch.setattr("tasks.nn.programs.ONNX_PACKAGES", ("onnx_is_not_here",))
    for given, message in (
        (["--best", "--item", "merge.s0.p1"], "--best chooses the model, and so does --item"),
        (["--onnx"], "pip install 'latticework[onnx]'"),
    ):
        assert main([*where, "--to", str(tmp_path / "to"), *given]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert message in line
    assert not (tmp_path / "to").exists()


def test_onnx_gives_the_same_probabilities_for_any_number_of_examples(soup, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    lines = exported(soup, tmp_path, "--onnx")
    folder = tmp_path / "merge.s0.p1"
    assert str(folder / "model.onnx") in lines
    session = runtime.InferenceSession((folder / "model.onnx").read_bytes())
    [given], [found] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("inputs", ["batch", 1, 12, 12])
    assert (found.name, found.shape[0]) == ("probabilities", "batch")
    inputs, network = load_dataset("synthetic").test.inputs.float(), network_of(folder)
    for count in (1, 7):
        [outputs] = session.run(None, {"inputs": inputs[:count].numpy()})
        assert close(torch.from_numpy(outputs), network(inputs[:count]))
    assert [each["file"] for each in about(folder)["programs"]] == ["model.pt2", "model.onnx"]


def test_pruned_filters_are_cut_out_of_the_program(tmp_path):
    config = SoupConfig(**QUICK, **SOUP, sparsity=0.5, granularity="filters")
    found = stored_run(find_study("sparse-soup"), config, tmp_path)
    exported(found, tmp_path / "to")
    folder = tmp_path / "to" / "merge.s0.p1"
    network, program = network_of(folder), program_of(folder)
    masks = safetensors.torch.load_file(folder / "masks.safetensors")
    smaller = without_pruned_filters(network.network, masks, (1, 12, 12))
    sizes = about(folder)["parameters"]
    assert sizes == {"dense": size_of(network), "left": size_of(smaller)}
    assert size_of(program) == sizes["left"] < 0.4 * sizes["dense"]
    inputs = load_dataset("synthetic").test.inputs[:20].float()
    assert close(program(inputs), network(inputs))
    counts = about(folder)["multiplications"]
    [row] = [row for row in found.rows("models") if row["method"] == "soup"]
    assert counts["dense"] / counts["left"] == pytest.approx(row["speed_up"])


# --- predictions --------------------------------------------------------------------------------


@pytest.fixture
def predicted(tmp_path, monkeypatch, capsys):
    """Predict in a folder: (exit code, lines, lines of errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        code = main(["predict", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return run


def test_pictures_and_arrays_get_names_and_probabilities_of_classes(model, predicted, tmp_path):
    inputs = load_dataset("synthetic").test.inputs[:3]
    Image.fromarray(inputs[0, 0].numpy()).convert("RGB").save(tmp_path / "gray.png")
    Image.fromarray(inputs[1, 0].numpy()).resize((36, 24)).save(tmp_path / "wide.tiff")
    np.savez(tmp_path / "x.npz", x=inputs.numpy())
    np.save(tmp_path / "x.npy", inputs[:, 0].numpy().astype(np.int64))
    wanted = network_of(model)(inputs.float())
    code, lines, _ = predicted(model, "gray.png", "wide.tiff", "x.npz", "x.npy", "--json")
    found = [json.loads(line) for line in lines]
    assert code == 0 and len(found) == 8
    assert [(each["file"], each.get("example")) for each in found[:4]] == [
        ("gray.png", None), ("wide.tiff", None), ("x.npz", 0), ("x.npz", 1)
    ]  # fmt: skip
    for each, row in zip([found[0], *found[2:]], [0, 0, 1, 2, 0, 1, 2], strict=True):
        best = wanted[row].topk(3)
        assert [int(c["class"]) for c in each["classes"]] == best.indices.tolist()
        probabilities = [c["probability"] for c in each["classes"]]
        assert probabilities == pytest.approx(best.values.tolist(), abs=1e-5)
    code, lines, _ = predicted(model, "x.npz")
    best = wanted[1].topk(3)
    shown = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    assert lines[1] == f"x.npz[1]: {', '.join(f'{k} {100 * p:.1f} %' for k, p in shown)}"


def test_what_cannot_be_predicted_is_one_line_and_exit_2(model, predicted, tmp_path):
    inputs = load_dataset("synthetic").test.inputs[:2].numpy()
    np.save(tmp_path / "good.npy", inputs)
    np.save(tmp_path / "narrow.npy", inputs[..., :5])
    np.save(tmp_path / "floats.npy", inputs / 255)
    np.savez(tmp_path / "y.npz", y=inputs)
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "text.npy").write_text("no array")
    for files, message in (
        (["narrow.npy"], "examples have shape (1, 12, 5), the model takes (1, 12, 12)"),
        (["floats.npy"], "the model takes pictures as bytes, 0 to 255"),
        (["y.npz"], "y.npz has no array x; it has y"),
        (["text.png"], "text.png: cannot be read as a picture: its format is not known"),
        (["text.npy"], "text.npy is damaged, or no .npy file"),
        (["nowhere.png"], "nowhere.png: the file does not exist"),
        (["text.png", "good.npy", "y.npz"], "its format is not known; and so with 1 other file"),
    ):
        code, lines, [line] = predicted(model, *files)
        assert code == 2 and message in line
        assert len(lines) == (2 if "good.npy" in files else 0)


def test_a_folder_without_a_whole_model_is_one_line_and_exit_2(model, predicted, tmp_path):
    np.save(tmp_path / "x.npy", load_dataset("synthetic").test.inputs[:1].numpy())
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    content = (model / "model.json").read_text()
    (damaged / "model.pt2").write_bytes((model / "model.pt2").read_bytes()[:-7] + b"1234567")
    for text, message in (
        ("{", "damaged: model.json is damaged: "),
        ("[]", "damaged: model.json is damaged: it holds no object"),
        ("{}", "model.json does not describe a model (KeyError: 'architecture')"),
        (content.replace('"3"', '"3", "4"'), "classes has 5 entries for 4 outputs)"),
        (content, "model.pt2 is damaged, or of another model than model.json"),
    ):
        (damaged / "model.json").write_text(text)
        code, _, [line] = predicted("damaged", "x.npy")
        assert code == 2 and message in line
    code, _, [line] = predicted("nowhere", "x.npy")
    assert code == 2 and "nowhere: found no exported model, with model.json" in line
    code, _, [line] = predicted(model.parent, "x.npy")
    assert code == 2 and line.endswith(f"did you mean {model}?")


# --- numbers, and networks of one's own ---------------------------------------------------------


def table(folder: Path) -> tuple[str, np.ndarray]:
    """A file with two numbers to learn from a table of five columns, and the table."""
    x = np.random.default_rng(0).normal(3.0, 2.0, (400, 5)).astype(np.float32)
    y = np.stack([100 * x[:, 0] + 500, x[:, 1] - x[:, 2]], axis=1)
    np.savez(folder / "table.npz", x=x, y=y)
    return str(folder / "table.npz"), x


def imp_run(folder: Path, **settings: object) -> Stored:
    config = ImpConfig(**QUICK, **IMP, **settings)
    return stored_run(find_study("imp"), config, folder / "store")


def test_numbers_are_predicted_in_their_own_unit(predicted, tmp_path):
    file, x = table(tmp_path)
    stored = imp_run(tmp_path, data=file, task="regression", model="mlp", pad=0)
    exported(stored, tmp_path / "to", "--best")
    [folder] = (tmp_path / "to").iterdir()
    [row] = [row for row in stored.rows("models") if row["item"] == folder.name]
    found = about(folder)
    assert found["r2"] == row["r2"]
    assert found["measured again"]["test"]["root_mean_square"] == row["root_mean_square"]
    assert found["programs"][0]["output"] == {"name": "values", "shape": ["batch", 2]}
    wanted = network_of(folder)(torch.from_numpy(x))
    assert 300 < float(wanted[:, 0].mean()) < 1200
    code, lines, _ = predicted(folder, file, "--json")
    values = torch.tensor([json.loads(line)["values"] for line in lines])
    assert code == 0 and close(values, wanted, 1e-2)
    code, lines, _ = predicted(folder, file)
    assert lines[1] == f"{file}[1]: {values[1, 0]:.6g}, {values[1, 1]:.6g}"
    Image.new("L", (5, 5)).save(tmp_path / "5.png")
    code, _, [line] = predicted(folder, "5.png")
    assert code == 2 and "the model takes numbers of shape (5,), not pictures" in line


def test_a_network_whose_course_depends_on_values_is_predicted_with_by_its_code(
    predicted, tmp_path
):
    _, x = table(tmp_path)
    np.savez(tmp_path / "classes.npz", x=x, y=(x[:, 0] > 3).astype(int))
    settings = {"data": str(tmp_path / "classes.npz"), "pad": 0}
    stored = imp_run(tmp_path, model=f"{HERE}/branching_network.py:Branching", **settings)
    *files, line = exported(stored, tmp_path / "to", "--best")
    [folder] = (tmp_path / "to").iterdir()
    names = ["model.safetensors", "masks.safetensors", "model.json"]
    assert [Path(file).name for file in files] == names
    reason = "torch.export cannot follow it: its course depends on the values of its inputs"
    assert line == f"{folder}: model.pt2 is left out: {reason}"
    assert about(folder)["left out"] == {"model.pt2": reason}
    assert about(folder)["programs"] == []
    np.save(tmp_path / "x.npy", x)
    # A folder may come from anybody: the code that it names is not run by itself.
    code, _, said = predicted(folder, "x.npy")
    assert code == 2 and "code that a folder names" in said[-1]
    network = f"{HERE}/branching_network.py:Branching"
    code, lines, _ = predicted(folder, "x.npy", "--json", "--model", network)
    wanted = network_of(folder)(torch.from_numpy(x)).max(dim=1)
    found = [json.loads(line)["classes"][0] for line in lines]
    assert code == 0
    assert [int(each["class"]) for each in found] == wanted.indices.tolist()
    assert [each["probability"] for each in found] == pytest.approx(wanted.values.tolist())
