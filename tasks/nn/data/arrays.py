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
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data import Dataset as TorchDataset

from tasks.nn.data.datasets import (
    VALIDATION_SHARE,
    Dataset,
    Split,
    column_spread,
    described,
    needs_double,
    split_rows,
    stratified_rows,
)
from tasks.records import InputError
from tasks.records.errors import unknown_name
from tasks.records.report import counted
from tasks.records.volume import Volume

__all__ = ["arrays_dataset", "example_inputs", "failure", "read_npz"]

logger = logging.getLogger(__name__)

Arrays = Mapping[str, Any]
TEST_SHARE = 0.2
_NAMES = ("x", "y", "x_val", "y_val", "x_test", "y_test", "classes")
_PARTS = {"train": "", "val": "_val", "validation": "_val", "test": "_test"}
_TASKS = ("classification", "regression")
_CHANNELS = (1, 3, 4)
_LARGEST = float(np.finfo(np.float32).max)
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
    content = volume.read(name)
    try:
        if bytes(content[:2]) != b"PK":
            raise ValueError("it is not a zip file")
        with np.load(BytesIO(content), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:  # damaged files fail in zipfile, zlib, struct, NumPy and others
        text = _first_line(error)
        reason = "it holds Python objects" if "allow_pickle" in text else text
        raise InputError(
            f"data {path} is not an .npz file of arrays (np.savez(FILE, x=..., y=...)): {reason}"
        ) from error


def failure(what: str, error: Exception) -> InputError:
    """What is said of a user's code that failed."""
    return InputError(f"data {what} failed: {type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "without a message").splitlines()[0]


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
    targets = {key: _plain(f"{name}: {key}", arrays[key]) for key in arrays if key[0] == "y"}
    classes: tuple[str, ...] = ()
    if task == "regression":
        wanted = _values(name, targets, arrays.get("classes"))
    else:
        labels = {key: _class_values(f"{name}: {key}", value) for key, value in targets.items()}
        classes = _classes(name, labels["y"], arrays.get("classes"))
        wanted = {key: _labels(name, key, labels, classes) for key in labels}
    splits = {
        end: _split(name, inputs, wanted, end)
        for end in ("", "_val", "_test")
        if "x" + end in inputs
    }
    train, validation, test = _held_out(name, splits, split_seed)
    train = train.at(slice(num_train))
    _check_varying(name, train)
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
            xs.append(_plain(f"{what}: x", pair[0]))
            ys.append(_plain(f"{what}: y", pair[1]))
    except InputError:
        raise
    except Exception as error:
        raise failure(what, error) from error
    if not xs:
        raise InputError(f"{what} is empty")
    is_batched = isinstance(pairs, DataLoader) and ys[0].ndim > 0
    return _joined(f"{what}: x", xs, is_batched), _joined(f"{what}: y", ys, is_batched)


def _joined(what: str, parts: list[np.ndarray], is_batched: bool) -> np.ndarray:
    shapes = dict.fromkeys(part.shape[is_batched:] for part in parts)
    if len(shapes) > 1:
        first, second, *_ = shapes
        raise InputError(f"{what} has examples of shapes {first} and {second}; wanted is one shape")
    return np.concatenate(parts) if is_batched else np.stack(parts)


def _plain(what: str, given: Any) -> np.ndarray:
    """An array, in the byte order of this machine, of tensors, pictures, numbers or texts."""
    if isinstance(given, list | tuple) and given and isinstance(given[0], Tensor | Image.Image):
        return _joined(what, [_plain(what, each) for each in given], is_batched=False)
    try:
        if isinstance(given, Image.Image) and given.mode in ("1", "P"):
            given = given.convert("L" if given.mode == "1" else "RGB")
        if isinstance(given, Tensor):
            dense = given.detach().to_dense().cpu()
            given = (dense.float() if dense.dtype == torch.bfloat16 else dense).numpy()
        values = np.asarray(given)
    except Exception as error:  # rows of several lengths, tensors that NumPy does not know, ...
        reason = "rows of different shapes" if "inhomogeneous" in f"{error}" else _first_line(error)
        raise InputError(f"{what} cannot be read as one array: {reason}") from error
    return values.astype(values.dtype.newbyteorder("="), copy=False)


# --- inputs -------------------------------------------------------------------------------------


def example_inputs(what: str, given: Any) -> Tensor:
    """Bytes of pictures, or numbers in single precision.

    Raises
    ------
    InputError
        If they are not one row for each example, or not finite.
    """
    values = _examples(what, given)
    return _pictures(what, values) if _kind(values) != "numbers" else _finite(what, values).float()


def _inputs(name: str, given: Arrays) -> dict[str, Tensor]:
    """Those of all parts, alike in kind, shape and precision."""
    values = {key: _examples(f"{name}: {key}", value) for key, value in given.items()}
    kinds = {key: _kind(value) for key, value in values.items()}
    for key, kind in kinds.items():
        if kind != kinds["x"]:
            raise InputError(f"{name}: {key} has {kind}, x has {kinds['x']}; wanted is one kind")
    if kinds["x"] == "numbers":
        numbers = {key: _finite(f"{name}: {key}", value) for key, value in values.items()}
        _check_shapes(name, numbers)
        return _precise(name, numbers)
    pictures = {key: _pictures(f"{name}: {key}", value) for key, value in values.items()}
    _check_shapes(name, pictures)
    return pictures


def _examples(what: str, given: Any) -> np.ndarray:
    values = _array(what, given)
    if values.ndim < 2:
        raise InputError(f"{what} has shape {values.shape}; wanted is one row for each example")
    if 0 in values.shape:
        raise InputError(f"{what} is empty: its shape is {values.shape}")
    return values


def _kind(values: np.ndarray) -> str:
    if values.ndim not in (3, 4) or values.dtype not in (np.uint8, np.uint16, np.int16):
        return "numbers"
    if values.dtype == np.int16 and values.min() < 0:
        return "numbers"
    return f"{8 * values.dtype.itemsize}-bit pictures"


def _pictures(what: str, values: np.ndarray) -> Tensor:
    pictures = _channels_first(values)
    if values.dtype == np.uint8:
        return torch.from_numpy(pictures)
    logger.warning("%s: 16-bit pictures, 0 to 65535 becomes 0 to 1", what)
    return torch.from_numpy((pictures / 65535).astype(np.float32))


def _channels_first(pictures: np.ndarray) -> np.ndarray:
    """(N, C, H, W)."""
    if pictures.ndim == 3:
        return np.ascontiguousarray(pictures[:, None])
    if pictures.shape[1] not in _CHANNELS and pictures.shape[3] in _CHANNELS:
        return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
    return np.ascontiguousarray(pictures)


def _array(what: str, given: Any) -> np.ndarray:
    values = _plain(what, given)
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
    if not any(needs_double(part) for part in parts.values()):
        return {key: part.float() for key, part in parts.items()}
    logger.warning(
        "%s: %s varies by less than 0.001 of its size and is kept in double precision; an exported "
        "model takes single: subtract a constant first", name, next(iter(parts)),
    )  # fmt: skip
    return {key: part.double() for key, part in parts.items()}


def _check_shapes(name: str, inputs: Mapping[str, Tensor]) -> None:
    first = inputs["x"]
    for key, value in inputs.items():
        if value.shape[1:] != first.shape[1:]:
            raise InputError(
                f"{name}: examples of {key} have shape {tuple(value.shape[1:])}, "
                f"those of x {tuple(first.shape[1:])}"
            )


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
    known = np.unique(y)
    names = None if given is None else _class_names(name, given)
    if y.dtype.kind == "U":
        found = tuple(known.tolist())
        for each in found if names else ():
            if each not in names:
                raise InputError(f"{name}: y has the class {each!r}, which classes does not name")
    else:
        if int(known[0]) < 0:
            raise InputError(f"{name}: y has the class {int(known[0])}; classes are 0, 1, ...")
        missing = np.flatnonzero(known != np.arange(len(known)))
        if len(missing):
            hint = "" if missing[0] else "; number the classes from 0"
            raise InputError(f"{name}: y has no example of class {missing[0]}{hint}")
        found = tuple(map(str, range(len(known))))
    if len(found) < 2:
        raise InputError(f"{name}: y has one class; wanted are two or more")
    if names and len(names) < len(found):
        raise InputError(f"{name}: y has {len(found)} classes, classes names {len(names)}")
    if names and len(names) > len(found):
        unseen = [each for each in names if each not in found] if y.dtype.kind == "U" else names
        raise InputError(
            f"{name}: y has no example of class {unseen[-1]}, which classes names: leave it out"
        )
    return names or found


def _class_names(name: str, given: Any) -> tuple[str, ...]:
    values = _plain(f"{name}: classes", given)
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
    if split.targets.ndim == 1:
        held, rest = stratified_rows(split.targets, share, seed)
    else:
        held, rest = split_rows(len(split), share, seed)
    if not len(held):
        raise InputError(f"{name}: {len(split)} examples are too few to hold any out")
    return held, rest


def _check_varying(name: str, train: Split) -> None:
    """Refuse targets that do not vary, and say which inputs do not."""
    if train.targets.ndim == 2:
        constant = (column_spread(train.targets)[0] == 0).nonzero()[:, 0].tolist()
        if constant:
            which = f" in column {constant[0]}" if train.targets.shape[1] > 1 else ""
            value = float(train.targets[0, constant[0]])
            raise InputError(f"{name}: y does not vary{which}: it is always {value:g}")
    if train.inputs.is_floating_point():
        constant = (column_spread(train.inputs)[0] == 0).nonzero()[:, 0].tolist()
        if constant:
            noun = counted(len(constant), "column" if train.inputs.ndim == 2 else "channel")
            logger.warning("%s: %s of x constant, the first is %d", name, noun, constant[0])
