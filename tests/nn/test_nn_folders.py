"""Folders of pictures: their classes, the order of their rows, and the file of decoded bytes."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from tasks.nn.data import load_dataset
from tasks.nn.data.datasets import split_rows
from tasks.nn.data.own import source_stamp
from tasks.nn.data.pictures import read_picture
from tasks.records import InputError


def write_picture(path, color, size=(20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


@pytest.fixture
def picture_folder(tmp_path):
    for part, count in (("train", 10), ("val", 2)):
        for label, color in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
            for number in range(count):
                write_picture(tmp_path / part / label / f"{number}.png", color)
    return tmp_path


def test_pictures_are_read_from_folders(picture_folder):
    data = load_dataset("imagefolder", folder=picture_folder, size=8)
    assert data.class_names == ("blue", "red") and data.shape == (3, 8, 8)
    assert (len(data.train), len(data.validation), len(data.test)) == (18, 2, 4)
    for image, label in zip(data.test.inputs, data.test.targets, strict=True):
        assert image[:, 4, 4].tolist() == ([0, 0, 255] if label == 0 else [255, 0, 0])


def test_decoded_pictures_are_kept_and_noticed_when_they_change(picture_folder, tmp_path):
    cache = tmp_path / "cache"
    options = {"folder": picture_folder, "size": 8, "cache": cache}
    first = load_dataset("imagefolder", **options)
    files = set(cache.iterdir())
    assert torch.equal(load_dataset("imagefolder", **options).train.inputs, first.train.inputs)
    assert set(cache.iterdir()) == files and len(files) == 3
    write_picture(picture_folder / "val" / "red" / "0.png", (255, 255, 0), size=(40, 40))
    changed = load_dataset("imagefolder", **options).test
    assert sorted(changed.inputs[:, :, 0, 0].tolist())[-1] == [255, 255, 0]


def test_tiny_imagenet_names_its_validation_classes_in_a_file(picture_folder):
    folder = picture_folder / "val"
    for name, color in (("a.png", (255, 0, 0)), ("b.png", (0, 0, 255))):
        write_picture(folder / "images" / name, color)
    (folder / "val_annotations.txt").write_text("a.png\tred\t0\t0\nb.png\tblue\t0\t0\n")
    data = load_dataset("imagefolder", folder=picture_folder, size=8)
    assert sorted(data.test.targets.tolist()) == [0, 1]
    assert torch.equal(data.test.inputs[:, 0, 0, 0], 255 * data.test.targets.byte())


def test_a_damaged_picture_is_named(picture_folder):
    path = picture_folder / "train" / "red" / "3.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"3\.png: cannot be read as a picture"):
        load_dataset("imagefolder", folder=picture_folder, size=8)


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "val" / "a").mkdir(parents=True)
    with pytest.raises(InputError, match="no pictures found"):
        load_dataset("imagefolder", folder=tmp_path)


def test_a_line_that_names_no_class_is_named(picture_folder):
    write_picture(picture_folder / "val" / "images" / "a.png", (255, 0, 0))
    annotations = picture_folder / "val" / "val_annotations.txt"
    annotations.write_text("\na.png\tred\t0\t0\n\n")
    data = load_dataset("imagefolder", folder=picture_folder, size=8)
    assert data.test.targets.tolist() == [1]
    annotations.write_text("a.png\tred\nb.png red\n")
    with pytest.raises(InputError, match=r"val_annotations\.txt: line 2 names no class"):
        load_dataset("imagefolder", folder=picture_folder, size=8)


def test_the_first_test_pictures_are_of_all_classes_and_the_order_is_fixed(tmp_path):
    for name, color in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
        write_picture(tmp_path / "train" / name / "0.png", color)
        for number in range(20):
            write_picture(tmp_path / "val" / name / f"{number}.png", color)
    options = {"folder": tmp_path, "size": 8, "validation_share": 0.0}
    first, again = (load_dataset("imagefolder", **options).test for _ in range(2))
    assert first.targets.bincount().tolist() == [20, 20]
    assert first.targets[:10].unique().tolist() == [0, 1]
    assert torch.equal(first.targets, again.targets)
    assert torch.equal(first.inputs[:, 0, 4, 4] == 255, first.targets == 1)


def mapped(tensor):
    """Whether a tensor's memory is that of a file of decoded pictures."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in lines if line.endswith(".bytes")]
    place = tensor.data_ptr()
    return any(int(low, 16) <= place < int(high, 16) for low, high in spans)


def test_all_parts_of_decoded_pictures_stay_in_their_files(picture_folder, tmp_path):
    """Training and validation images were copied into memory."""
    options = {"folder": picture_folder, "size": 8, "num_train": 12}
    plain = load_dataset("imagefolder", **options)
    data = load_dataset("imagefolder", cache=tmp_path / "cache", **options).to("cpu")
    assert len(data.train) == 12
    for name in ("train", "validation", "test"):
        part = getattr(data, name)
        assert mapped(part.inputs) and not mapped(getattr(plain, name).inputs)
        assert torch.equal(part.inputs, getattr(plain, name).inputs)
        assert torch.equal(part.targets, getattr(plain, name).targets)


def test_pictures_are_held_out_by_the_same_split_as_all_images(picture_folder):
    held_out, rest = split_rows(20, 0.3, seed=5)
    options = {"validation_share": 0.3, "split_seed": 5}
    data = load_dataset("imagefolder", folder=picture_folder, size=8, **options)
    by_class = torch.tensor([0] * 10 + [1] * 10)
    assert torch.equal(data.validation.targets, by_class[held_out])
    assert torch.equal(data.train.targets, by_class[rest])


def test_a_few_pictures_may_leave_none_for_validation(picture_folder):
    data = load_dataset("imagefolder", folder=picture_folder, size=8, validation_share=0.0)
    assert len(data.validation) == 0 and len(data.train) == 20


def load(folder, **options):
    return load_dataset("imagefolder", folder=folder, size=8, **options)


def test_hidden_folders_and_files_are_no_classes_and_no_pictures(picture_folder, caplog):
    plain = load(picture_folder)
    write_picture(picture_folder / "train" / ".ipynb_checkpoints" / "0.png", (0, 255, 0))
    (picture_folder / "train" / "red" / "._0.png").write_bytes(b"resource fork")
    data = load(picture_folder)
    assert data.class_names == ("blue", "red")
    assert torch.equal(data.train.inputs, plain.train.inputs)
    assert "hidden folders are passed over: .ipynb_checkpoints" in caplog.text


def test_one_class_is_refused(tmp_path):
    for part in ("train", "val"):
        write_picture(tmp_path / part / "cat" / "0.png", (9, 9, 9))
    with pytest.raises(InputError, match="train has one class, cat; wanted are two or more"):
        load(tmp_path)


def test_an_empty_class_is_named(picture_folder):
    (picture_folder / "train" / "green").mkdir()
    with pytest.raises(InputError, match=r"class green has no pictures in train/green"):
        load(picture_folder)


def test_a_class_that_is_only_tested_is_named(picture_folder):
    write_picture(picture_folder / "val" / "green" / "0.png", (0, 255, 0))
    with pytest.raises(InputError, match="class green is tested but has no folder in train/"):
        load(picture_folder)


def test_of_pictures_of_16_bits_the_full_range_is_read(picture_folder, caplog):
    """65535 and 300 were both 255."""
    for part in ("train", "val"):
        for name, value in (("blue", 300), ("red", 65535)):
            values = np.full((9, 9), value, dtype=np.uint16)
            Image.fromarray(values).save(picture_folder / part / name / "deep.png")
    data = load(picture_folder, validation_share=0.0)
    gray = (data.train.inputs[:, 0] == data.train.inputs[:, 2]).flatten(1).all(1)
    found = dict(zip(data.train.targets[gray].tolist(), data.train.inputs[gray], strict=True))
    assert bool((found[0] == 1).all()) and bool((found[1] == 255).all())
    assert "2 pictures of 16 bits" in caplog.text and "deep.png" in caplog.text


def test_pictures_of_one_pixel_are_read_and_said(picture_folder, caplog):
    write_picture(picture_folder / "train" / "red" / "dot.png", (255, 0, 0), size=(1, 1))
    assert len(load(picture_folder, validation_share=0.0).train) == 21
    assert "1 picture one pixel high or wide" in caplog.text


# --- three parts --------------------------------------------------------------------------------


def test_with_val_and_test_nothing_is_cut_from_training(picture_folder):
    """Validation pictures were cut from train/, and test/ was not read."""
    for number in range(3):
        write_picture(picture_folder / "test" / "red" / f"{number}.png", (255, 0, 0))
        write_picture(picture_folder / "test" / "blue" / f"{number}.png", (0, 0, 255))
    data = load(picture_folder, validation_share=0.5)
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 4, 6)
    for part in (data.train, data.validation, data.test):
        assert torch.equal(part.inputs[:, 0, 4, 4] == 255, part.targets == 1)
    (picture_folder / "test" / "green").mkdir()
    with pytest.raises(InputError, match="class green is tested but has no folder in train/"):
        load(picture_folder)


def test_a_test_folder_without_classes_is_passed_over(picture_folder, caplog):
    write_picture(picture_folder / "test" / "images" / "0.png", (255, 0, 0))
    data = load(picture_folder)
    assert (len(data.train), len(data.validation), len(data.test)) == (18, 2, 4)
    assert f"{picture_folder}/test has no folder of a class: {picture_folder}/val" in caplog.text


def test_a_validation_folder_without_pictures_is_refused(picture_folder):
    (picture_folder / "val").rename(picture_folder / "test")
    (picture_folder / "val" / "red").mkdir(parents=True)
    with pytest.raises(InputError, match="no pictures found"):
        load(picture_folder)


# --- what is not read ---------------------------------------------------------------------------


def test_what_is_not_read_is_said_once(picture_folder, caplog):
    for name in ("a.png", "b.png"):
        write_picture(picture_folder / "train" / name, (9, 9, 9))
    for part, name in (("train", "b.txt"), ("train", "a.psd"), ("val", "c.svg")):
        (picture_folder / part / "red" / name).write_text("no picture")
    for path in (picture_folder / "val" / "blue").iterdir():
        path.unlink()
    assert len(load(picture_folder).test) == 2
    train = picture_folder / "train"
    assert caplog.text.count(f"{train}: 2 pictures in no class not read, such as a.png") == 1
    other = f"3 files of no known kind of picture not read, such as {train}/red/a.psd"
    assert caplog.text.count(other) == 1
    assert f"{picture_folder}/val has no pictures of 1 of 2 classes, such as blue" in caplog.text


def test_other_endings_of_pictures_are_read(picture_folder):
    red = picture_folder / "train" / "red"
    Image.new("RGB", (9, 9)).save(red / "a.jfif", format="JPEG")
    has_jp2 = features.check("jpg_2000")
    if has_jp2:
        Image.new("RGB", (9, 9)).save(red / "a.jp2")
    assert len(load(picture_folder, validation_share=0.0).train) == 21 + has_jp2


@pytest.mark.parametrize(
    "values",
    [
        np.full((4, 4), 0.5, dtype=np.float32),
        np.full((4, 4), 65536, dtype=np.int32),
        np.full((4, 4), -1, dtype=np.int32),
    ],
    ids=["fraction", "beyond", "negative"],
)
def test_pictures_of_32_bits_are_refused_by_name(picture_folder, values):
    """They became white, or black."""
    Image.fromarray(values).save(picture_folder / "train" / "red" / "deep.tif")
    with pytest.raises(InputError, match=r"deep\.tif has 32-bit values; save it with 8 or 16 bits"):
        load(picture_folder)


def test_whole_numbers_within_16_bits_are_read_as_such(tmp_path):
    Image.fromarray(np.full((4, 4), 65535, dtype=np.int32)).save(tmp_path / "a.tif")
    picture = read_picture(tmp_path / "a.tif", (4, 4))
    assert picture.is_deep and bool((picture.values == 255).all())


def test_a_link_that_leads_nowhere_is_named(picture_folder, tmp_path):
    (picture_folder / "train" / "red" / "link.png").symlink_to("nowhere")
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(InputError, match=r"link\.png: cannot be read as a picture"):
            load(picture_folder, cache=cache)


def test_the_stamp_of_a_folder_tells_of_pictures_written_in_place(picture_folder):
    """Only folders were looked at, whose times stay as they are."""
    source = str(picture_folder)
    first = source_stamp(source)
    assert source_stamp(source) == first
    path = picture_folder / "train" / "red" / "3.png"
    times = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b" ")
    os.utime(path, ns=(times, times))
    second = source_stamp(source)
    os.utime(path, ns=(times, times + 1))
    assert len({first, second, source_stamp(source)}) == 3
    assert source_stamp(f"{source}/missing") == source_stamp(f"{source}/missing")
