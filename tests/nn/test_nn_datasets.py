"""Data sets by name, their splits, and what is said when files are missing or damaged."""

import gzip
import struct

import pytest
import torch

from tasks.nn.data import DATASETS, Split, assemble, load_dataset, synthetic_images
from tasks.nn.data.datasets import channel_statistics, split_rows
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
