"""Models that are being made, block by block: what is done survives a kill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from tasks.nn.files import load_tensors
from tasks.nn.sparsity import Masks
from tasks.pruning.language.making.stored_models import (
    CHECKPOINTS,
    ID_DIGITS,
    PartFile,
    StoredModel,
    mask_ids,
    store_part,
    unpacked,
)
from tasks.records import StoreError, canonical_json
from tasks.records.rows import Row
from tasks.records.volume import Volume

__all__ = ["UnfinishedModel"]


class UnfinishedModel:
    """A model that is being made, block by block; what is done survives a kill.

    Parameters
    ----------
    folder : str
        Of the run.
    key : str
        Of the item.
    origin : str
        What the model is made from; blocks of another origin are made again.
    parent : StoredModel, optional
        Its parts precede those of the model.
    """

    def __init__(
        self, folder: str, key: str, origin: str, parent: StoredModel | None = None
    ) -> None:
        self.folder, self.origin = folder, origin
        self.parent = parent.parts if parent else ()
        self._volume, self._path = Volume.open(folder), f"{CHECKPOINTS}/running-{key}.json"
        self._done: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        if not self._volume.exists(self._path):
            return {}
        try:
            found = json.loads(bytes(self._volume.read(self._path)))
        except ValueError:
            return {}
        return found["done"] if found.get("origin") == self.origin else {}

    def done(self, name: str) -> tuple[PartFile, list[Row]] | None:
        """The part and the rows of a block, if it is done."""
        entry = self._done.get(name)
        if entry is None or not self._is_whole(PartFile.read(entry["part"])):
            return None
        return PartFile.read(entry["part"]), entry["rows"]

    def content(self, part: PartFile) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Tensors and masks of a part."""
        stored = load_tensors(f"{self.folder}/{part.path}")
        packed = stored.below("mask.")
        masks = {name: unpacked(bits, part.masks[name]) for name, bits in packed.items()}
        return stored.below("model."), masks

    def _is_whole(self, part: PartFile) -> bool:
        try:
            load_tensors(f"{self.folder}/{part.path}")
        except StoreError:
            return False
        return True

    def add(
        self, name: str, changed: Mapping[str, Tensor], masks: Masks, rows: Sequence[Row] = ()
    ) -> PartFile:
        """Store a block, and that it is done."""
        part = store_part(self.folder, changed, masks)
        self._done[name] = {"part": part.entry(), "rows": [dict(row) for row in rows]}
        data = canonical_json({"origin": self.origin, "done": self._done}).encode()
        self._volume.write(self._path, data)
        return part

    def finish(self, header: Mapping[str, Any]) -> str:
        """Write the index of the model; its id."""
        own = [PartFile.read(entry["part"]) for entry in self._done.values()]
        parts = [*self.parent, *own]
        entries = [part.entry() for part in parts]
        index = {"parts": entries, "header": {**header, "mask": mask_ids(parts)}}
        data = canonical_json(index).encode()
        checkpoint = hashlib.sha256(data).hexdigest()[:ID_DIGITS]
        self._volume.write(f"{CHECKPOINTS}/{checkpoint}.json", data)
        return checkpoint

    def forget(self) -> None:
        """Remove what tells of blocks that are done, now that the rows are."""
        if self._volume.exists(self._path):
            self._volume.remove(self._path)
