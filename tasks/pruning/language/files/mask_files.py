"""Masks in files: one bit per weight.

``pruning/masks.safetensors`` holds, by name of the parameter, bytes (uint8) whose bits say which
weights are kept: bit i % 8 (1, 2, 4, ...) of byte i // 8 belongs to weight i, counted row by row in
the shape of the stored weight. The shapes stand as JSON in the metadata, under ``latticework``::

    {"masks": "bits", "shapes": {"model.layers.0.mlp.up_proj.weight": [1536, 576]}}

In Python: ``numpy.unpackbits(bits, bitorder="little", count=rows * width)``.

The file lies in a folder of its own, because programs that serve models read every safetensors file
beside ``config.json`` and would take masks, which have the names of weights, for weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tasks.pruning.language.files import load_packed
from tasks.pruning.language.files.tensor_files import (
    TensorFile,
    header_of,
    tensor_bytes,
    write_tensors,
)
from tasks.records import InputError
from tasks.records.errors import abridged

__all__ = [
    "MASKS",
    "StoredMasks",
    "has_masks",
    "open_masks",
    "open_packed",
    "pack_bits",
    "read_masks",
    "write_masks",
]

MASKS = "pruning/masks.safetensors"
ENTRY = "latticework"
_PLACES = (MASKS, "masks.safetensors")


def pack_bits(mask: Tensor) -> Tensor:
    """Bits of a mask, uint8 (ceil(number of weights / 8),)."""
    bits = np.packbits(mask.detach().cpu().numpy().reshape(-1), bitorder="little")
    return torch.from_numpy(bits)


def write_masks(path: Path, masks: Mapping[str, Tensor]) -> str:
    """Write masks, one in memory at a time; the SHA-256 of the file."""
    shapes = {name: tuple(masks[name].shape) for name in masks}
    sizes = {name: -(-torch.Size(shape).numel() // 8) for name, shape in shapes.items()}
    about = {"masks": "bits", "shapes": shapes}
    layout = {name: ("U8", (size,)) for name, size in sizes.items()}
    header = header_of(layout, {ENTRY: json.dumps(about, separators=(",", ":"))})
    return write_tensors(path, header, (tensor_bytes(pack_bits(masks[name])) for name in masks))


@dataclass(frozen=True, eq=False)
class StoredMasks(Mapping[str, Tensor]):
    """Masks by name of the parameter, each read when it is asked for.

    Attributes
    ----------
    shapes : mapping of tuple
        Of the stored weights.
    """

    file: TensorFile
    shapes: Mapping[str, tuple[int, ...]]

    def __getitem__(self, name: str) -> Tensor:
        tensor = self.file.read(name)
        if tensor.dtype == torch.bool:
            return tensor
        return load_packed.unpack_bits(tensor, self.shapes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def _mask_file(folder: Path) -> Path | None:
    places = (folder / place for place in (*_PLACES, load_packed.PACKED))
    return next((place for place in places if place.is_file()), None)


def has_masks(folder: Path) -> bool:
    """Whether a folder says which of its weights are kept."""
    return _mask_file(Path(folder)) is not None


def read_masks(folder: Path) -> Mapping[str, Tensor]:
    """Masks of a folder, compressed or not, by name of the parameter; bool, as weights are stored.

    Each is read when it is asked for. Files of boolean tensors are read too, and files beside the
    weights.

    Raises
    ------
    InputError
        Without masks, or for a damaged file.
    """
    path = _mask_file(Path(folder))
    if path is None:
        raise InputError(f"{abridged(str(folder))} has no {MASKS}")
    if path.name == load_packed.PACKED:
        return open_packed(Path(folder)).masks
    return open_masks(path)


def open_packed(folder: Path) -> load_packed.PackedWeights:
    """Packed weights of a compressed folder.

    Raises
    ------
    InputError
        Without such weights, or if their file is damaged.
    """
    path = Path(folder) / load_packed.PACKED
    if not path.is_file():
        raise InputError(f"{abridged(str(folder))} has no {path.name}: it is not compressed")
    TensorFile.open(path)
    try:
        return load_packed.PackedWeights(folder)
    except (TypeError, KeyError, ValueError) as error:
        raise InputError(f"{abridged(str(path))} does not say what is packed in it") from error


def open_masks(path: Path) -> StoredMasks:
    """Masks of a file.

    Raises
    ------
    InputError
        For a damaged file, or one with other content.
    """
    file = TensorFile.open(path)
    if all(entry.dtype == "BOOL" for entry in file.entries.values()):
        return StoredMasks(file, {name: entry.shape for name, entry in file.entries.items()})
    try:
        about = json.loads(file.metadata[ENTRY])
        shapes = {name: tuple(map(int, about["shapes"][name])) for name in file.entries}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{abridged(str(path))} does not hold masks: {error!r}") from error
    for name, shape in shapes.items():
        if file.entries[name].shape != (-(-torch.Size(shape).numel() // 8),):
            raise InputError(f"{abridged(str(path))}: {name} has bits of another shape")
    return StoredMasks(file, shapes)
