"""Networks, data and weights of one's own: what is read, and what is refused in one line."""

import os
import sys

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tasks.nn import ImageTrainingConfig, Workbench, fit
from tasks.nn.data.arrays import arrays_dataset, read_npz
from tasks.nn.data.own import load_own
from tasks.nn.models.own import build_own
from tasks.nn.objectives import fitness
from tasks.nn.plan import check_training, data_inputs
from tasks.nn.starts import read_start, read_state
from tasks.records import InputError, derive_seed

NETS = """
import random
import numpy, torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))).mean((2, 3)))

def table(shape, num_outputs):
    return nn.Sequential(nn.Linear(shape[0], 16), nn.ReLU(), nn.Linear(16, num_outputs))

def squeezed(in_features):
    return nn.Sequential(nn.Linear(in_features, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))

def drawn():
    model = nn.Linear(2, 2)
    model.bias.data[:] = torch.tensor([numpy.random.rand(), random.random()])
    return model

def keywords(**given):
    assert set(given) == {"num_classes"}
    return nn.Linear(4, given["num_classes"])

def failing(num_classes):
    raise ValueError("no weights today\\nsecond line")

def no_module():
    return 3

def no_parameters():
    return nn.ReLU()

def needing(width, depth):
    return nn.Linear(width, depth)

def lazy(num_classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(num_classes))

shared = nn.Linear(2, 2)

def same():
    return shared

def frozen(num_classes):
    return nn.Linear(4, num_classes).requires_grad_(False)

def leaving():
    raise SystemExit(3)

class Stateful(nn.Linear):
    def get_extra_state(self):
        return {"a": 1}

    def set_extra_state(self, state):
        pass

def stateful():
    return Stateful(4, 4)

def batches(shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[1] * shape[2], 8),
                         nn.BatchNorm1d(8, track_running_stats=False), nn.Linear(8, num_classes))

constant = 4
x = numpy.arange(40.0).reshape(20, 2)

def arrays():
    return {"x": x, "y": numpy.arange(20) % 2}

class Broken(torch.utils.data.Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, row):
        raise OSError("disk is gone\\nsecond line")

def broken():
    return {"train": Broken()}

def changing():
    return {"x": x + numpy.random.rand(), "y": numpy.arange(20) % 2}
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lwown_nn.py").write_text(NETS)
    yield tmp_path
    sys.modules.pop("lwown_nn", None)


def pictures(count=40, seed=0, classes=2):
    random = np.random.default_rng(seed)
    y = np.arange(count) % classes
    x = random.integers(0, 100, (count, 6, 5)) + 100 * y[:, None, None]
    return x.astype(np.uint8), y


def numbers(count=200, seed=0, columns=4):
    random = np.random.default_rng(seed)
    x = random.normal(5.0, 3.0, (count, columns))
    return x, 100 * x[:, 0] - 20 * x[:, 1] + 7


# --- arrays -------------------------------------------------------------------------------------


def test_arrays_are_split_by_what_they_hold():
    x, y = pictures()
    data = arrays_dataset("mine", {"x": x, "y": y}, task="classification")
    assert (len(data.train), len(data.validation), len(data.test)) == (29, 3, 8)
    assert data.shape == (1, 6, 5) and data.class_names == ("0", "1") and data.has_pictures
    again = arrays_dataset(
        "mine", {"x": x, "y": y, "x_test": x, "y_test": y}, task="classification"
    )
    assert torch.equal(again.test.inputs[:, 0], torch.from_numpy(x))
    assert len(again.train) == 36
    whole = {"x": x, "y": y, "x_test": x, "y_test": y, "x_val": x, "y_val": y}
    assert len(arrays_dataset("mine", whole, task="classification").train) == 40


def test_channels_come_first_and_the_full_range_of_16_bits_is_read(caplog):
    x, y = pictures()
    color = np.repeat(x[..., None], 3, axis=3)
    data = arrays_dataset("mine", (color, y), task="classification")
    assert data.shape == (3, 6, 5)
    deep = arrays_dataset("mine", (x.astype(np.uint16) * 257, y), task="classification")
    plain = arrays_dataset("mine", (x, y), task="classification")
    assert "16-bit pictures" in caplog.text and not deep.has_pictures
    torch.testing.assert_close(
        deep.normalized(deep.train.inputs), plain.normalized(plain.train.inputs)
    )


def test_tables_are_scaled_by_column_and_targets_too():
    x, y = numbers()
    x[:, 3] = 2.5
    data = arrays_dataset("mine", {"x": x, "y": y}, task="regression")
    inputs = data.normalized(data.train.inputs).double()
    torch.testing.assert_close(inputs.mean(0), torch.zeros(4).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        inputs.std(0, correction=0), torch.tensor([1.0, 1, 1, 0]).double(), atol=1e-6, rtol=0
    )
    targets = data.wanted(data.train.targets)
    assert targets.shape == (144, 1) and abs(float(targets.std(correction=0)) - 1) < 1e-5
    torch.testing.assert_close(data.target_scale.undone(targets), data.train.targets)


def test_texts_name_classes():
    data = arrays_dataset(
        "mine",
        {"x": np.eye(30, 3), "y": np.array(["cat", "ant", "bee"] * 10)},
        task="classification",
    )
    assert data.class_names == ("ant", "bee", "cat")
    named = {"x": np.eye(30, 3), "y": np.arange(30) % 2, "classes": ["no", "yes"]}
    assert arrays_dataset("mine", named, task="classification").class_names == ("no", "yes")


def test_loaders_and_data_sets_of_pairs_are_read():
    x, y = torch.randn(40, 3), torch.arange(40) % 2
    pairs = TensorDataset(x, y)
    plain = arrays_dataset("mine", (x, y), task="classification")
    for part in (DataLoader(pairs, 7), pairs, (x, y)):
        data = arrays_dataset("mine", {"train": part, "test": part}, task="classification")
        assert torch.equal(data.test.inputs, x) and torch.equal(data.test.targets, y)
    assert len(plain.train) + len(plain.validation) + len(plain.test) == 40


X, Y = np.zeros((20, 3)), np.arange(20) % 2
INFINITE = np.where(np.arange(60).reshape(20, 3) == 7, np.inf, 0.0)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"x": X}, "mine has no array y; it has x"),
        ({"x": X, "y": Y, "x_valid": X}, "unknown array 'x_valid'; did you mean x_val?"),
        ({"x": X, "y": Y, "x_val": X}, "x_val and y_val belong together"),
        ({"x": X, "y": Y[:19]}, "x has 20 rows and y has 19"),
        ({"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y}, "examples of x_test have shape"),
        ({"x": X[:, 0], "y": Y}, "one row for each example"),
        ({"x": X[:0], "y": Y[:0]}, "x is empty"),
        ({"x": X + 1j, "y": Y}, "x has type complex128; wanted are real numbers"),
        ({"x": INFINITE, "y": Y}, r"1 entries that are not finite, the first at \(2, 1\)"),
        ({"x": X, "y": np.zeros(20, int)}, "y has one class"),
        ({"x": X, "y": Y + 1}, "no example of class 0; number the classes from 0"),
        ({"x": X, "y": 2 * Y}, "y has no example of class 1"),
        ({"x": X, "y": Y - 1}, "y has the class -1"),
        ({"x": X, "y": Y, "x_test": X, "y_test": Y + 1}, "y_test has the class 2; known are 0"),
        ({"x": X, "y": Y / 2}, "wanted are whole numbers of classes"),
        ({"x": X, "y": np.eye(20)}, r"classes are wanted as \(N,\)"),
        ({"x": X[:3], "y": Y[:3]}, "too few to hold any out"),
        ({"x": X, "y": Y, "classes": ["a"]}, "y has 2 classes, classes names 1"),
        ({"x": X, "y": np.array(["a", "b"] * 10), "x_test": X, "y_test": np.array(["c"] * 20)},
         "y_test has the class 'c', which the training data lack"),
        (3, "gives int; wanted are arrays by name"),
        ({"train": 3}, "train is int; wanted is a DataLoader"),
        ({"train": (X, Y), "dev": (X, Y)}, "unknown part 'dev'"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused_by_name(found, message):
    with pytest.raises(InputError, match=message) as caught:
        arrays_dataset("mine", found, task="classification")
    assert "\n" not in str(caught.value)


def test_files_that_hold_no_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "objects.npz", x=np.array([{}, {}], dtype=object), y=np.zeros(2))
    (tmp_path / "text.npz").write_text("x, y\n")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "single.npz", np.zeros(3))
    for name in ("objects", "text", "empty"):
        with pytest.raises(InputError, match=rf"{name}\.npz is not an \.npz file of arrays"):
            read_npz(str(tmp_path / f"{name}.npz"))
    with pytest.raises(InputError, match="the file does not exist"):
        read_npz(str(tmp_path / "missing.npz"))
    with pytest.raises(InputError, match="the folder does not exist; wanted is"):
        load_own(str(tmp_path / "missing"))


# --- networks -----------------------------------------------------------------------------------


def test_factories_get_the_arguments_that_they_name(nets):
    model = build_own("lwown_nn:Net", (3, 8, 8), 5, seed=0)
    assert model.conv.in_channels == 3 and model.head.out_features == 5
    assert build_own("lwown_nn:table", (7,), 2, seed=0)[0].in_features == 7
    assert build_own("lwown_nn:keywords", (4,), 6, seed=0).out_features == 6


def test_random_numbers_of_a_factory_depend_on_the_seed_alone(nets):
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    first, again = (build_own("lwown_nn:drawn", (2,), 2, seed=1) for _ in range(2))
    assert torch.equal(torch.rand(1), before)
    other = build_own("lwown_nn:drawn", (2,), 2, seed=2)
    for one, two in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(first.bias, other.bias)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("failing", "failed: ValueError: no weights today$"),
        ("no_module", "returned int; wanted is a torch.nn.Module"),
        ("no_parameters", "has no parameters"),
        ("needing", "needs width, depth; a factory gets num_classes"),
        ("constant", "is int, which cannot be called"),
        ("frozen", "has frozen all its parameters"),
        ("leaving", "failed: SystemExit: 3"),
        ("stateful", "keeps _extra_state, which is not a tensor"),
    ],
)
def test_factories_that_give_no_network_are_refused(nets, name, message):
    with pytest.raises(InputError, match=message):
        build_own(f"lwown_nn:{name}", (3, 8, 8), 5, seed=0)


def config(nets, **changes):
    x, y = pictures()
    np.savez(nets / "data.npz", x=x, y=y)
    values = {"data": "data.npz", "model": "lwown_nn:Net", "batch_size": 8, "epochs": 2}
    return ImageTrainingConfig(**{**values, **changes})


def test_what_does_not_fit_together_is_refused_before_anything_runs(nets, monkeypatch):
    check_training(config(nets))
    with pytest.raises(InputError, match=r"Sequential fails on inputs of shape \(2, 1, 6, 5\)"):
        check_training(config(nets, model="lwown_nn:table"))
    x, y = numbers()
    np.savez(nets / "table.npz", x=x, y=y)
    np.savez(nets / "two.npz", x=x, y=np.stack([y, -y], axis=1))
    table = {"data": "table.npz", "task": "regression", "model": "lwown_nn:squeezed"}
    check_training(config(nets, **table))
    with pytest.raises(
        InputError, match=r"is of shape \(2,\); wanted are numbers of shape \(2, 2\)"
    ):
        check_training(config(nets, **{**table, "data": "two.npz"}))
    with pytest.raises(InputError, match=r"wanted are logits of shape \(2, 2\)"):
        check_training(config(nets, data="lwown_nn:arrays", model="lwown_nn:squeezed"))
    with pytest.raises(InputError, match="small-cnn takes images, not examples of shape"):
        check_training(config(nets, **{**table, "model": "small-cnn"}))
    with pytest.raises(InputError, match="flip mirrors pictures"):
        check_training(config(nets, **table, flip=True))
    with pytest.raises(ValueError, match="unknown model 'smal-cnn'; did you mean small-cnn"):
        config(nets, model="smal-cnn")
    with pytest.raises(ValueError, match="task regression needs data of your own"):
        ImageTrainingConfig(task="regression")


def test_lazy_layers_get_their_sizes_from_the_data_and_depend_on_the_seed(nets):
    bench = Workbench.open(config(nets, model="lwown_nn:lazy"))
    bench.check_network()
    first, again, other = (bench.new_model(k)[1].weight for k in (0, 0, 1))
    assert first.shape == (8, 30) and torch.equal(first, again) and not torch.equal(first, other)


def test_a_function_that_returns_one_network_again_and_again_is_refused(nets):
    data = config(nets, data="lwown_nn:arrays", model="lwown_nn:same")
    with pytest.raises(InputError, match="returns the same parameters every time"):
        check_training(data)


def test_multiplications_of_networks_that_normalize_by_batches_are_counted(nets):
    from tasks.nn.sparsity import count_multiplications

    model = Workbench.open(config(nets, model="lwown_nn:batches")).new_model(0)
    assert count_multiplications(model, (1, 6, 5)).dense == 30 * 8 + 8 * 2


def test_data_and_a_data_folder_are_not_given_together(nets):
    with pytest.raises(ValueError, match="data names its own place"):
        config(nets, data_folder="pictures")


def test_a_device_that_is_not_there_is_refused_at_once(nets):
    from gpu.backend import cuda_problem

    if cuda_problem():
        with pytest.raises(InputError, match="device=cuda cannot be used here"):
            check_training(config(nets, device="cuda"), "local")
        check_training(config(nets, device="cuda"), "head:6379")


# --- identity -----------------------------------------------------------------------------------


def test_content_names_the_run_and_places_do_not(nets, tmp_path_factory, monkeypatch):
    first = data_inputs(config(nets))
    assert set(first.contents) == {"data.npz", "model"}
    known = {"data": "data.npz", "dataset": "digits"}
    assert first.settings == {"model": "lwown_nn:Net", **known}
    other = tmp_path_factory.mktemp("other")
    (other / "lwown_nn.py").write_text(NETS)
    (other / "data.npz").write_bytes((nets / "data.npz").read_bytes())
    moved = config(nets, data=str(other / "data.npz"), model=f"{other}/lwown_nn.py:Net")
    again = data_inputs(moved)
    assert again.settings == {"model": "lwown_nn.py:Net", **known}
    assert again.contents["data.npz"] == first.contents["data.npz"]
    (nets / "lwown_nn.py").write_text(NETS.replace("8, 3, padding", "8, 5, padding"))
    assert data_inputs(config(nets)).contents["model"] != first.contents["model"]
    x, y = pictures(seed=1)
    np.savez(nets / "data.npz", x=x, y=y)
    os.utime(nets / "data.npz", ns=(1, 1))  # the clock of files is coarse
    changed = ImageTrainingConfig(data="data.npz", model="lwown_nn:Net")
    assert data_inputs(changed).contents["data.npz"] != first.contents["data.npz"]


def test_a_function_that_returns_other_data_each_time_is_refused(nets):
    changing = config(nets, data="lwown_nn:changing", model="lwown_nn:drawn")
    [network, data] = data_inputs(changing).code
    for code in (network, data):
        code.install()
    from tasks.nn.workbench import _loaded

    _loaded.cache_clear()
    with pytest.raises(InputError, match="does not return the same every time"):
        Workbench.open(changing)


def test_data_that_fail_while_they_are_read_are_named(nets):
    with pytest.raises(InputError, match="data lwown_nn:broken: train failed: OSError: disk is"):
        load_own("lwown_nn:broken")


# --- weights ------------------------------------------------------------------------------------


def saved(nets, change=lambda state: state, name="start.pt"):
    model = build_own("lwown_nn:Net", (1, 6, 5), 2, seed=9)
    state = change(dict(model.state_dict()))
    if name.endswith(".safetensors"):
        safetensors.torch.save_file(state, nets / name)
    else:
        torch.save(state, nets / name)
    return str(nets / name), model


FORMS = {
    "plain": lambda state: state,
    "prefix": lambda state: {f"module.{name}": value for name, value in state.items()},
    "prefixes": lambda state: {f"module._orig_mod.{name}": v for name, v in state.items()},
    "lightning": lambda state: {"state_dict": state, "epoch": 3},
}


@pytest.mark.parametrize(
    ("form", "name"),
    [(form, name) for form in FORMS for name in ("start.pt", "start.pth", "start.safetensors")
     if form != "lightning" or not name.endswith("safetensors")],
)  # fmt: skip
def test_state_dicts_are_found_in_their_usual_forms(nets, form, name):
    change = FORMS[form]
    file, model = saved(nets, change, name)
    bench = Workbench.open(config(nets, checkpoint=file, mean=(0.0,), deviation=(1.0,)))
    for replicate in range(2):
        found = bench.new_model(replicate).state_dict()
        assert all(torch.equal(found[key], value) for key, value in model.state_dict().items())


def test_weights_want_to_know_their_normalization(nets):
    file, _ = saved(nets)
    with pytest.raises(InputError, match="does not say how its inputs were normalized"):
        Workbench.open(config(nets, checkpoint=file))
    bench = Workbench.open(config(nets, checkpoint=file, mean=(0.25,), deviation=(0.5,)))
    ones = torch.full((1, 1, 6, 5), 255, dtype=torch.uint8)
    assert torch.equal(bench.dataset.normalized(ones), torch.full((1, 1, 6, 5), 1.5))
    with pytest.raises(InputError, match="mean has 2 numbers; wanted are 1 or 1"):
        Workbench.open(config(nets, checkpoint=file, mean=(0.0, 0.0), deviation=(1.0, 1.0)))


def poisoned(state):
    state["head.bias"][1] = float("nan")
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {**s, "head.weight": torch.zeros(3, 8)},
         r"head.weight has shape \(3, 8\) in .*start.pt, the model has \(2, 8\)"),
        (lambda s: {k: v for k, v in s.items() if k != "norm.bias"}, "norm.bias is missing from"),
        (lambda s: {**s, "tail.weight": torch.zeros(1)}, "tail.weight is not wanted but in"),
        (poisoned, "head.bias has entries that are not finite"),
        (lambda _: nn.Linear(2, 2), "a pickle with more than tensors"),
        (lambda _: [torch.zeros(2)], "is not a state dict"),
        (lambda s: {**s, "epoch": 3}, "epoch is int; its entries are conv.weight"),
        (lambda s: {**s, "head.bias": s["head.bias"] + 0j}, "head.bias has type torch.complex64"),
        (lambda s: {**s, "head.bias": torch.zeros(2).long()}, "head.bias has type torch.int64"),
        (lambda s: {**s, "head.bias": torch.zeros(2).to_sparse()}, "head.bias is torch.sp"),
        (lambda _: {}, "is not a state dict"),
    ],
    ids=range(11),
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused_by_name(nets, change, message):
    file, _ = saved(nets)
    state = change(torch.load(file))
    torch.save(state, file)
    with pytest.raises(InputError, match=message) as caught:
        check_training(config(nets, checkpoint=file, mean=(0.0,), deviation=(1.0,)))
    assert "\n" not in str(caught.value)


def test_files_that_hold_no_weights_are_refused(nets):
    (nets / "text.pt").write_text("weights")
    (nets / "text.safetensors").write_text("weights")
    (nets / "zero.pt").write_bytes(b"")
    (nets / "weights.tar").write_bytes(b"")
    (nets / "folder").mkdir()
    safetensors.torch.save_file({"a": torch.zeros(1)}, nets / "folder" / "model.safetensors")
    with pytest.raises(InputError, match="it is damaged, or not of"):
        read_state(str(nets / "zero.pt"))
    with pytest.raises(InputError, match="has an ending that is not known"):
        read_start(str(nets / "weights.tar"))
    with pytest.raises(InputError, match="has no model"):
        read_start(str(nets / "folder"))
    (nets / "folder" / "model.json").write_text("[]")
    with pytest.raises(InputError, match="it holds no object"):
        read_start(str(nets / "folder"))
    with pytest.raises(InputError, match="cannot be read"):
        read_state(str(nets / "text.pt"))
    with pytest.raises(InputError, match="is damaged or no safetensors"):
        read_state(str(nets / "text.safetensors"))
    for missing in ("missing.pt", "missing.safetensors", "missing"):
        with pytest.raises(InputError, match="the file does not exist"):
            read_start(str(nets / missing))


# --- regression ---------------------------------------------------------------------------------


def test_fitness_is_that_of_scikit_learn_s_definition():
    values = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 60.0]]).double()
    data = arrays_dataset(
        "mine", {"x": np.eye(20), "y": np.arange(40.0).reshape(20, 2)}, task="regression"
    )
    scale = data.target_scale
    perfect = fitness(scale.applied(values), values, scale)
    assert perfect.r2 == pytest.approx(1, abs=1e-6)
    assert perfect.root_mean_square == pytest.approx(0, abs=1e-4)
    mean = fitness(scale.applied(values.mean(0).expand(3, 2)), values, scale)
    assert mean.r2 == pytest.approx(0, abs=1e-6)
    # By hand: predictions 2 and 30 with squares of errors 2 and 1400.
    assert mean.root_mean_square == pytest.approx(((2 + 1400) / 6) ** 0.5, rel=1e-5)
    constant = fitness(torch.zeros(3, 2).double(), torch.ones(3, 2).double(), scale)
    assert constant.r2 == 0


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-9, 0.0), (1.0, 1e8)])
def test_a_table_of_numbers_is_learned(nets, scale, shift):
    x, y = (scale * values + shift for values in numbers(400))
    np.savez(nets / "table.npz", x=x, y=y)
    bench = Workbench.open(config(
        nets, data="table.npz", task="regression", model="lwown_nn:table", batch_size=20,
        epochs=20, learning_rate=0.05,
    ))  # fmt: skip
    model = bench.new_model(0)
    steps = bench.num_steps(20)
    seed = derive_seed(0, "test")
    state = bench.state(model, bench.dense_schedule(steps), seed)
    fit(state, bench.batches(seed), bench.objective.of_model, bench.fit_plan(steps))
    found = bench.measure(model)
    assert found.test.r2 > 0.98 and found.ood_accuracy is None
    assert found.test.root_mean_square < 0.2 * y.std()
    assert set(found.columns()) == {
        "r2", "root_mean_square", "loss", "validation_r2", "validation_loss", "ood_accuracy"
    }  # fmt: skip


def test_a_workbench_takes_any_network_and_loaders(nets):
    x, y = torch.randn(60, 4), torch.arange(60) % 3
    data = arrays_dataset("mine", {"train": DataLoader(TensorDataset(x, y), 10)},
                          task="classification")  # fmt: skip
    bench = Workbench.of(ImageTrainingConfig(batch_size=8), data, network=lambda: nn.Linear(4, 3))
    first, again, other = bench.new_model(0), bench.new_model(0), bench.new_model(1)
    assert torch.equal(first.weight, again.weight) and not torch.equal(first.weight, other.weight)
    bench.check_network()
    assert 0 <= bench.measure(first).test.accuracy <= 1
