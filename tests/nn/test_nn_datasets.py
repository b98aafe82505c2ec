"""Data sets by name, their splits, and what is said when files are missing or damaged."""

import gzip
import struct

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset

from tasks.nn.data import DATASETS, Split, assemble, load_dataset, synthetic_images
from tasks.nn.data.arrays import arrays_dataset, read_npz
from tasks.nn.data.datasets import channel_statistics, split_rows, stratified_rows
from tasks.nn.data.idx import read_idx
from tasks.records import InputError

FASHION = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def idx_bytes(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.numpy().tobytes()


def random_bytes(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.fixture
def fashion_folder(tmp_path):
    """40 training and 10 test images in the published format, half of the files compressed."""
    for name, count in zip(FASHION, (40, 40, 10, 10), strict=True):
        is_labels = "labels" in name
        array = torch.arange(count).byte() % 10 if is_labels else random_bytes(count, 28, 28)
        content = idx_bytes(array)
        path = tmp_path / f"{name}-ubyte{'.gz' if is_labels else ''}"
        path.write_bytes(gzip.compress(content) if is_labels else content)
    return tmp_path


def write_cifar(folder, name, num_labels, names):
    folder.mkdir(parents=True)
    files = ["test_batch.bin", *(f"data_batch_{i}.bin" for i in range(1, 6))]
    files = files if name == "cifar10" else ["train.bin", "test.bin"]
    for number, file in enumerate(files):
        records = random_bytes(20, num_labels + 3072, seed=number)
        records[:, :num_labels] %= names
        (folder / file).write_bytes(records.numpy().tobytes())
    meta = "batches.meta.txt" if name == "cifar10" else "fine_label_names.txt"
    (folder / meta).write_text("\n".join(f"class{i}" for i in range(names)) + "\n")


# --- splits -----------------------------------------------------------------------------------


def test_digits_are_embedded():
    digits = load_dataset("digits")
    assert len(digits.train) + len(digits.validation) + len(digits.test) == 1797
    assert len(digits.test) == 359 and len(digits.validation) == round(0.1 * (1797 - 359))
    assert digits.shape == (1, 8, 8) and digits.num_classes == 10
    labels = torch.cat([digits.train.targets, digits.validation.targets, digits.test.targets])
    # Counts per class as published by the UCI repository for the test part.
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert int(digits.train.inputs.max()) == 255


def test_splits_partition_the_training_set():
    held_out, rest = split_rows(100, 0.3, seed=1)
    assert len(held_out) == 30
    assert sorted([*held_out.tolist(), *rest.tolist()]) == list(range(100))


def test_a_split_depends_on_its_seed_alone():
    first, again, other = (split_rows(100, 0.3, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_fewer_training_images_leave_validation_and_test_as_they_are():
    whole, part = load_dataset("digits"), load_dataset("digits", num_train=100)
    assert len(part.train) == 100
    assert torch.equal(part.train.inputs, whole.train.inputs[:100])
    assert torch.equal(part.validation.inputs, whole.validation.inputs)
    assert torch.equal(part.test.inputs, whole.test.inputs)


def test_normalized_training_images_have_mean_0_and_deviation_1():
    data = load_dataset("synthetic")
    inputs = data.normalized(data.train.inputs)
    assert inputs.dtype == torch.float32
    assert float(inputs.mean()) == pytest.approx(0, abs=1e-5)
    assert float(inputs.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_numbers_and_bytes_are_normalized_alike():
    data = load_dataset("synthetic")
    images = data.test.inputs
    assert torch.allclose(data.normalized(images / 255), data.normalized(images))


def test_statistics_are_per_channel_and_do_not_depend_on_the_order():
    images = random_bytes(50, 3, 4, 4)
    images[:, 1] = 7
    mean, std = channel_statistics(images)
    scaled = images.double() / 255
    assert torch.allclose(mean.double(), scaled.mean(dim=(0, 2, 3)), atol=1e-7)
    assert torch.allclose(std[[0, 2]].double(), scaled.std(dim=(0, 2, 3), correction=0)[[0, 2]])
    assert std[1] == pytest.approx(1e-3)  # constant: not blown up
    shuffled = channel_statistics(images[torch.randperm(50)])
    assert torch.equal(mean, shuffled[0]) and torch.equal(std, shuffled[1])


@pytest.mark.parametrize("share", [-0.1, 1.0, 0.999])
def test_a_split_without_training_images_is_refused(share):
    with pytest.raises(InputError, match="leaves none to train on"):
        split_rows(10, share, seed=0)


def test_labels_without_a_class_are_refused():
    split = Split(random_bytes(4, 1, 2, 2), torch.tensor([0, 1, 2, 3]))
    with pytest.raises(InputError, match=r"labels 0\.\.3 but only 3 classes"):
        assemble("x", split, split, ("a", "b", "c"))


def test_images_and_labels_of_different_numbers_are_refused():
    with pytest.raises(InputError, match="4 examples have 3 targets"):
        Split(random_bytes(4, 1, 2, 2), torch.tensor([0, 1, 2]))
    with pytest.raises(InputError, match="wanted are images uint8"):
        Split(torch.zeros(4, 1, 2, 2).half(), torch.zeros(4, dtype=torch.int64))


def test_synthetic_images_have_balanced_classes_and_a_seed():
    first, again = (synthetic_images(41, 4, (3, 8, 8), seed=1, part="train") for _ in range(2))
    assert torch.equal(first.inputs, again.inputs)
    assert first.targets.bincount().tolist() == [11, 10, 10, 10]
    test = synthetic_images(41, 4, (3, 8, 8), seed=1, part="test")
    assert not torch.equal(first.inputs, test.inputs)


# --- files ------------------------------------------------------------------------------------


def test_fashion_mnist_is_read_from_idx_files(fashion_folder):
    data = load_dataset("fashion-mnist", folder=fashion_folder, validation_share=0.25)
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 10, 10)
    assert data.shape == (1, 28, 28) and data.class_names[9] == "Ankle boot"
    assert torch.equal(data.test.inputs[:, 0], random_bytes(10, 28, 28))
    assert data.test.targets.tolist() == list(range(10))


def test_a_folder_is_found_by_the_environment(fashion_folder, monkeypatch):
    monkeypatch.setenv("LATTICEWORK_DATA", str(fashion_folder))
    assert len(load_dataset("fashion-mnist").test) == 10


@pytest.mark.parametrize(
    ("name", "num_labels", "names"), [("cifar10", 1, 10), ("cifar100", 2, 100)]
)
def test_cifar_is_read_from_its_binary_files(tmp_path, monkeypatch, name, num_labels, names):
    archive = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}[name]
    write_cifar(tmp_path / archive, name, num_labels, names)
    monkeypatch.setenv("LATTICEWORK_DATA", str(tmp_path))
    data = load_dataset(name, validation_share=0.0)
    num_train, test_seed = (100, 0) if name == "cifar10" else (20, 1)
    assert len(data.train) == num_train and data.shape == (3, 32, 32)
    records = random_bytes(20, num_labels + 3072, seed=test_seed)
    assert torch.equal(data.test.inputs.flatten(1), records[:, num_labels:])
    assert data.test.targets.tolist() == (records[:, num_labels - 1] % names).tolist()
    assert data.num_classes == names


# --- what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("fashion-mnist", "apt install dataset-fashion-mnist"),
        ("cifar10", "cifar-10-binary.tar.gz"),
        ("cifar100", "cifar-100-binary.tar.gz"),
        ("imagefolder", "train/<class>/"),
    ],
)
def test_missing_files_say_where_they_were_looked_for_and_how_to_get_them(tmp_path, name, remedy):
    with pytest.raises(InputError) as caught:
        load_dataset(name, folder=tmp_path / "nothing")
    assert str(tmp_path / "nothing") in str(caught.value) and remedy in str(caught.value)


def test_an_unknown_name_is_answered_with_those_that_exist():
    with pytest.raises(InputError, match="no data set is called 'mnist'") as caught:
        load_dataset("mnist")
    assert all(name in str(caught.value) for name in DATASETS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x0d\x01\0\0\0\0", "no IDX file"),
        (b"\0\0\x08\x03\0\0\0\x01", "ends within its header"),
        (b"\0\0\x08\x01\0\0\0\x03ab", "holds 2 bytes, its header says 3"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x03abc", mtime=0)[:-9], "cannot be read"),
        (gzip.compress(b"", mtime=0)[:10] + b"\xff" * 60, "cannot be read: .*; get it again"),
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path, content, reason):
    path = tmp_path / "x-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_a_cut_cifar_file_is_named(tmp_path):
    write_cifar(tmp_path / "x", "cifar100", 2, 100)
    path = tmp_path / "x" / "train.bin"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"train\.bin: .* no whole records of 3074"):
        load_dataset("cifar100", folder=tmp_path / "x")


# --- arrays of one's own ------------------------------------------------------------------------

X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
TEXTS = np.array(["a", "b"])[Y]


def classified(**arrays):
    return arrays_dataset("mine", arrays, task="classification")


def fitted(x, y, **arrays):
    return arrays_dataset("mine", {"x": x, "y": y, **arrays}, task="regression")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.where(Y == 0, 10**9, Y)}, "no example of class 0; number the classes from 0"),
        ({"y": np.where(Y == 0, 0, 10**12)}, "no example of class 1$"),
        ({"y": TEXTS, "classes": ["a", "c"]}, "has the class 'b', which classes does not name"),
        ({"y": TEXTS, "classes": ["a", "b", "c"]}, "no example of class c, which classes names"),
        ({"y": Y, "classes": ["a", "b", "c"]}, "no example of class c, which classes names"),
        ({"y": Y, "classes": ["a", "a"]}, "classes names 'a' twice"),
        ({"y": Y, "classes": np.array("ab")}, r"classes has shape \(\) .* wanted is a list"),
        ({"y": TEXTS, "x_val": X, "y_val": Y}, "y_val has numbers, y has texts"),
        ({"y": Y, "x_val": X, "y_val": TEXTS}, "y_val has texts, y has numbers"),
        ({"y": np.array([b"a", b"\xff"])[Y]}, "y has bytes that are not UTF-8"),
        ({"y": Y, "x": [[1.0], [1.0, 2.0]]}, "cannot be read as one array: rows of different"),
    ],
)
def test_classes_that_do_not_fit_are_refused_by_name(arrays, message):
    with pytest.raises(InputError, match=message) as caught:
        classified(**{"x": X, **arrays})
    assert "\n" not in str(caught.value)


def test_bytes_in_utf_8_name_classes():
    names = np.array(["ä".encode(), b"b"])
    assert classified(x=X, y=names[Y]).class_names == ("b", "ä")
    assert classified(x=X, y=TEXTS, classes=["b", "a"]).class_names == ("b", "a")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_val": X, "y_val": X[:, :1]}, "y_val has 1 targets each, y has 2"),
        ({"x_test": X, "y_test": X}, "y_test has 3 targets each, y has 2"),
        ({"classes": ["a", "b"]}, "has classes, but task=regression learns numbers"),
        ({"y": np.full(40, 2.5)}, "y does not vary: it is always 2.5"),
        ({"y": np.c_[X[:, 0], np.ones(40)]}, "y does not vary in column 1: it is always 1"),
    ],
)
def test_targets_that_do_not_fit_are_refused_by_name(arrays, message):
    with pytest.raises(InputError, match=message):
        fitted(**{"x": X, "y": X[:, :2], **arrays})


def test_a_task_is_one_of_two():
    with pytest.raises(InputError, match="unknown task 'regresion'; did you mean regression"):
        arrays_dataset("mine", (X, Y), task="regresion")


def test_damaged_archives_are_refused_in_one_line(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=X, y=Y)
    whole = path.read_bytes()
    damaged = [whole[:-300], whole[:100], b"PK", b"x, y\n1, 2\n", b""]
    for place in range(0, len(whole), 7):
        damaged.append(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            read_npz(str(path))
        except InputError as error:
            refused += 1
            assert "is not an .npz file of arrays" in str(error) and "\n" not in str(error)
            assert "pickle" not in str(error)
    assert refused > 0.8 * len(damaged)  # some bytes of a zip file, such as its dates, are idle


@pytest.mark.parametrize(("shift", "scale"), [(0, 1e-9), (0, 1e-40), (1e8, 1), (-1e6, 1e-4)])
def test_columns_and_targets_of_any_size_are_scaled(shift, scale):
    """They were called constant, or lost in single precision."""
    data = fitted(shift + scale * X, shift + scale * X[:, :1])
    inputs, targets = data.normalized(data.train.inputs), data.wanted(data.train.targets)
    assert inputs.dtype == targets.dtype == torch.float32
    for found in (inputs, targets):
        # 1e-5: float64 resolves 1e6 to 1e-10, which is 1e-6 of 1e-4.
        assert float(found.mean(0).abs().max()) < 1e-5
        assert torch.allclose(found.std(0, correction=0), torch.ones(found.shape[1]), atol=1e-5)
    exact = (data.train.inputs[:, :1].double() - data.mean[:1]) / data.std[:1]
    assert torch.allclose(inputs[:, 0], targets[:, 0], atol=1e-5)
    assert torch.allclose(exact.float(), targets, atol=1e-5)
    values = (shift + scale * X).mean(0)
    assert np.allclose(data.mean.double().numpy(), values, atol=scale)  # in the user's unit


def test_plain_numbers_stay_in_single_precision():
    data = fitted(X, X[:, 0])
    assert data.train.inputs.dtype == data.train.targets.dtype == data.mean.dtype == torch.float32
    close = 1 + 1e-6 * X[:5]  # of the training examples alone it is asked how they vary
    data = fitted(X, X[:, 0], x_val=close, y_val=close[:, 0])
    assert data.validation.inputs.dtype == data.validation.targets.dtype == torch.float32


def test_constant_columns_are_said_once_and_not_blown_up(caplog):
    x = np.c_[X, np.full(40, 0.1), np.full(40, 1e8) + np.arange(40) % 2 * 1e-8]
    data = fitted(x, X[:, 0])
    assert caplog.text.count("x has 2 constant columns, the first is number 3") == 1
    assert float(data.normalized(data.train.inputs)[:, 3:].abs().max()) < 1e-6


def test_every_class_with_two_examples_stays_in_training():
    labels = torch.tensor([0] * 60 + [1] * 20 + [2] * 2 + [3])
    for seed in range(20):
        held, rest = stratified_rows(labels, 0.2, seed)
        assert sorted([*held.tolist(), *rest.tolist()]) == list(range(83))
        counts = labels[held].bincount(minlength=4).tolist()
        assert len(held) == 17 and counts[:2] in ([12, 4], [12, 5], [13, 4]) and counts[3] == 0
        assert labels[rest].unique().tolist() == [0, 1, 2, 3]
    again, other = (stratified_rows(labels, 0.2, seed)[0] for seed in (19, 18))
    assert torch.equal(held, again) and not torch.equal(held, other)


def test_many_small_classes_are_all_learned():
    y = np.arange(400) % 200
    data = classified(x=np.random.default_rng(1).normal(size=(400, 3)), y=y)
    assert len(data.train.targets.unique()) == 200
    assert (len(data.test), len(data.validation)) == (80, 32)


def test_whole_numbers_of_16_bits_in_any_byte_order_are_pictures():
    values = np.random.default_rng(0).integers(0, 2**15, (40, 4, 5))
    plain = classified(x=values.astype(np.uint16), y=Y)
    for kind in (">u2", ">i2", "<i2"):
        data = classified(x=values.astype(kind), y=Y.astype(">i8"))
        assert torch.equal(data.train.inputs, plain.train.inputs) and data.shape == (1, 4, 5)
    signed = classified(x=(values - 2**14).astype(">i2"), y=Y)
    assert signed.shape == (4, 5) and float(signed.train.inputs.min()) < -1000
    with pytest.raises(InputError, match="x_val has numbers, x has 16-bit pictures"):
        classified(x=values.astype("i2"), y=Y, x_val=-values.astype("i2"), y_val=Y)


# --- loaders ------------------------------------------------------------------------------------


class Pairs(Dataset):
    def __init__(self, make, count=40):
        self.make, self.count = make, count

    def __len__(self):
        return self.count

    def __getitem__(self, row):
        return self.make(row)


class Stream(IterableDataset):
    def __iter__(self):
        return ((X[row], TEXTS[row]) for row in range(40))


def failing(row):
    raise RuntimeError(f"no row {row}\nsecond line")


def loaded(part, **more):
    return arrays_dataset("mine", {"train": part, **more}, task="classification")


def test_pictures_streams_and_tensors_of_any_layout_are_read():
    gray = Pairs(lambda row: (Image.new("L", (5, 4), row), int(Y[row])))
    assert loaded(gray).shape == (1, 4, 5) and loaded(gray).has_pictures
    palette = Pairs(lambda row: (Image.new("RGB", (5, 4), (row, 0, 0)).convert("P"), int(Y[row])))
    assert loaded(palette).shape == (3, 4, 5)
    plain = classified(x=X, y=TEXTS)
    for part in (Stream(), DataLoader(Stream(), 7), DataLoader(Stream(), batch_size=None)):
        assert torch.equal(loaded(part).train.inputs, plain.train.inputs)
    rows = torch.from_numpy(X).float().round()
    plain = loaded((rows, Y)).train.inputs
    for given in (rows.to_sparse(), rows.bfloat16(), list(rows), rows.requires_grad_()):
        assert torch.equal(loaded((given, Y)).train.inputs, plain)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Pairs(failing), "data mine: train failed: RuntimeError: no row 0$"),
        (DataLoader(Pairs(failing), 4), "data mine: train failed: RuntimeError: no row 0$"),
        (Pairs(lambda row: (np.zeros(2 + row % 2), 0)), r"of shapes \(2,\) and \(3,\); wanted"),
        (DataLoader(Pairs(lambda row: (Image.new("L", (2, 2)), 0)), 4), "failed: TypeError"),
        (Pairs(lambda row: 3), "wanted are pairs of inputs and targets"),
        (Pairs(failing, count=0), "train is empty"),
        (Dataset(), "data mine: train failed: TypeError"),
    ],
)
def test_loaders_that_fail_are_refused_in_one_line(part, message):
    with pytest.raises(InputError, match=message) as caught:
        loaded(part)
    assert "\n" not in str(caught.value)


def test_a_part_with_two_names_is_refused():
    with pytest.raises(InputError, match="val and validation, which mean the same"):
        loaded((X, Y), val=(X, Y), validation=(X, Y))
    assert len(loaded((X, Y), val=None, validation=(X, Y)).validation) == 40
