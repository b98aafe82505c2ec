"""Data of one's own as arrays: from an .npz file, or from a function.

    x, y                          training examples and their targets
    x_val, y_val, x_test, y_test  held-out ones; where they are missing, 10 % of the training
                                  examples are held out for validation, and 20 % as test data
    classes                       names of the classes, optional

Inputs: bytes are pictures, (N, H, W), (N, H, W, C) or (N, C, H, W); so are 16-bit integers, whose
full range becomes 0 to 1.  Everything else is numbers, (N, D) for a table or (N, C, ...), with the
channels first, as PyTorch has them.  Targets: classes 0..K-1 or texts, (N,); for a regression
numbers (N,) or (N, K).

A function may also return a mapping of ``train``, ``val`` and ``test``, each a DataLoader, a
Dataset of pairs, or a pair (x, y); a DataLoader is read once, so that random changes in it are
frozen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from tasks.nn.data.datasets import VALIDATION_SHARE, Dataset, Split, described, split_rows
from tasks.records import InputError
from tasks.records.errors import unknown_name
from tasks.records.volume import Volume

__all__ = ["arrays_dataset", "example_inputs", "read_npz"]

logger = logging.getLogger(__name__)

Arrays = Mapping[str, Any]
TEST_SHARE = 0.2
_NAMES = ("x", "y", "x_val", "y_val", "x_test", "y_test", "classes")
_PARTS = {"train": "", "val": "_val", "validation": "_val", "test": "_test"}
_CHANNELS = (1, 3, 4)
_TEST_SEED = 1


def read_npz(path: str) -> dict[str, np.ndarray]:
    """Arrays of an .npz file, local or in an object store.

    Raises
    ------
    InputError
        If it cannot be read, holds Python objects, or has arrays of other names.
    """
    folder, _, name = path.rpartition("/")
    volume = Volume.open(folder or ".")
    if not volume.exists(name):
        raise InputError(f"data {path}: there is no such file")
    try:
        with np.load(BytesIO(volume.read(name)), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, KeyError, AttributeError, TypeError) as error:
        raise InputError(
            f"data {path} is not an .npz file of arrays (np.savez(FILE, x=..., y=...)): {error}"
        ) from error
    return arrays


def arrays_dataset(
    name: str, found: Any, *, task: str, split_seed: int = 0, num_train: int | None = None
) -> Dataset:
    """Data set of arrays, or of loaders.

    Parameters
    ----------
    name : str
    found : mapping or pair
        What the table of this module describes; a pair is x and y.
    task : str
        ``classification`` or ``regression``.
    split_seed : int
        Of what is held out.
    num_train : int, optional
        At most so many training examples.

    Raises
    ------
    InputError
        For arrays that are missing, too many, of other lengths, types or shapes, not finite, or
        with classes that the training data do not have.
    """
    arrays = _arrays(name, found)
    inputs = {key: example_inputs(f"{name}: {key}", arrays[key]) for key in arrays if key[0] == "x"}
    _check_shapes(name, inputs)
    classes: tuple[str, ...] = ()
    targets = {key: np.asarray(arrays[key]) for key in arrays if key[0] == "y"}
    if task == "regression":
        wanted = {key: _numbers(f"{name}: {key}", value) for key, value in targets.items()}
    else:
        classes = _classes(name, targets["y"], arrays.get("classes"))
        wanted = {key: _labels(name, key, value, classes) for key, value in targets.items()}
    splits = {
        end: _split(name, inputs, wanted, end)
        for end in ("", "_val", "_test")
        if "x" + end in inputs
    }
    train, validation, test = _held_out(name, splits, split_seed)
    return described(name, train.at(slice(num_train)), validation, test, classes)


# --- what is there ------------------------------------------------------------------------------


def _arrays(name: str, found: Any) -> dict[str, Any]:
    """x, y and so on."""
    if isinstance(found, tuple | list) and len(found) == 2:
        found = {"x": found[0], "y": found[1]}
    if not isinstance(found, Mapping):
        raise InputError(
            f"{name} gives {type(found).__name__}; wanted are arrays by name (x, y, ...), "
            "or train, val and test"
        )
    if "train" in found:
        found = _of_parts(name, found)
    for key in found:
        if key not in _NAMES:
            raise InputError(f"{name}: {unknown_name('array', str(key), _NAMES)}")
    for key in ("x", "y"):
        if key not in found:
            raise InputError(f"{name} has no array {key}; it has {', '.join(found) or 'none'}")
    for end in ("_val", "_test"):
        if ("x" + end in found) != ("y" + end in found):
            raise InputError(f"{name}: x{end} and y{end} belong together; one is missing")
    return dict(found)


def _of_parts(name: str, found: Arrays) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
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
    if isinstance(part, DataLoader):
        return _gathered(what, part, torch.cat)
    if isinstance(part, TorchDataset):
        size = len(part)  # pyrefly: ignore[bad-argument-type]
        return _gathered(what, (part[k] for k in range(size)), torch.stack)
    raise InputError(
        f"{what} is {type(part).__name__}; wanted is a DataLoader, a Dataset, or a pair (x, y)"
    )


def _gathered(what: str, pairs: Iterable[Any], join: Any) -> tuple[Tensor, Tensor]:
    xs, ys = [], []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InputError(f"{what}: wanted are pairs of inputs and targets")
        xs.append(torch.as_tensor(pair[0]))
        ys.append(torch.as_tensor(pair[1]))
    if not xs:
        raise InputError(f"{what} is empty")
    return join(xs), join(ys)


# --- inputs -------------------------------------------------------------------------------------


def example_inputs(what: str, given: Any) -> Tensor:
    """Bytes of pictures, or numbers in single precision.

    Raises
    ------
    InputError
        If they are not one row for each example, or not finite.
    """
    values = _array(what, given)
    if values.ndim < 2:
        raise InputError(f"{what} has shape {values.shape}; wanted is one row for each example")
    if 0 in values.shape:
        raise InputError(f"{what} is empty: its shape is {values.shape}")
    if values.dtype in (np.uint8, np.uint16) and values.ndim in (3, 4):
        pictures = _channels_first(values)
        if values.dtype == np.uint8:
            return torch.from_numpy(pictures)
        logger.warning("%s: 16-bit pictures, 0 to 65535 becomes 0 to 1", what)
        return torch.from_numpy((pictures / 65535).astype(np.float32))
    return _finite(what, values)


def _channels_first(pictures: np.ndarray) -> np.ndarray:
    """(N, C, H, W)."""
    if pictures.ndim == 3:
        return np.ascontiguousarray(pictures[:, None])
    if pictures.shape[1] not in _CHANNELS and pictures.shape[3] in _CHANNELS:
        return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
    return np.ascontiguousarray(pictures)


def _array(what: str, given: Any) -> np.ndarray:
    values = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{what} has type {values.dtype}; wanted are real numbers")
    return values


def _finite(what: str, values: np.ndarray) -> Tensor:
    """Numbers in single precision, none of which is infinite or NaN."""
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(values, dtype=np.float32)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        first = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise InputError(
            f"{what} has {int(wrong.sum())} entries that are not finite, the first at {first}"
        )
    return torch.from_numpy(numbers)


def _check_shapes(name: str, inputs: Mapping[str, Tensor]) -> None:
    first = inputs["x"]
    for key, value in inputs.items():
        if value.shape[1:] != first.shape[1:] or value.dtype != first.dtype:
            raise InputError(
                f"{name}: examples of {key} have shape {tuple(value.shape[1:])} and type "
                f"{value.dtype}, those of x {tuple(first.shape[1:])} and {first.dtype}"
            )


# --- targets ------------------------------------------------------------------------------------


def _numbers(what: str, values: np.ndarray) -> Tensor:
    """Numbers (N, K)."""
    found = _finite(what, _array(what, values))
    if found.ndim not in (1, 2):
        raise InputError(f"{what} has shape {tuple(found.shape)}; wanted is (N,) or (N, K)")
    return found[:, None] if found.ndim == 1 else found


def _classes(name: str, y: np.ndarray, given: Any) -> tuple[str, ...]:
    """Names of the classes, from those given, from texts, or from numbers 0..K-1."""
    y = _flat(f"{name}: y", y)
    if y.dtype.kind in "US":
        found = tuple(map(str, np.unique(y.astype(str))))
    else:
        _check_whole(f"{name}: y", y)
        if int(y.min()) < 0:
            raise InputError(f"{name}: y has the class {int(y.min())}; classes are 0, 1, ...")
        found = tuple(map(str, range(int(y.max()) + 1)))
    if given is not None:
        names = tuple(map(str, np.asarray(given).tolist()))
        if y.dtype.kind not in "US" and len(names) < len(found):
            raise InputError(f"{name}: y has {len(found)} classes, classes names {len(names)}")
        found = names
    if len(found) < 2:
        raise InputError(f"{name}: y has one class; wanted are two or more")
    return found


def _labels(name: str, key: str, values: np.ndarray, classes: tuple[str, ...]) -> Tensor:
    """Numbers of classes (N,)."""
    what = f"{name}: {key}"
    values = _flat(what, values)
    if values.dtype.kind in "US":
        numbers = {each: number for number, each in enumerate(classes)}
        unknown = sorted(set(values.astype(str).tolist()) - numbers.keys())
        if unknown:
            raise InputError(f"{what} has the class {unknown[0]!r}, which the training data lack")
        return torch.tensor([numbers[each] for each in values.astype(str).tolist()])
    _check_whole(what, values)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= len(classes):
        raise InputError(
            f"{what} has the class {low if low < 0 else high}; known are 0 to {len(classes) - 1}"
        )
    missing = sorted(set(range(len(classes))) - set(np.unique(values).tolist()))
    if key == "y" and missing:
        hint = "; number the classes from 0" if missing[0] == 0 else ""
        raise InputError(f"{what} has no example of class {classes[missing[0]]}{hint}")
    return torch.from_numpy(values.astype(np.int64))


def _flat(what: str, values: np.ndarray) -> np.ndarray:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or not len(values):
        raise InputError(f"{what} has shape {values.shape}; classes are wanted as (N,)")
    return values


def _check_whole(what: str, values: np.ndarray) -> None:
    if values.dtype.kind not in "biu":
        raise InputError(
            f"{what} has type {values.dtype}; wanted are whole numbers of classes, or texts "
            "(task=regression learns numbers)"
        )


# --- parts --------------------------------------------------------------------------------------


def _split(
    name: str, inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], end: str
) -> Split:
    x, y = inputs["x" + end], targets["y" + end]
    if len(x) != len(y):
        raise InputError(f"{name}: x{end} has {len(x)} rows and y{end} has {len(y)}")
    return Split(x, y)


def _held_out(name: str, splits: dict[str, Split], seed: int) -> tuple[Split, Split, Split]:
    """Training, validation and test examples."""
    train = splits[""]
    test, validation = splits.get("_test"), splits.get("_val")
    if test is None:
        held, rest = _rows(name, train, TEST_SHARE, seed + _TEST_SEED)
        logger.warning("%s has no x_test: %d of its examples are test data", name, len(held))
        train, test = train.at(rest), train.at(held)
    if validation is None:
        held, rest = _rows(name, train, VALIDATION_SHARE, seed)
        train, validation = train.at(rest), train.at(held)
    return train, validation, test


def _rows(name: str, split: Split, share: float, seed: int) -> tuple[Tensor, Tensor]:
    held, rest = split_rows(len(split), share, seed)
    if not len(held):
        raise InputError(f"{name}: {len(split)} examples are too few to hold any out")
    return held, rest
