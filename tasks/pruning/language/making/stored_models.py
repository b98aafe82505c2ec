"""Models of a run as files: what differs from the source, in parts of one block each.

    checkpoints/<part>.safetensors   tensors model.<name>, and mask.<name>: packed bits
    checkpoints/<id>.json            the model: its parts in order, of which later ones win, the
                                     shapes of masks, where it comes from
    checkpoints/running-<key>.json   parts of a model that is being made, block by block

Names are those of the source's parameters.  The *id* of a model is 16 digits of the digest of its
index, which names its parts by their content.  What several models have in common, such as masks,
is one file.  A pruned weight that has no tensor of its own is the source's under its mask.

A reader never holds more than one part and the tensors that it was asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from tasks.nn.files import DamagedFileError, load_tensors, store_tensors
from tasks.nn.sparsity import Masks
from tasks.records import canonical_json
from tasks.records.volume import Volume

__all__ = [
    "CHECKPOINTS",
    "PartFile",
    "Source",
    "StoredModel",
    "mask_ids",
    "store_part",
    "stray",
]

CHECKPOINTS = "checkpoints"
"""Folder of models within that of a run."""
ID_DIGITS = 16


class Source(Protocol):
    """Where tensors of a model come from."""

    @property
    def config(self) -> Any:
        """Of the architecture."""
        ...

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Some tensors, by the names of parameters."""
        ...


@dataclass(frozen=True)
class PartFile:
    """One file of a model.

    Attributes
    ----------
    file : str
        16 digits of the digest of its content.
    tensors : tuple of str
        Parameters that it has values of.
    masks : mapping
        Parameter -> shape of its mask.
    mask_ids : mapping
        Parameter -> digest of its mask.
    """

    file: str
    tensors: tuple[str, ...]
    masks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    mask_ids: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> PartFile:
        """Of an entry of an index."""
        shapes = {name: tuple(shape) for name, shape in entry["masks"].items()}
        return cls(entry["file"], tuple(entry["tensors"]), shapes, dict(entry["mask_ids"]))

    def entry(self) -> dict[str, Any]:
        """As plain data."""
        shapes = {name: list(shape) for name, shape in self.masks.items()}
        tensors, ids = list(self.tensors), dict(self.mask_ids)
        return {"file": self.file, "tensors": tensors, "masks": shapes, "mask_ids": ids}

    @property
    def path(self) -> str:
        """Within the folder of the run."""
        return f"{CHECKPOINTS}/{self.file}.safetensors"


def store_part(folder: str, changed: Mapping[str, Tensor], masks: Masks) -> PartFile:
    """Write tensors and masks as a file named by its content."""
    tensors = {f"model.{name}": value for name, value in changed.items()}
    packed = {name: _packed(mask) for name, mask in masks.items()}
    tensors |= {f"mask.{name}": bits for name, bits in packed.items()}
    file = store_tensors(f"{folder}/{CHECKPOINTS}", tensors).stem
    shapes = {name: tuple(mask.shape) for name, mask in masks.items()}
    ids = {name: _digest(f"{name}|{shapes[name]}", bits) for name, bits in packed.items()}
    return PartFile(file, tuple(changed), shapes, ids)


def mask_ids(parts: Sequence[PartFile]) -> str:
    """16 digits that models with equal masks share."""
    named: dict[str, str] = {}
    for part in parts:
        named |= part.mask_ids
    return hashlib.sha256(canonical_json(named).encode()).hexdigest()[:ID_DIGITS]


class StoredModel:
    """A model of a run, read tensor by tensor.

    Parameters
    ----------
    folder : str
        Of the run, a path or URI.
    checkpoint : str
        Its id; empty for the source itself.
    source : Source

    Raises
    ------
    StoreError
        If its index is missing, or damaged.
    """

    def __init__(self, folder: str, checkpoint: str, source: Source) -> None:
        self.folder, self.checkpoint, self.source = folder, checkpoint, source
        self.config = source.config
        index = _read_index(folder, checkpoint) if checkpoint else {"parts": [], "header": {}}
        self.parts = tuple(map(PartFile.read, index["parts"]))
        self.header: dict[str, Any] = index["header"]
        self._places = {name: part for part in self.parts for name in part.tensors}
        self._masks = {name: part for part in self.parts for name in part.masks}
        self._open: tuple[str, dict[str, Tensor]] = ("", {})

    @property
    def has_masks(self) -> bool:
        """Whether its zeros are kept."""
        return bool(self._masks) and self.header.get("masked", True)

    @cached_property
    def masked(self) -> tuple[str, ...]:
        """Names of the parameters that have masks, in the order of the parts."""
        return tuple(self._masks)

    @property
    def files(self) -> list[str]:
        """All its files, within the folder of the run."""
        index = [f"{CHECKPOINTS}/{self.checkpoint}.json"] if self.checkpoint else []
        return [*index, *dict.fromkeys(part.path for part in self.parts)]

    def read(self, names: Iterable[str]) -> dict[str, Tensor]:
        """Some tensors of the model, masks in force.

        Raises
        ------
        StoreError
            If a part is missing or damaged.
        """
        names = list(names)
        found = self.source.read([name for name in names if name not in self._places])
        for name in names:
            if name in self._places:
                found[name] = self.own_tensor(name)
            if self.has_masks and name in self._masks:
                found[name] = found[name].masked_fill(~self.mask(name), 0.0)
        return found

    def own_tensor(self, name: str) -> Tensor:
        """A tensor as its part holds it."""
        return self._content(self._places[name])[f"model.{name}"]

    def changed(self) -> Iterator[str]:
        """Names of the parameters with tensors of their own."""
        return iter(self._places)

    def mask(self, name: str) -> Tensor:
        """The mask of a parameter, bool, in its shape."""
        part = self._masks[name]
        return unpacked(self._content(part)[f"mask.{name}"], part.masks[name])

    def masks(self, names: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Masks by parameter; all by default."""
        return {name: self.mask(name) for name in (self.masked if names is None else names)}

    def num_lost(self, name: str) -> int:
        """Number of weights outside of a mask that are not zero."""
        return int((self.read([name])[name][~self.mask(name)] != 0).sum())

    def _content(self, part: PartFile) -> dict[str, Tensor]:
        if self._open[0] != part.file:
            stored = load_tensors(f"{self.folder}/{part.path}")
            if not stored.digest.startswith(part.file):
                raise DamagedFileError(f"{part.path}: its content is not what names it")
            self._open = (part.file, stored.tensors)
        return self._open[1]


def _read_index(folder: str, checkpoint: str) -> dict[str, Any]:
    path = f"{CHECKPOINTS}/{checkpoint}.json"
    data = bytes(Volume.open(folder).read(path))
    if not hashlib.sha256(data).hexdigest().startswith(checkpoint):
        raise DamagedFileError(f"{path}: is damaged: its content differs from its digest")
    return json.loads(data)


def stray(model: StoredModel, name: str) -> int:
    """Number of pruned entries of a tensor of its own that are not exactly +0."""
    if name not in set(model.changed()):
        return 0
    outside = model.own_tensor(name)[~model.mask(name)]
    return int(((outside != 0) | outside.signbit()).sum())


def _packed(mask: Tensor) -> Tensor:
    return torch.from_numpy(np.packbits(mask.detach().cpu().contiguous().numpy().reshape(-1)))


def unpacked(bits: Tensor, shape: Sequence[int]) -> Tensor:
    """A mask of its bits."""
    count = int(np.prod(shape))
    flat = np.unpackbits(bits.numpy(), count=count).astype(bool)
    return torch.from_numpy(flat).view(*shape)


def _digest(name: str, bits: Tensor) -> str:
    return hashlib.sha256(name.encode() + bits.numpy().tobytes()).hexdigest()[:ID_DIGITS]
