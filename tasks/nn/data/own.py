"""Data of one's own: a file of arrays, a folder of pictures, or a function."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.nn.data.arrays import arrays_dataset, read_npz
from tasks.nn.data.datasets import Dataset, expanded
from tasks.nn.data.loaders import failure
from tasks.nn.data.sources import load_dataset
from tasks.records import InputError
from tasks.records.own_code import code_stamp, is_reference, resolve
from tasks.records.volume import Volume

__all__ = ["load_own", "source_stamp"]


def load_own(
    source: str,
    *,
    task: str = "classification",
    num_train: int | None = None,
    size: int = 64,
    cache: str | Path | None = None,
) -> Dataset:
    """Data set of a source.

    Parameters
    ----------
    source : str
        ``FILE.npz``, a folder of pictures, or ``package.module:name``.
    task : str
        ``classification`` or ``regression``.
    num_train, size, cache
        As for `load_dataset`.

    Raises
    ------
    InputError
        If the source does not exist, or what it gives cannot be used.
    """
    name = source.rstrip("/").rpartition("/")[2]
    if is_reference(source):
        found = _returned(source)
    elif source.endswith(".npz"):
        found = read_npz(source)
    elif expanded(source).is_dir():
        if task == "regression":
            raise InputError(f"data {source}: a folder of pictures has classes, not numbers")
        read = load_dataset(
            "imagefolder", folder=source, num_train=num_train, size=size, cache=cache
        )
        return replace(read, name=name)
    else:
        raise InputError(
            f"data {source}: the folder does not exist; wanted is FILE.npz, a folder with "
            "train/CLASS/ and val/CLASS/, or package.module:function"
        )
    return arrays_dataset(name, found, task=task, num_train=num_train)


def _returned(source: str) -> Any:
    function = resolve(source)
    if not callable(function):
        return function
    try:
        return function()
    except Exception as error:
        raise failure(source, error) from error


def source_stamp(source: str) -> tuple[Any, ...]:
    """What tells that a source has changed since it was read; of a folder: any of its files."""
    if is_reference(source):
        return (code_stamp(source),)
    if source.endswith(".npz"):
        folder, _, name = source.rpartition("/")
        return (Volume.open(folder or ".").stamp(name),)
    return (_folder_stamp(expanded(source)),)


def _folder_stamp(root: Path) -> str:
    """Digest of paths, sizes and times of all that lies in a folder."""
    total = hashlib.sha256()
    for path in (root, *sorted(root.rglob("*"))):
        try:
            status = path.stat()
        except OSError:  # a link that leads nowhere, or a file that has just gone
            continue
        total.update(f"{path}|{status.st_size}|{status.st_mtime_ns}\n".encode(errors="replace"))
    return total.hexdigest()
