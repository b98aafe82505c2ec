"""Reading shards for training: memory-mapped, shuffled, shared by ranks, resumable.

Row k of an epoch is row s_e(k) of the chosen split, with s_e a permutation by a Feistel network
under a key made of seed and epoch: it needs no memory, and starts anywhere.  Rank r of w takes the
places r, r + w, r + 2w, ...; all ranks get the same number of rows.  What is kept in memory is one
number of four bytes per row of the split.  Terms that compact rows lack are generated again, and
content and basis with them, which have to be those that are stored.

>>> from tasks.sos.sampling.reading import ShardReader
>>> ShardReader([], split="train").num_rows
0
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.records import InputError, StoreError, derive_seed
from tasks.sos.sampling.schema import COMPACT_SCHEMA, SPLITS, Split
from tasks.sos.sampling.shards import RowName, regenerate, split_codes

TABLE = "polynomials"
_BLOCK = 4096
_ROUNDS = 4
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27))


@dataclass(frozen=True, eq=False)
class PolynomialRow:
    """A polynomial with its basis, as a model is trained on it.

    Attributes
    ----------
    exponents : int16 (T, n)
        Terms in graded lexicographic order.
    coefficients : float64 (T,)
    basis : int16 (m, n)
        In graded lexicographic order.
    num_variables, half_degree : int
        n and d.
    dataset : str
        Name of the data set, which begins with the family.
    row : int
        Number of the row in it.
    """

    exponents: NDArray[np.int16]
    coefficients: NDArray[np.float64]
    basis: NDArray[np.int16]
    num_variables: int
    half_degree: int
    dataset: str
    row: int


def shard_paths(places: Iterable[str | Path]) -> list[Path]:
    """Files of shards: given ones, and those in the folders of runs, sorted.

    Raises
    ------
    InputError
        For a place that does not exist, a folder without shards, or a file that is named twice.
    """
    found: list[Path] = []
    for place in map(Path, places):
        files = sorted((place / TABLE).glob("*.arrow")) if place.is_dir() else [place]
        if not files or not all(file.is_file() for file in files):
            raise InputError(f"{place}: no shards there; give Arrow files or folders of runs")
        found += files
    seen: set[Path] = set()
    for file in found:
        if file.resolve() in seen:
            raise InputError(f"{file}: named twice, its rows would be read twice; name it once")
        seen.add(file.resolve())
    return found


class _Batch:
    """A memory-mapped record batch with its rows of one split."""

    def __init__(self, path: Path, batch: pa.RecordBatch, chosen: NDArray[np.uint32]) -> None:
        self.path, self.chosen = path, chosen
        self._content = batch.column("content").to_numpy()
        self._rows = batch.column("row").to_numpy()
        self._seed = batch.column("seed")[0].as_py()
        self._n = batch.column("num_variables").to_numpy()
        self._half_degree = batch.column("half_degree").to_numpy()
        self._dataset = batch.column("dataset")
        names = {"basis", "exponents", "coefficients"} & set(batch.schema.names)
        lists = {name: batch.column(name) for name in names}
        # Offsets and values, without a copy.
        self._lists = {k: (v.offsets.to_numpy(), v.values.to_numpy()) for k, v in lists.items()}

    def row(self, index: int) -> PolynomialRow:
        """The chosen row at an index."""
        i = int(self.chosen[index])
        n, number = int(self._n[i]), int(self._rows[i])
        dataset = self._dataset[i].as_py()
        basis = self._list("basis", i).reshape(-1, n)
        if "exponents" in self._lists:
            exponents = self._list("exponents", i).reshape(-1, n).astype(np.int16)
            coefficients = self._list("coefficients", i)
        else:
            name, content = RowName(dataset, self._seed, number), int(self._content[i])
            place = str(self.path)
            exponents, coefficients = regenerate(name, content=content, basis=basis, place=place)
        return PolynomialRow(
            exponents,
            np.ldexp(coefficients.astype(np.float64), -32),
            basis.astype(np.int16),
            n,
            int(self._half_degree[i]),
            dataset,
            number,
        )

    def _list(self, name: str, i: int) -> NDArray[Any]:
        offsets, values = self._lists[name]
        return values[offsets[i] : offsets[i + 1]]


class ShardReader:
    """Rows of shards in a random order that depends on seed and epoch alone.

    Parameters
    ----------
    places : iterable of str or Path
        Files of shards, or folders of runs of the flow `sos-dataset`.
    split : Split
        Which rows.
    seed : int
        Root of the permutations.
    rank, world_size : int
        Which share of the rows: those of different ranks are disjoint and of one size.
    families : collection of str
        Rows of these families only; of all if it is empty.
    sums_of_squares : bool
        Leave out rows that are not sums of squares.

    Attributes
    ----------
    num_rows : int
        Rows of all ranks.
    """

    def __init__(
        self,
        places: Iterable[str | Path],
        *,
        split: Split = "train",
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        families: Collection[str] = (),
        sums_of_squares: bool = True,
    ) -> None:
        if not 0 <= rank < world_size:
            raise InputError(f"rank {rank} of {world_size}: ranks count from 0")
        self._seed, self._rank, self._world_size = seed, rank, world_size
        self._batches = [
            _Batch(path, batch, chosen)
            for path in shard_paths(places)
            for batch in _record_batches(path)
            if len(chosen := _chosen(batch, split, families, sums_of_squares))
        ]
        self._ends = np.cumsum([len(batch.chosen) for batch in self._batches], dtype=np.int64)
        self.num_rows = int(self._ends[-1]) if self._batches else 0

    def __len__(self) -> int:
        """Rows of this rank in an epoch."""
        return self.num_rows // self._world_size

    def rows(self, epoch: int = 0, position: int = 0) -> Iterator[PolynomialRow]:
        """The rows of this rank in an epoch, from a position in 0..len(self) on."""
        for start in range(position, len(self), _BLOCK):
            places = np.arange(start, min(start + _BLOCK, len(self))) * self._world_size
            for index in self.order(places + self._rank, epoch).tolist():
                yield self[index]

    def order(self, places: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Indices of the rows at these places, in 0..num_rows - 1, of an epoch."""
        return permuted(places, self.num_rows, derive_seed(self._seed, "sos-shuffle", epoch))

    def __getitem__(self, index: int) -> PolynomialRow:
        """The row at an index in stored order, of all ranks.

        Raises
        ------
        IndexError
            For one that is not in 0..num_rows - 1.
        StoreError
            If a compact row is not what is generated again.
        """
        if not 0 <= index < self.num_rows:
            raise IndexError(f"row {index} of {self.num_rows}")
        k = int(np.searchsorted(self._ends, index, side="right"))
        batch = self._batches[k]
        return batch.row(index - int(self._ends[k]) + len(batch.chosen))


def _record_batches(path: Path) -> list[pa.RecordBatch]:
    """Memory-mapped batches of a shard.

    Raises
    ------
    StoreError
        If the file is damaged.
    InputError
        If it holds something else.
    """
    try:
        with pa.memory_map(str(path)) as source:
            file = pa.ipc.open_file(source)
            batches = [file.get_batch(k) for k in range(file.num_record_batches)]
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path}: cannot be read as a shard: {error}") from error
    absent = [name for name in COMPACT_SCHEMA.names if name not in file.schema.names]
    if absent:
        raise InputError(f"{path}: is no shard of sos-dataset: it has no column {absent[0]}")
    return batches


def _chosen(
    batch: pa.RecordBatch, split: Split, families: Collection[str], sums_of_squares: bool
) -> NDArray[np.uint32]:
    """Indices of the rows that are wanted."""
    wanted = split_codes(batch.column("content").to_numpy()) == SPLITS.index(split)
    if sums_of_squares:
        wanted &= batch.column("is_sos").to_numpy(zero_copy_only=False)
    if families:
        wanted &= np.isin(batch.column("family").to_pylist(), list(families))
    return np.flatnonzero(wanted).astype(np.uint32)


def permuted(places: NDArray[np.int64], count: int, key: int) -> NDArray[np.int64]:
    """Images of places in 0..count - 1 under a pseudorandom permutation of that set.

    A Feistel network permutes 0..4^b - 1, with 4^b >= count; images outside are mapped again.
    """
    bits = max(1, ((count - 1).bit_length() + 1) // 2)
    values = places.astype(np.uint64)
    outside = np.ones(len(values), dtype=bool)
    while outside.any():
        values[outside] = _feistel(values[outside], np.uint64(bits), key)
        outside = values >= np.uint64(count)
    return values.astype(np.int64)


def _feistel(values: NDArray[np.uint64], bits: np.uint64, key: int) -> NDArray[np.uint64]:
    mask = (np.uint64(1) << bits) - np.uint64(1)
    left, right = values >> bits, values & mask
    for turn in range(_ROUNDS):
        mixed = right + np.uint64((key + turn * 0x9E3779B97F4A7C15) % 2**64)
        for shift, factor in zip(_SHIFTS, _MIX, strict=True):
            mixed = (mixed ^ (mixed >> shift)) * factor
        left, right = right, left ^ ((mixed >> np.uint64(31)) & mask)
    return (left << bits) | right
