"""Folders of pictures, one folder per class, as ImageNet and TinyImageNet are published.

    train/<class>/**/picture       val/<class>/**/picture     (or test/ in place of val/)

TinyImageNet names the classes of its validation pictures in ``val/val_annotations.txt`` instead.
Test pictures come in a random order that depends on their number alone, so that the first ones are
of all classes.

Pictures are scaled so that the short side fits and are cut to a square around the middle; of 16-bit
ones the full range becomes that of 8 bits.  Hidden folders and files are passed over.  With a
folder to keep them they are decoded once into one file of bytes for each of the parts train,
validation and test, in the order of its rows, which is mapped into memory afterwards: a data set
may exceed the main memory.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from tasks.nn.data.datasets import Split, split_rows
from tasks.nn.data.pictures import read_picture
from tasks.records import InputError, derive_seed
from tasks.records.report import counted

logger = logging.getLogger(__name__)

_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".pbm", ".webp", ".tif", ".tiff", ".gif"}
)
_ANNOTATIONS = "val_annotations.txt"
_TEST_FOLDERS = ("val", "test")

_Picture = tuple[Path, int]
"""Where it lies, and the number of its class."""


def has_pictures(folder: Path) -> bool:
    """Whether a folder has the parts that `read_folders` reads."""
    return (folder / "train").is_dir() and _test_folder(folder) is not None


def read_folders(
    folder: Path, size: int, *, validation_share: float, split_seed: int, cache: Path | None = None
) -> tuple[Split, Split, Split, tuple[str, ...]]:
    """(training, validation and test set, class names) of a folder of pictures.

    Parameters
    ----------
    size : int
        Side of the square images.
    validation_share, split_seed : float, int
        What is held out of the training pictures, as by `split_rows`.
    cache : path, optional
        Folder for the decoded bytes; without it they are kept in memory.

    Raises
    ------
    InputError
        If there are fewer than two classes, classes without training pictures or with test
        pictures only, no pictures, or a picture that cannot be read.
    """
    classes = tuple(_class_folders(folder / "train"))
    test_folder = _test_folder(folder)
    if not classes or test_folder is None:
        raise InputError(f"{folder}: wanted are train/<class>/ and val/<class>/ with pictures")
    train = _by_class(folder / "train", classes)
    annotated = test_folder / _ANNOTATIONS
    is_listed = annotated.is_file()
    test = _annotated(annotated, classes) if is_listed else _by_class(test_folder, classes)
    if train:
        _check_classes(folder, classes, train, () if is_listed else _class_folders(test_folder))
    for found in (train, test):
        if not found:
            raise InputError(f"no pictures found; known are {', '.join(sorted(_SUFFIXES))}")
    held_out, rest = split_rows(len(train), validation_share, split_seed)
    parts = [train[k] for k in rest], [train[k] for k in held_out], _mixed(test)
    first, second, third = (_decoded(part, size, cache) for part in parts)
    return first, second, third, classes


def _test_folder(folder: Path) -> Path | None:
    found = [folder / name for name in _TEST_FOLDERS if (folder / name).is_dir()]
    return found[0] if found else None


def _class_folders(folder: Path) -> list[str]:
    """Names of the folders that are not hidden, in order."""
    found = sorted(path.name for path in folder.iterdir() if path.is_dir())
    hidden = [name for name in found if name.startswith(".")]
    if hidden:
        logger.warning("%s: hidden folders are passed over: %s", folder, ", ".join(hidden))
    return [name for name in found if name not in hidden]


def _check_classes(
    folder: Path, classes: Sequence[str], train: Sequence[_Picture], tested: Sequence[str]
) -> None:
    """Refuse what is no classification, or tests what is not learned."""
    if len(classes) < 2:
        raise InputError(f"{folder}: train has one class, {classes[0]}; wanted are two or more")
    known = {label for _, label in train}
    for label, name in enumerate(classes):
        if label not in known:
            raise InputError(
                f"{folder}: class {name} has no pictures in train/{name}; known are "
                f"{', '.join(sorted(_SUFFIXES))}: add some, or remove the folder"
            )
    for name in tested:
        if name not in classes:
            raise InputError(f"{folder}: class {name} is tested but has no folder in train/")


def _by_class(folder: Path, classes: Sequence[str]) -> list[_Picture]:
    return [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    ]


def _annotated(path: Path, classes: Sequence[str]) -> list[_Picture]:
    labels, found = {name: label for label, name in enumerate(classes)}, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        picture, _, rest = line.partition("\t")
        name = rest.split("\t")[0]
        if not name:
            raise InputError(f"{path}: line {number} names no class: wanted is picture<tab>class")
        if name not in labels:
            raise InputError(f"{path}: class {name} has no folder in train/")
        found.append((path.parent / "images" / picture, labels[name]))
    return found


def _mixed(pictures: list[_Picture]) -> list[_Picture]:
    generator = torch.Generator().manual_seed(derive_seed(0, "pictures", len(pictures)))
    return [pictures[k] for k in torch.randperm(len(pictures), generator=generator)]


def _decoded(pictures: list[_Picture], size: int, cache: Path | None) -> Split:
    labels = torch.tensor([label for _, label in pictures], dtype=torch.int64)
    paths = [path for path, _ in pictures]
    shape = (len(paths), 3, size, size)
    if cache is None or not pictures:
        images = torch.empty(shape, dtype=torch.uint8)
        _fill(images.numpy(), paths, size)
        return Split(images, labels)
    file = cache / f"{_key(paths, size)}.bytes"
    if not file.exists():
        _write(file, paths, size)
    mapped = torch.from_file(str(file), size=int(np.prod(shape)), dtype=torch.uint8)
    return Split(mapped.reshape(shape), labels)


def _write(file: Path, paths: list[Path], size: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{secrets.token_hex(4)}.tmp")
    shape = (len(paths), 3, size, size)
    images = np.memmap(temporary, dtype=np.uint8, mode="w+", shape=shape)
    logger.info("decoding %d pictures into %s", len(paths), file)
    try:
        _fill(images, paths, size)
        images.flush()
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _fill(images: np.ndarray, paths: list[Path], size: int) -> None:
    deep, tiny = [], []
    for row, path in enumerate(paths):
        picture = read_picture(path, (size, size))
        images[row] = picture.values
        deep += [path] if picture.is_deep else []
        tiny += [path] if picture.shorter_side == 1 else []
    for found, what in (
        (deep, "of 16 bits, whose full range becomes that of 8 bits"),
        (tiny, "one pixel high or wide"),
    ):
        if found:
            logger.warning("%s %s, such as %s", counted(len(found), "picture"), what, found[0])


def _key(paths: list[Path], size: int) -> str:
    """Name of the decoded file: another one as soon as a picture is added, moved or changed."""
    total = hashlib.sha256(f"{size}".encode())
    for path in paths:
        status = path.stat()
        total.update(f"{path}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return total.hexdigest()[:16]
