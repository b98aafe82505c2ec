"""Files of tensors: safetensors, with one JSON header.

The *digest* is the SHA-256 of names, types, shapes and bytes of all tensors (by name) and of the
header's other entries.  It names the content, not the file: the same state has the same digest
wherever and whenever it is saved, and a file whose bytes were damaged is refused.

A file appears whole or not at all (`tasks.records.volume`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from tasks.records import InputError, StoreError, canonical_json
from tasks.records.volume import Volume

_HEADER = "latticework"
"""The only key of the file's metadata: safetensors does not keep an order of several."""
_NAME_DIGITS = 16


class DamagedFileError(StoreError):
    """A file's bytes are not those of a checkpoint that was written whole."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Tensors by name and the caller's JSON entries.

    Attributes
    ----------
    tensors : dict of Tensor
    extra : dict
    digest : str
        64 hex digits.
    """

    tensors: dict[str, Tensor]
    extra: dict[str, Any]
    digest: str

    def below(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose names begin with `prefix`, by the rest of their names."""
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }


def save_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], extra: Mapping[str, Any] | None = None
) -> str:
    """Write tensors and JSON entries to a file, whole or not at all; returns the digest.

    Parameters
    ----------
    path : path
        The file, local or in an object store; an existing one is replaced.
    tensors : mapping of Tensor
        Any type and device; tensors that share memory are written separately.
    extra : mapping, optional
        Plain JSON data, NaN and infinity excluded.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    volume, name = _place(path)
    digest, content = _encoded(tensors, dict(extra or {}))
    volume.write(name, content)
    return digest


def store_tensors(
    folder: str | Path, tensors: Mapping[str, Tensor], extra: Mapping[str, Any] | None = None
) -> Path:
    """Write ``<first 16 digits of the digest>.safetensors`` in a folder; returns its path."""
    digest, content = _encoded(tensors, dict(extra or {}))
    name = f"{digest[:_NAME_DIGITS]}.safetensors"
    Volume.open(folder).write(name, content)
    return Path(folder) / name


def is_stored(path: str | Path) -> bool:
    """Whether there is a file at a path or URI."""
    volume, name = _place(path)
    return volume.exists(name)


def load_tensors(path: str | Path, content: np.ndarray | None = None) -> Checkpoint:
    """Read what `save_tensors` wrote, onto the CPU.

    Parameters
    ----------
    path : path
    content : ndarray of uint8, optional
        The file's bytes, if they are at hand; they are checked as those of the file would be.

    Raises
    ------
    DamagedFileError
        If it is not a checkpoint of this project, or is damaged.
    StoreError
        If the file is missing or cannot be read.
    """
    volume, name = _place(path)
    data = bytes(volume.read(name) if content is None else content)
    try:
        tensors, header = parse_tensors(data), json.loads(_header(data))
        extra, wanted = header["extra"], header["digest"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{path}: is no checkpoint of latticework: {error}") from error
    digest = tensors_digest(tensors, extra)
    if digest != wanted:
        raise DamagedFileError(f"{path}: is damaged: its content differs from its digest")
    return Checkpoint(tensors, extra, digest)


def tensors_digest(tensors: Mapping[str, Tensor], extra: Mapping[str, Any] | None = None) -> str:
    """64 hex digits that equal tensors with equal entries share, on any device."""
    total = hashlib.sha256(canonical_json(dict(extra or {})).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        if tensor.numel():
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def check_fit(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> None:
    """Refuse tensors whose names or shapes are not those wanted, naming the first that differs."""
    for name in sorted(given.keys() ^ wanted.keys()):
        state = "is missing from" if name in wanted else "is not wanted but in"
        raise InputError(f"{name} {state} {what}: it belongs to another model")
    for name, tensor in sorted(given.items()):
        if tensor.shape != wanted[name].shape:
            raise InputError(
                f"{name} has shape {tuple(tensor.shape)} in {what}, "
                f"the model has {tuple(wanted[name].shape)}"
            )


def plain_tensor(tensor: Tensor) -> Tensor:
    """A copy on the CPU, in the usual order of memory."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _place(path: str | Path) -> tuple[Volume, str]:
    folder, _, name = str(path).rpartition("/")
    return Volume.open(folder or "."), name


def _encoded(tensors: Mapping[str, Tensor], extra: dict[str, Any]) -> tuple[str, bytes]:
    plain = {name: plain_tensor(tensors[name]) for name in sorted(tensors)}
    extra = json.loads(canonical_json(extra))
    digest = tensors_digest(plain, extra)
    header = canonical_json({"digest": digest, "extra": extra})
    return digest, dump_tensors(plain, metadata={_HEADER: header})


def _header(data: bytes) -> str:
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size])["__metadata__"][_HEADER]
