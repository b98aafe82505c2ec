"""Data sets by name: where their files are looked for, and what to do if they are not there.

A folder that is given is the only place that is looked at.  Otherwise it is
``$LATTICEWORK_DATA/<name>`` (or the name of the published archive's folder), then the folder of
a package of the operating system.  Nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from tasks.nn.data.cifar import CIFAR10, CIFAR100, CifarFormat, has_cifar, read_cifar
from tasks.nn.data.datasets import VALIDATION_SHARE, Dataset, Split, assemble, described, expanded
from tasks.nn.data.folders import has_pictures, read_folders
from tasks.nn.data.idx import find_idx, read_idx
from tasks.nn.data.synthetic import synthetic_images
from tasks.records import InputError

DatasetName = Literal["digits", "fashion-mnist", "cifar10", "cifar100", "imagefolder", "synthetic"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)
FOLDER_VARIABLE = "LATTICEWORK_DATA"

_Parts = tuple[Split, Split, tuple[str, ...]]
_FASHION_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                  "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")  # fmt: skip
_FASHION_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")  # fmt: skip
_DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
_TEST_STRIDE = 5
"""Every fifth digit is a test image, so that all 13 writers are in both parts."""
_CIFAR_URL = "https://www.cs.toronto.edu/~kriz"
_REMEDIES = {
    "fashion-mnist": "on Debian and Ubuntu: apt install dataset-fashion-mnist; else get the four "
    "IDX files from https://github.com/zalandoresearch/fashion-mnist",
    "cifar10": f"get {_CIFAR_URL}/cifar-10-binary.tar.gz and unpack it",
    "cifar100": f"get {_CIFAR_URL}/cifar-100-binary.tar.gz and unpack it",
    "imagefolder": "give a folder with train/<class>/ and val/<class>/ full of pictures",
}


def load_dataset(
    name: DatasetName,
    *,
    folder: str | Path | None = None,
    validation_share: float = VALIDATION_SHARE,
    split_seed: int = 0,
    num_train: int | None = None,
    size: int = 64,
    cache: str | Path | None = None,
) -> Dataset:
    """Data set in main memory, or in mapped files of decoded pictures.

    Parameters
    ----------
    name : DatasetName
    folder : path, optional
        Where its files lie.
    validation_share : float
        Share of the published training set that is held out.
    split_seed : int
        Seed of that split.
    num_train : int, optional
        At most so many training images.
    size, cache
        Side of the images of an ``imagefolder``, and the folder where their decoded bytes are kept
        and mapped from; without it they are in memory.

    Raises
    ------
    InputError
        For an unknown name; for missing files, saying where they were looked for and how to get
        them; for damaged ones.
    """
    if name not in _READERS and name != "imagefolder":
        raise InputError(f"no data set is called {name!r}; known are {', '.join(DATASETS)}")
    given = None if folder is None else expanded(folder)
    if name == "imagefolder":
        place = find_place(name, given, (), has_pictures, remedy=_REMEDIES[name])
        train, validation, test, classes = read_folders(
            place,
            size,
            validation_share=validation_share,
            split_seed=split_seed,
            cache=None if cache is None else Path(cache),
        )
        return described(name, train.at(slice(num_train)), validation, test, classes)
    return assemble(
        name,
        *_READERS[name](given),
        validation_share=validation_share,
        split_seed=split_seed,
        num_train=num_train,
    )


def _digits(_: Path | None) -> _Parts:
    here = Path(__file__).parent / "digits"
    images = read_idx(here / "images-idx3-ubyte.gz").float().mul(255 / 16).round().byte()[:, None]
    labels = read_idx(here / "labels-idx1-ubyte.gz").long()
    is_test = (labels.new_ones(len(labels)).cumsum(0) % _TEST_STRIDE) == 0
    train, test = (Split(images[rows], labels[rows]) for rows in (~is_test, is_test))
    return train, test, tuple(map(str, range(10)))


def _fashion(given: Path | None) -> _Parts:
    def is_complete(folder: Path) -> bool:
        return all(find_idx(folder, name) for name in _FASHION_FILES)

    name, known = "fashion-mnist", (_DEBIAN_FASHION,)
    folder = find_place(name, given, known, is_complete, remedy=_REMEDIES[name])
    found = [path for file in _FASHION_FILES if (path := find_idx(folder, file))]
    images, labels, test_images, test_labels = (read_idx(path) for path in found)
    train = Split(images[:, None], labels.long())
    return train, Split(test_images[:, None], test_labels.long()), _FASHION_CLASSES


def _cifar(name: str, form: CifarFormat) -> Callable[[Path | None], _Parts]:
    def read(given: Path | None) -> _Parts:
        def is_complete(folder: Path) -> bool:
            return has_cifar(folder, form)

        remedy, archive = _REMEDIES[name], form.folder
        place = find_place(name, given, (), is_complete, remedy=remedy, archive=archive)
        return read_cifar(place, form)

    return read


def _synthetic(_: Path | None) -> _Parts:
    shape, num_classes = (1, 12, 12), 4
    train = synthetic_images(400, num_classes, shape, seed=0, part="train")
    test = synthetic_images(200, num_classes, shape, seed=0, part="test")
    return train, test, tuple(map(str, range(num_classes)))


def find_place(
    name: str,
    given: Path | None,
    known: tuple[Path, ...],
    is_complete: Callable[[Path], bool],
    *,
    remedy: str,
    archive: str = "",
) -> Path:
    """First complete folder among those where the files of `name` may lie.

    Raises
    ------
    InputError
        If no folder is complete; says where it looked, and the remedy.
    """
    roots = [given] if given else []
    variable = os.environ.get(FOLDER_VARIABLE)
    if not given and variable:
        roots = [Path(variable) / name, Path(variable)]
    places = [place for root in roots for place in ([root / archive, root] if archive else [root])]
    places += [] if given else known
    for place in places:
        if is_complete(place):
            return place
    looked = ", ".join(map(str, places)) or "nowhere"
    raise InputError(
        f"files of {name} are missing (looked in: {looked}); {remedy}, then give the "
        f"folder or set {FOLDER_VARIABLE}"
    )


_READERS: dict[str, Callable[[Path | None], _Parts]] = {
    "digits": _digits,
    "fashion-mnist": _fashion,
    "cifar10": _cifar("cifar10", CIFAR10),
    "cifar100": _cifar("cifar100", CIFAR100),
    "synthetic": _synthetic,
}
