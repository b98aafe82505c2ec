"""Data of one's own as arrays: from an .npz file, or from a function.

    x, y                          training examples and their targets
    x_val, y_val, x_test, y_test  held-out ones; where they are missing, 10 % of the training
                                  examples are held out for validation, and 20 % as test data:
                                  of classes the same share of each, and never the last example
    classes                       names of the classes, optional

Inputs: bytes are pictures, (N, H, W), (N, H, W, C) or (N, C, H, W); so are 16-bit integers that are
not negative, whose full range becomes 0 to 1.  Everything else is numbers, (N, D) for a table or
(N, C, ...), with the channels first, as PyTorch has them.  Targets: classes 0..K-1 or texts, (N,);
for a regression numbers (N,) or (N, K).

A function may also return a mapping of ``train``, ``val`` and ``test``, each a DataLoader, a
Dataset of pairs, or a pair (x, y); loaders and iterable data sets are read once, so that random
changes in them are frozen.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks.nn.data.datasets import (
    Dataset,
    Split,
    check_varying,
    described,
    held_out,
    needs_double,
)
from tasks.nn.data.loaders import arrays_of_parts, first_line, plain_array
from tasks.nn.data.pictures import picture_kind, picture_tensor
from tasks.records import InputError
from tasks.records.errors import unknown_name
from tasks.records.volume import Volume

__all__ = ["arrays_dataset", "example_inputs", "read_npz"]

logger = logging.getLogger(__name__)

Arrays = Mapping[str, Any]
_NAMES = ("x", "y", "x_val", "y_val", "x_test", "y_test", "classes")
_TASKS = ("classification", "regression")
_LARGEST = float(np.finfo(np.float32).max)


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
        raise InputError(f"data {path}: the file does not exist")
    try:
        content = volume.read(name)
        if bytes(content[:2]) != b"PK":
            raise ValueError("it is not a zip file")
        with np.load(BytesIO(content), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:  # damaged files fail in zipfile, zlib, struct, NumPy and others
        text = first_line(error)
        reason = "it holds Python objects" if "allow_pickle" in text else text
        raise InputError(
            f"data {path} is not an .npz file of arrays (np.savez(FILE, x=..., y=...)): {reason}"
        ) from error


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
        For another task; for arrays that are missing, too many, of other lengths, types or shapes,
        not finite, or with classes that the training data do not have; for targets of a regression
        that do not vary.
    """
    if task not in _TASKS:
        raise InputError(f"{name}: {unknown_name('task', str(task), _TASKS)}")
    arrays = _arrays(name, found)
    inputs = _inputs(name, {key: arrays[key] for key in arrays if key[0] == "x"})
    targets = {key: plain_array(f"{name}: {key}", arrays[key]) for key in arrays if key[0] == "y"}
    classes: tuple[str, ...] = ()
    if task == "regression":
        wanted = _values(name, targets, arrays.get("classes"))
    else:
        labels = {key: _class_values(f"{name}: {key}", value) for key, value in targets.items()}
        classes = _classes(name, labels["y"], arrays.get("classes"))
        wanted = {key: _labels(name, key, labels, classes) for key in labels}
    for key, value in inputs.items():
        count = len(wanted[other := key.replace("x", "y")])
        if len(value) != count:
            raise InputError(f"{name}: {key} has {len(value)} rows and {other} has {count}")
    splits = {key[1:]: Split(value, wanted["y" + key[1:]]) for key, value in inputs.items()}
    train, validation, test = held_out(name, splits, split_seed)
    train = train.at(slice(num_train))
    check_varying(name, train)
    return described(name, train, validation, test, classes)


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
        found = arrays_of_parts(name, found)
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


# --- inputs -------------------------------------------------------------------------------------


def example_inputs(what: str, given: Any) -> Tensor:
    """Bytes of pictures, or numbers in single precision.

    Raises
    ------
    InputError
        If they are not one row for each example, or not finite.
    """
    values = _examples(what, given)
    return (
        picture_tensor(what, values)
        if picture_kind(values) != "numbers"
        else _finite(what, values).float()
    )


def _inputs(name: str, given: Arrays) -> dict[str, Tensor]:
    """Those of all parts, alike in kind, shape and precision."""
    values = {key: _examples(f"{name}: {key}", value) for key, value in given.items()}
    kinds = {key: picture_kind(value) for key, value in values.items()}
    for key, kind in kinds.items():
        if kind != kinds["x"]:
            raise InputError(f"{name}: {key} has {kind}, x has {kinds['x']}; wanted is one kind")
    is_numbers = kinds["x"] == "numbers"
    read = _finite if is_numbers else picture_tensor
    found = {key: read(f"{name}: {key}", value) for key, value in values.items()}
    wanted = tuple(found["x"].shape[1:])
    for key, value in found.items():
        if tuple(value.shape[1:]) != wanted:
            shape = tuple(value.shape[1:])
            raise InputError(f"{name}: examples of {key} have shape {shape}, those of x {wanted}")
    return _precise(name, found) if is_numbers else found


def _examples(what: str, given: Any) -> np.ndarray:
    values = _array(what, given)
    if values.ndim < 2:
        raise InputError(f"{what} has shape {values.shape}; wanted is one row for each example")
    if 0 in values.shape:
        raise InputError(f"{what} is empty: its shape is {values.shape}")
    return values


def _array(what: str, given: Any) -> np.ndarray:
    values = plain_array(what, given)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{what} has type {values.dtype}; wanted are real numbers")
    return values


def _finite(what: str, values: np.ndarray) -> Tensor:
    """Numbers, none of which is NaN or beyond single precision; float64 where that may be more."""
    is_single = values.dtype == np.float32 or values.dtype.itemsize <= 2
    numbers = np.ascontiguousarray(values, dtype=np.float32 if is_single else np.float64)
    wrong = ~(np.abs(numbers) <= _LARGEST)
    if wrong.any():
        first = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise InputError(
            f"{what} has {int(wrong.sum())} entries that are not finite, the first at {first}"
        )
    return torch.from_numpy(numbers)


def _precise(name: str, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Numbers (N, C, ...) in single precision, or in double where that would lose what varies."""
    first = min(parts)  # x or y
    if not needs_double(parts[first]):
        return {key: part.float() for key, part in parts.items()}
    logger.warning(
        "%s: %s varies by less than 0.001 of its size and is kept in double precision; exported "
        "models take single: subtract a constant first", name, first,
    )  # fmt: skip
    return {key: part.double() for key, part in parts.items()}


# --- targets ------------------------------------------------------------------------------------


def _values(name: str, targets: Mapping[str, np.ndarray], classes: Any) -> dict[str, Tensor]:
    """Numbers (N, K) of a regression."""
    if classes is not None:
        raise InputError(f"{name} has classes, but task=regression learns numbers: leave them out")
    found = {key: _numbers(f"{name}: {key}", value) for key, value in targets.items()}
    wanted = found["y"].shape[1]
    for key, value in found.items():
        if value.shape[1] != wanted:
            raise InputError(f"{name}: {key} has {value.shape[1]} targets each, y has {wanted}")
    return _precise(name, found)


def _numbers(what: str, values: np.ndarray) -> Tensor:
    found = _finite(what, _array(what, values))
    if found.ndim not in (1, 2) or 0 in found.shape:
        raise InputError(f"{what} has shape {tuple(found.shape)}; wanted is (N,) or (N, K)")
    return found[:, None] if found.ndim == 1 else found


def _class_values(what: str, values: np.ndarray) -> np.ndarray:
    """Whole numbers or texts (N,)."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or not len(values):
        raise InputError(f"{what} has shape {values.shape}; classes are wanted as (N,)")
    if values.dtype.kind in "US":
        return _texts(what, values)
    if values.dtype.kind not in "biu":
        raise InputError(
            f"{what} has type {values.dtype}; wanted are whole numbers of classes, or texts "
            "(task=regression learns numbers)"
        )
    return values


def _texts(what: str, values: np.ndarray) -> np.ndarray:
    try:
        return np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
    except UnicodeDecodeError as error:
        raise InputError(f"{what} has bytes that are not UTF-8; give texts") from error


def _classes(name: str, y: np.ndarray, given: Any) -> tuple[str, ...]:
    """Names of the classes, from those given, from texts, or from numbers 0..K-1."""
    is_text = y.dtype.kind == "U"
    found = tuple(np.unique(y).tolist()) if is_text else _numbered(f"{name}: y", np.unique(y))
    if len(found) < 2:
        raise InputError(f"{name}: y has one class; wanted are two or more")
    if given is None:
        return found
    names = _class_names(name, given)
    if is_text and (unnamed := sorted(set(found) - set(names))):
        raise InputError(f"{name}: y has the class {unnamed[0]!r}, which classes does not name")
    if len(names) < len(found):
        raise InputError(f"{name}: y has {len(found)} classes, classes names {len(names)}")
    if unseen := [each for each in names if each not in found] if is_text else names[len(found) :]:
        raise InputError(
            f"{name}: y has no example of class {unseen[0]}, which classes names; leave it out"
        )
    return names


def _numbered(what: str, known: np.ndarray) -> tuple[str, ...]:
    """Names of classes 0..K-1, all of which must be among the sorted numbers."""
    if int(known[0]) < 0:
        raise InputError(f"{what} has the class {int(known[0])}; classes are 0, 1, ...")
    missing = np.flatnonzero(known != np.arange(len(known)))
    if len(missing):
        hint = "" if missing[0] else "; number the classes from 0"
        raise InputError(f"{what} has no example of class {missing[0]}{hint}")
    return tuple(map(str, range(len(known))))


def _class_names(name: str, given: Any) -> tuple[str, ...]:
    values = plain_array(f"{name}: classes", given)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "USiu":
        raise InputError(
            f"{name}: classes has shape {values.shape} and type {values.dtype}; wanted is a list "
            "of names"
        )
    names = tuple(map(str, _texts(f"{name}: classes", values).tolist()))
    for number, each in enumerate(names):
        if each in names[:number]:
            raise InputError(f"{name}: classes names {each!r} twice")
    return names


def _labels(name: str, key: str, labels: Arrays, classes: tuple[str, ...]) -> Tensor:
    """Numbers of classes (N,)."""
    what, values = f"{name}: {key}", labels[key]
    is_text = values.dtype.kind == "U"
    if is_text != (labels["y"].dtype.kind == "U"):
        kinds = ("texts", "numbers") if is_text else ("numbers", "texts")
        raise InputError(f"{what} has {kinds[0]}, y has {kinds[1]}; wanted is one kind")
    if is_text:
        numbers = {each: number for number, each in enumerate(classes)}
        unknown = sorted(set(values.tolist()) - numbers.keys())
        if unknown:
            raise InputError(f"{what} has the class {unknown[0]!r}, which the training data lack")
        return torch.tensor([numbers[each] for each in values.tolist()])
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= len(classes):
        raise InputError(
            f"{what} has the class {low if low < 0 else high}; known are 0 to {len(classes) - 1}"
        )
    return torch.from_numpy(values.astype(np.int64))
