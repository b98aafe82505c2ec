"""Where a training takes its polynomials from: families drawn on the fly, or stored shards.

A source gives example k of a purpose. Drawn on the fly, no polynomial has two purposes: of 32 parts
of all contents validation, calibration and the final comparison have one each, training the others
less what data sets hold out. Of shards, training reads the split `train` (in a new random order
every epoch), validation and calibration different rows of the split `validation`, the final
comparison the split `test`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.records import InputError, StoreError, derive_seed
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.examples import Example, Ranges, draw_example
from tasks.sos.sampling.cells import Cell
from tasks.sos.sampling.reading import ShardReader, shard_paths
from tasks.sos.sampling.schema import SPLITS
from tasks.sos.sampling.shards import split_codes

__all__ = ["Purpose", "Source", "inputs_of", "source"]

Purpose = Literal["training", "validation", "calibration", "test"]
_HELD_OUT: tuple[Purpose, ...] = ("validation", "calibration", "test")
_NUM_PARTS = np.uint64(32)
_SPREAD, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
_CHUNK = 1 << 24


class Source(Protocol):
    """Examples by purpose and number."""

    def example(self, purpose: Purpose, number: int) -> Example:
        """One example."""
        ...

    def available(self, purpose: Purpose, wanted: int) -> int:
        """How many of the wanted examples there are."""
        ...


class FamilySource:
    """Families drawn on the fly, in turns."""

    def __init__(self, config: PredictorConfig) -> None:
        self.config = config
        self.ranges = Ranges(
            (2, config.max_variables), (2, config.max_half_degree), (5, config.max_size)
        )

    def example(self, purpose: Purpose, number: int) -> Example:
        """Example of the stream of this purpose, whose content is one of this purpose."""
        return draw_example(
            derive_seed(self.config.seed, "sos-train", purpose),
            number,
            families=self.config.families,
            ranges=self.ranges,
            wanted=partial(_is_for, purpose),
        )

    def available(self, purpose: Purpose, wanted: int) -> int:
        """All."""
        return wanted


def _is_for(purpose: Purpose, content: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether polynomials with these contents have this purpose; at most one purpose has them."""
    parts = ((content * _SPREAD) >> _SHIFT) % _NUM_PARTS
    if purpose != "training":
        return parts == _HELD_OUT.index(purpose)
    return (parts >= len(_HELD_OUT)) & (split_codes(content) == SPLITS.index("train"))


class ShardSource:
    """Rows of stored shards, memory-mapped."""

    def __init__(self, config: PredictorConfig) -> None:
        seed = derive_seed(config.seed, "sos-train", "shards")
        self.validation, self.families = config.validation, config.families
        self.readers = {
            split: ShardReader(config.shards, split=split, seed=seed, families=config.families)
            for split in ("train", "validation", "test")
        }

    def example(self, purpose: Purpose, number: int) -> Example:
        """Row of the split in an order that depends on seed and epoch alone."""
        reader = self.readers[_SPLITS[purpose]]
        place = number + (self.validation if purpose == "calibration" else 0)
        epoch, position = divmod(place, max(reader.num_rows, 1))
        [index] = reader.order(np.array([position]), epoch).tolist()
        row = reader[index]
        return Example(
            row.exponents.astype(np.int32),
            row.coefficients,
            row.basis.astype(np.int32),
            Cell.parse(row.dataset).family,
        )

    def available(self, purpose: Purpose, wanted: int) -> int:
        """As many as the split has; of training, which begins again, any number.

        Raises
        ------
        InputError
            If there are none.
        """
        split = _SPLITS[purpose]
        count = self.readers[split].num_rows
        left = count - (self.validation if purpose == "calibration" else 0)
        if left <= 0:
            hint = ", or a smaller `validation`" if count else ""
            raise InputError(
                f"the shards have {count} rows of the families {', '.join(self.families)} in the "
                f"split {split}, none for the {purpose}: give more shards{hint}"
            )
        return wanted if purpose == "training" else min(wanted, left)


_SPLITS: dict[Purpose, Literal["train", "validation", "test"]] = {
    "training": "train",
    "validation": "validation",
    "calibration": "validation",
    "test": "test",
}


@lru_cache(maxsize=2)
def source(config: PredictorConfig) -> Source:
    """The source that a config asks for."""
    return ShardSource(config) if config.shards else FamilySource(config)


def inputs_of(shards: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of every shard, in order.

    Raises
    ------
    InputError
        For a place without shards.
    StoreError
        If the sidecar of a shard in the folder of a run gives another SHA-256.
    """
    return tuple((path.name, _digest(path)) for path in shard_paths(shards))


def _digest(path: Path) -> str:
    found, sidecar = _sha256(path), path.with_suffix(".json")
    if sidecar.is_file() and f'"{found}"' not in sidecar.read_text(encoding="utf-8"):
        raise StoreError(f"{path}: sha256 differs from its sidecar; make the data set again")
    return found


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            total.update(part)
    return total.hexdigest()
