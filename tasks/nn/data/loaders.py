"""Arrays of what functions give: loaders, data sets of pairs, tensors, pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data import Dataset as TorchDataset

from tasks.records import InputError
from tasks.records.errors import unknown_name

__all__ = ["arrays_of_parts", "failure", "first_line", "plain_array"]

_PARTS = {"train": "", "val": "_val", "validation": "_val", "test": "_test"}


def arrays_of_parts(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """x, y and so on of the parts train, val and test.

    Raises
    ------
    InputError
    """
    arrays: dict[str, Any] = {}
    if found.get("val") is not None and found.get("validation") is not None:
        raise InputError(f"{name} gives val and validation, which mean the same: give one")
    for part, value in found.items():
        if part == "classes":
            arrays[part] = value
        elif part not in _PARTS:
            raise InputError(f"{name}: {unknown_name('part', str(part), _PARTS)}")
        elif value is not None:
            end = _PARTS[part]
            arrays["x" + end], arrays["y" + end] = _pair(f"{name}: {part}", value)
    return arrays


def _pair(what: str, part: Any) -> tuple[Any, Any]:
    """x and y of a loader, a data set of pairs, or a pair."""
    if isinstance(part, tuple | list) and len(part) == 2:
        return part[0], part[1]
    if isinstance(part, DataLoader | IterableDataset):
        return _gathered(what, part)
    if isinstance(part, TorchDataset):
        return _gathered(what, _items(part))
    raise InputError(
        f"{what} is {type(part).__name__}; wanted is a DataLoader, a Dataset, or a pair (x, y)"
    )


def _items(data: TorchDataset) -> Iterator[Any]:
    for row in range(len(data)):  # pyrefly: ignore[bad-argument-type]
        yield data[row]


def _gathered(what: str, pairs: Iterable[Any]) -> tuple[np.ndarray, np.ndarray]:
    """x and y of pairs, which are batches if their targets are more than one."""
    xs, ys = [], []
    try:
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise InputError(f"{what}: wanted are pairs of inputs and targets")
            xs.append(plain_array(f"{what}: x", pair[0]))
            ys.append(plain_array(f"{what}: y", pair[1]))
    except InputError:
        raise
    except Exception as error:
        raise failure(what, error) from error
    if not xs:
        raise InputError(f"{what} is empty")
    is_batched = isinstance(pairs, DataLoader) and ys[0].ndim > 0
    return joined(f"{what}: x", xs, is_batched), joined(f"{what}: y", ys, is_batched)


def failure(what: str, error: Exception) -> InputError:
    """What is said of a user's code that failed."""
    return InputError(f"data {what} failed: {type(error).__name__}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Its message, without what follows the first line."""
    return (str(error).strip() or "without a message").splitlines()[0]


def joined(what: str, parts: list[np.ndarray], is_batched: bool) -> np.ndarray:
    """Batches one after the other, or examples as rows; refused if their shapes differ."""
    shapes = dict.fromkeys(part.shape[is_batched:] for part in parts)
    if len(shapes) > 1:
        first, second, *_ = shapes
        raise InputError(f"{what} has examples of shapes {first} and {second}; wanted is one shape")
    return np.concatenate(parts) if is_batched else np.stack(parts)


def plain_array(what: str, given: Any) -> np.ndarray:
    """An array, in the byte order of this machine, of tensors, pictures, numbers or texts."""
    if isinstance(given, list | tuple) and given and isinstance(given[0], Tensor | Image.Image):
        return joined(what, [plain_array(what, each) for each in given], is_batched=False)
    try:
        if isinstance(given, Image.Image):
            given = _of_picture(given)
        if isinstance(given, Tensor):
            dense = given.detach().to_dense().cpu()
            given = (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()
        values = np.asarray(given)
    except Exception as error:  # rows of several lengths, tensors that NumPy does not know, ...
        reason = "rows of different shapes" if "inhomogeneous" in f"{error}" else first_line(error)
        raise InputError(f"{what} cannot be read as one array: {reason}") from error
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _of_picture(picture: Image.Image) -> np.ndarray:
    """(H, W) or (C, H, W) of a picture in memory."""
    modes = {"1": "L", "P": "RGB"}
    values = np.asarray(picture.convert(modes.get(picture.mode, picture.mode)))
    return values if values.ndim == 2 else values.transpose(2, 0, 1)
