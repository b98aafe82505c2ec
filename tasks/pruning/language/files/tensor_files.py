"""Safetensors read and written one tensor at a time, so that a file may be larger than the memory.

A file is the length of a header (8 bytes, little endian), the header (JSON: the kind, shape and
place of every tensor by key), and the data. A copy with other numbers of the same kinds and shapes
therefore has the same header, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tasks.pruning.language.models.places import DTYPES, INDEX, WEIGHTS, shards
from tasks.records import InputError
from tasks.records.errors import abridged

__all__ = ["Entry", "TensorFile", "WeightFiles", "header_of", "tensor_bytes", "write_tensors"]

NAMES = {dtype: name for name, dtype in DTYPES.items()}
_CHUNK = 1 << 24
_METADATA = "__metadata__"


@dataclass(frozen=True)
class Entry:
    """Kind, shape and place (bytes from the start of the data) of a tensor in its file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class TensorFile:
    """A file, of which only the header is in memory.

    Attributes
    ----------
    header : bytes
        All that stands before the data.
    entries : mapping of Entry
        By key, in the order of the data.
    metadata : mapping of str
    """

    path: Path
    header: bytes
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]

    @classmethod
    def open(cls, path: Path) -> TensorFile:
        """Read the header.

        Raises
        ------
        InputError
            Without such a file, or for a damaged one.
        """
        try:
            with safe_open(path, framework="pt") as file:
                file.metadata()
        except (SafetensorError, OSError) as error:
            raise InputError(f"{abridged(str(path))} cannot be read: {error}") from error
        with path.open("rb") as raw:
            start = raw.read(8)
            header = start + raw.read(int.from_bytes(start, "little"))
        parsed = json.loads(header[8:])
        metadata = parsed.pop(_METADATA, None) or {}
        entries = {
            key: Entry(about["dtype"], tuple(about["shape"]), *about["data_offsets"])
            for key, about in sorted(parsed.items(), key=lambda each: each[1]["data_offsets"])
        }
        return cls(path, header, entries, metadata)

    def read(self, key: str) -> Tensor:
        """One tensor.

        Raises
        ------
        InputError
            For numbers of a kind that PyTorch does not compute with.
        """
        entry = self.entries[key]
        if entry.dtype not in DTYPES:
            raise InputError(f"{key} holds numbers of kind {entry.dtype}, which are not read")
        data = bytearray(entry.end - entry.start)
        with self.path.open("rb") as raw:
            raw.seek(len(self.header) + entry.start)
            raw.readinto(data)
        if not data:
            return torch.empty(entry.shape, dtype=DTYPES[entry.dtype])
        return torch.frombuffer(data, dtype=DTYPES[entry.dtype]).view(entry.shape)

    def chunks(self, key: str) -> Iterator[bytes]:
        """The bytes of one tensor, some megabytes at a time."""
        entry = self.entries[key]
        with self.path.open("rb") as raw:
            raw.seek(len(self.header) + entry.start)
            left = entry.end - entry.start
            while left:
                data = raw.read(min(_CHUNK, left))
                left -= len(data)
                yield data


@dataclass(frozen=True, eq=False)
class WeightFiles:
    """The weights of a Hugging Face folder: ``model.safetensors``, or shards and their index.

    Attributes
    ----------
    files : tuple of TensorFile
    places : mapping of TensorFile
        By key, the file that holds the tensor.
    """

    folder: Path
    files: tuple[TensorFile, ...]
    places: Mapping[str, TensorFile]

    @classmethod
    def open(cls, folder: Path) -> WeightFiles:
        """Read the headers.

        Raises
        ------
        InputError
            Without weights, or if files of them are missing, damaged or disagree with the index.
        """
        listed = shards(folder)
        names = sorted(set(listed.values())) or [WEIGHTS]
        files = tuple(TensorFile.open(folder / name) for name in names)
        places = {key: file for file in files for key in file.entries}
        if len(places) < sum(len(file.entries) for file in files):
            raise InputError(f"{abridged(str(folder))}: two of its shards hold the same tensor")
        wrong = [k for k, name in listed.items() if k not in places or places[k].path.name != name]
        if wrong:
            raise InputError(
                f"{abridged(str(folder))}: {INDEX} says that {listed[wrong[0]]} holds "
                f"{wrong[0]}, which it does not"
            )
        return cls(folder, files, places)

    @property
    def index(self) -> Path | None:
        """The list of shards."""
        is_single = self.files[0].path.name == WEIGHTS
        return None if is_single else self.folder / INDEX

    @cached_property
    def layout(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Kind of numbers and shape of every tensor, by key."""
        entries = {key: file.entries[key] for key, file in self.places.items()}
        return {key: (entry.dtype, entry.shape) for key, entry in entries.items()}

    def read(self, key: str) -> Tensor:
        """One tensor."""
        return self.places[key].read(key)


def header_of(
    layout: Mapping[str, tuple[str, tuple[int, ...]]], metadata: Mapping[str, str]
) -> bytes:
    """Header of a file whose data lie in this order.

    Tensors whose numbers have more bytes have to come first: readers map the file into memory,
    where a number of 2 bytes cannot start at an odd place.
    """
    entries: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    place = 0
    for key, (dtype, shape) in layout.items():
        size = DTYPES[dtype].itemsize
        end = place + size * torch.Size(shape).numel()
        entries[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, end]}
        if place % size:
            raise ValueError(f"{key} would start at byte {place}, within a number")
        place = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def tensor_bytes(tensor: Tensor) -> memoryview:
    """The bytes of a tensor as files have them: rows one after the other."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def write_tensors(path: Path, header: bytes, data: Iterable[bytes | memoryview]) -> str:
    """Write a file, sync it; its SHA-256 in hexadecimal digits."""
    digest = hashlib.sha256(header)
    with path.open("wb") as file:
        file.write(header)
        for piece in data:
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
