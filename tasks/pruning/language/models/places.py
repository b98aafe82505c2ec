"""Files of tensors by place: what is stored where, and mapped reading of what is asked for.

A file of safetensors begins with the length of a JSON header (8 bytes, little-endian) that gives
type, shape and place of every tensor.  A sharded folder has an index, ``weight_map``: name -> file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["DTYPES", "INDEX", "WEIGHTS", "TensorPlace", "read_places", "shards", "stored_places"]

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
PACKED = "model.packed.safetensors"
"""What an export with --compressed holds in place of these."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
"""Kinds of numbers that are read; others are only copied."""


@dataclass(frozen=True)
class TensorPlace:
    """Where a tensor is stored, and what it is.

    Attributes
    ----------
    file : str
        Name in the folder.
    key : str
        Name in the file.
    shape : tuple of int
    dtype : torch.dtype
    """

    file: str
    key: str
    shape: tuple[int, ...]
    dtype: torch.dtype


def stored_places(folder: Path) -> dict[str, TensorPlace]:
    """All tensors of a folder by their names in the files.

    Raises
    ------
    InputError
        If weights or a shard are missing, are a pickle, or are damaged.
    """
    index = shards(folder)
    if not index:
        return _header(folder, WEIGHTS)
    missing = sorted({file for file in index.values() if not (folder / file).is_file()})
    if missing:
        raise InputError(f"model folder {folder}: shard {missing[0]} of {INDEX} is missing")
    headers = {file: _header(folder, file) for file in sorted(set(index.values()))}
    for key, file in index.items():
        if key not in headers[file]:
            raise InputError(
                f"model folder {folder}: {file} lacks {key}, which {INDEX} says it has"
            )
    return {key: headers[file][key] for key, file in index.items()}


def shards(folder: Path) -> dict[str, str]:
    """Key of every tensor -> its file, as the index says; empty for ``model.safetensors`` alone.

    Raises
    ------
    InputError
        Without weights, or if the index names no files beside it.
    """
    if (folder / WEIGHTS).is_file():
        return {}
    if not (folder / INDEX).is_file():
        raise InputError(_nothing_there(folder))
    try:
        listed: Mapping[str, str] = json.loads((folder / INDEX).read_bytes())["weight_map"]
        index = {str(key): str(file) for key, file in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"model folder {folder}: {INDEX} holds no weight_map of names") from error
    if not index:
        raise InputError(f"model folder {folder}: {INDEX} lists no tensors")
    for file in index.values():
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise InputError(
                f"model folder {folder}: {INDEX} names {shortened(file)}; it may name safetensors "
                "beside it"
            )
    return index


def read_places(folder: Path, places: Mapping[str, TensorPlace]) -> dict[str, Tensor]:
    """Tensors by name, mapped from their files; what is written to them stays in memory."""
    files: dict[str, list[str]] = {}
    for name, place in places.items():
        files.setdefault(place.file, []).append(name)
    tensors = {}
    for file, names in files.items():
        with safe_open(folder / file, framework="pt") as stored:
            tensors |= {name: stored.get_tensor(places[name].key) for name in names}
    return {name: tensors[name] for name in places}


def _header(folder: Path, file: str) -> dict[str, TensorPlace]:
    """What a file holds; the library checks that all its bytes are there."""
    try:
        with safe_open(folder / file, framework="pt") as stored:
            parts = {key: stored.get_slice(key) for key in stored.keys()}  # noqa: SIM118
            found = {key: (part.get_dtype(), part.get_shape()) for key, part in parts.items()}
    except (SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"model folder {folder}: {file} is damaged, copy it again: {reason}"
        ) from error
    return {
        key: TensorPlace(file, key, tuple(shape), _type(folder, key, name))
        for key, (name, shape) in found.items()
    }


def _type(folder: Path, key: str, name: str) -> torch.dtype:
    if name not in DTYPES:
        raise InputError(
            f"model folder {folder}: {key} is stored as {name}; allowed are {', '.join(DTYPES)}, "
            "so save the model without quantization"
        )
    return DTYPES[name]


def _nothing_there(folder: Path) -> str:
    if (folder / PACKED).is_file():
        return (
            f"model folder {folder} holds packed weights; write them out first with "
            f"`python {folder / 'load_packed.py'} {folder} --to PLAIN`, and give PLAIN"
        )
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles:
        return (
            f"model folder {folder}: {pickles[0]} is a pickle, which can run code and is not read; "
            "load the model with transformers where you trust it and save_pretrained it again"
        )
    return f"model folder {folder} has no weights: wanted is {WEIGHTS}, or {INDEX} and its shards"
