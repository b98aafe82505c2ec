"""Data of one's own: a file of arrays, a folder of pictures, or a function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.nn.data.arrays import arrays_dataset, read_npz
from tasks.nn.data.datasets import Dataset, expanded
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
        If there is no such source, or what it gives cannot be used.
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
            f"data {source}: there is no such folder; wanted is FILE.npz, a folder with "
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
        text = (str(error).strip() or "without a message").splitlines()[0]
        raise InputError(f"data {source} failed: {type(error).__name__}: {text}") from error


def source_stamp(source: str) -> tuple[Any, ...]:
    """What tells that a source has changed since it was read; of a folder: files came or went."""
    if is_reference(source):
        return (code_stamp(source),)
    if source.endswith(".npz"):
        folder, _, name = source.rpartition("/")
        return (Volume.open(folder or ".").stamp(name),)
    return tuple(_folders(expanded(source)))


def _folders(root: Path) -> Iterator[tuple[str, int]]:
    for folder in (root, *sorted(path for path in root.rglob("*") if path.is_dir())):
        if folder.is_dir():
            yield str(folder), folder.stat().st_mtime_ns
