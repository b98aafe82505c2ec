"""Folders of pictures, one folder per class, as ImageNet and TinyImageNet are published.

    train/<class>/**/picture       val/<class>/**/picture     (or test/ in place of val/)

With one of val/ and test/ it is the test set, and validation pictures are held out of train/.
With both, val/ is for validation and test/ for the test, and all of train/ is learned from; a test/
without a folder of any class, as ImageNet has it, is passed over.  TinyImageNet names the classes
of its validation pictures in ``val/val_annotations.txt`` instead.  Pictures of val/ and test/ come
in a random order that depends on their number alone, so that the first ones are of all classes.

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
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import features

from tasks.nn.data.datasets import Split, split_rows
from tasks.nn.data.pictures import read_picture
from tasks.records import InputError, derive_seed
from tasks.records.report import counted

logger = logging.getLogger(__name__)

_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".ppm", ".pgm", ".pbm", ".webp", ".tif", ".tiff",
     ".gif", *([".jp2"] if features.check("jpg_2000") else [])}
)  # fmt: skip
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
        What is held out of the training pictures, as by `split_rows`, unless there are both val/
        and test/.
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
    if train:
        _check_classes(folder, classes, train)
    checking, testing = _held_out_folders(folder, classes, test_folder)
    test = _tested(testing, classes)
    checked = None if checking is None else _tested(checking, classes)
    for found in (train, test, checked):
        if found is not None and not found:
            raise InputError(f"no pictures found; known are {', '.join(sorted(_SUFFIXES))}")
    _warn_of_others([folder / "train", *filter(None, (checking, testing))], classes)
    if checked is None:
        held_out, rest = split_rows(len(train), validation_share, split_seed)
        parts = [train[k] for k in rest], [train[k] for k in held_out], _mixed(test)
    else:
        parts = train, _mixed(checked), _mixed(test)
    first, second, third = (_decoded(part, size, cache) for part in parts)
    return first, second, third, classes


def _held_out_folders(
    folder: Path, classes: Sequence[str], first: Path
) -> tuple[Path | None, Path]:
    """The folder of validation pictures, if there is one of its own, and that of test pictures."""
    last = folder / _TEST_FOLDERS[-1]
    if first == last or not last.is_dir():
        return None, first
    if not any((last / name).is_dir() for name in classes):
        logger.warning("%s has no folder of a class: %s is the test set", last, first)
        return None, first
    return first, last


def _tested(folder: Path, classes: Sequence[str]) -> list[_Picture]:
    """Pictures of val/ or test/."""
    if (folder / _ANNOTATIONS).is_file():
        return _annotated(folder / _ANNOTATIONS, classes)
    for name in _class_folders(folder):
        if name not in classes:
            raise InputError(f"{folder.parent}: class {name} is tested but has no folder in train/")
    found = _by_class(folder, classes)
    known = {label for _, label in found}
    missing = [name for label, name in enumerate(classes) if label not in known]
    if found and missing:
        number = f"{len(missing)} of {len(classes)} classes"
        logger.warning("%s has no pictures of %s, such as %s", folder, number, missing[0])
    return found


def _warn_of_others(folders: Iterable[Path], classes: Sequence[str]) -> None:
    """Say which files lie where they are not read."""
    for folder in folders:
        loose = sorted(path for path in folder.iterdir() if _is_picture(path))
        if loose:
            what = counted(len(loose), "picture")
            logger.warning("%s: %s in no class not read, such as %s", folder, what, loose[0].name)
    other = [
        path
        for folder in folders
        for name in classes
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() not in _SUFFIXES and path.name[0] != "." and path.is_file()
    ]
    if other:
        what = counted(len(other), "file")
        logger.warning("%s of no known kind of picture not read, such as %s", what, other[0])


def _is_picture(path: Path) -> bool:
    is_known = path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")
    return is_known and not path.is_dir()


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


def _check_classes(folder: Path, classes: Sequence[str], train: Sequence[_Picture]) -> None:
    """Refuse what is not a classification."""
    if len(classes) < 2:
        raise InputError(f"{folder}: train has one class, {classes[0]}; wanted are two or more")
    known = {label for _, label in train}
    for label, name in enumerate(classes):
        if label not in known:
            raise InputError(
                f"{folder}: class {name} has no pictures in train/{name}; known are "
                f"{', '.join(sorted(_SUFFIXES))}: add some, or remove the folder"
            )


def _by_class(folder: Path, classes: Sequence[str]) -> list[_Picture]:
    return [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if _is_picture(path)
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
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f"{path}: cannot be read as a picture: {error}") from error
        total.update(f"{path}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return total.hexdigest()[:16]
