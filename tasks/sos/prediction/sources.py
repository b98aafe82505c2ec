"""Where a training takes its polynomials from: families drawn on the fly, or stored shards.

A source gives example k of a purpose. Purposes never share examples: on the fly each has a seed of
its own; of shards, training reads the split `train` (in a new random order every epoch), validation
and calibration disjoint parts of the split `validation`, the final comparison the split `test`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from tasks.records import InputError, derive_seed
from tasks.sos.prediction.config import TrainConfig
from tasks.sos.prediction.examples import Example, Ranges, draw_example
from tasks.sos.sampling.cells import Cell
from tasks.sos.sampling.reading import ShardReader, permuted, shard_paths

__all__ = ["Purpose", "Source", "inputs_of", "source"]

Purpose = Literal["training", "validation", "calibration", "test"]
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

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.ranges = Ranges(
            (2, config.max_variables), (2, config.max_half_degree), (5, config.max_size)
        )

    def example(self, purpose: Purpose, number: int) -> Example:
        """Example of the stream of this purpose."""
        seed = derive_seed(self.config.seed, "sos-train", purpose)
        return draw_example(seed, number, families=self.config.families, ranges=self.ranges)

    def available(self, purpose: Purpose, wanted: int) -> int:
        """All."""
        return wanted


class ShardSource:
    """Rows of stored shards, memory-mapped."""

    def __init__(self, config: TrainConfig) -> None:
        self.seed = derive_seed(config.seed, "sos-train", "shards")
        self.validation = config.validation
        self.readers = {
            split: ShardReader(config.shards, split=split, families=config.families)
            for split in ("train", "validation", "test")
        }

    def example(self, purpose: Purpose, number: int) -> Example:
        """Row of the split in an order that depends on seed and epoch alone."""
        reader = self.readers[_SPLITS[purpose]]
        place = number + (self.validation if purpose == "calibration" else 0)
        epoch, position = divmod(place, max(reader.num_rows, 1))
        key = derive_seed(self.seed, purpose if purpose == "training" else "held-out", epoch)
        [index] = permuted(np.array([position]), reader.num_rows, key).tolist()
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
            raise InputError(
                f"the shards have {count} rows in the split {split}, none for the {purpose}: "
                "give more shards, or a smaller `validation`"
            )
        return wanted if purpose == "training" else min(wanted, left)


_SPLITS: dict[Purpose, Literal["train", "validation", "test"]] = {
    "training": "train",
    "validation": "validation",
    "calibration": "validation",
    "test": "test",
}


@lru_cache(maxsize=2)
def source(config: TrainConfig) -> Source:
    """The source that a config asks for."""
    return ShardSource(config) if config.shards else FamilySource(config)


def inputs_of(shards: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of every shard, in order.

    Raises
    ------
    InputError
        For a place without shards.
    """
    return tuple((path.name, _digest(path)) for path in shard_paths(shards))


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            total.update(part)
    return total.hexdigest()
