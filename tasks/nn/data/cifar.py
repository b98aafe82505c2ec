"""The binary files of CIFAR-10 and CIFAR-100.

A record is its labels, one byte each, and 3072 bytes of a 3 x 32 x 32 image.  CIFAR-10 has one
label; CIFAR-100 a coarse and a fine one, of which the fine one is used.

References
----------
Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from tasks.nn.data.datasets import Split
from tasks.records import InputError

_SHAPE = (3, 32, 32)
_IMAGE_BYTES = 3 * 32 * 32


@dataclass(frozen=True)
class CifarFormat:
    """Where the parts lie and what a record looks like.

    Attributes
    ----------
    folder : str
        Name of the folder in the published archive.
    train, test, classes : tuple of str, str, str
        Names of files.
    num_labels : int
        Labels per record; the last one counts.
    """

    folder: str
    train: tuple[str, ...]
    test: str
    classes: str
    num_labels: int


CIFAR10 = CifarFormat(
    "cifar-10-batches-bin",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test="test_batch.bin",
    classes="batches.meta.txt",
    num_labels=1,
)
CIFAR100 = CifarFormat(
    "cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    classes="fine_label_names.txt",
    num_labels=2,
)


def read_cifar(folder: Path, form: CifarFormat) -> tuple[Split, Split, tuple[str, ...]]:
    """(training set, test set, class names) of a folder with the published binary files.

    Raises
    ------
    InputError
        If a file is missing or does not consist of whole records.
    """
    parts = [_read_records(folder / name, form.num_labels) for name in form.train]
    images = torch.cat([part.inputs for part in parts])
    train = Split(images, torch.cat([part.targets for part in parts]))
    test = _read_records(folder / form.test, form.num_labels)
    names = (folder / form.classes).read_text(encoding="utf-8").split()
    return train, test, tuple(names)


def has_cifar(folder: Path, form: CifarFormat) -> bool:
    """Whether all files are there."""
    return all((folder / name).is_file() for name in (*form.train, form.test, form.classes))


def _read_records(path: Path, num_labels: int) -> Split:
    data = bytearray(path.read_bytes())
    size = num_labels + _IMAGE_BYTES
    if not data or len(data) % size:
        raise InputError(f"{path}: {len(data)} bytes are no whole records of {size}; get it again")
    records = torch.frombuffer(data, dtype=torch.uint8).reshape(-1, size)
    images = records[:, num_labels:].reshape(-1, *_SHAPE).contiguous()
    return Split(images, records[:, num_labels - 1].long())
