"""Sweeps: the real schemes of chosen sign vectors, evaluated one by one, shard by shard.

Every sign vector is evaluated by `gpu.schemes`, on the CPU or a GPU with the same result; what the
kernel leaves open is done by union-find (`gpu.isotopy`) and counted as such.  A shard is answered
with the schemes found, how often each was found, and the smallest witness of each.

With `min_ovals`, only schemes with so many ovals are answered.  Where it is faster, components are
counted first and only what has enough of them is evaluated (see `tasks.tcurves._prefilter`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gpu import isotopy
from gpu.backend import resolve_device
from gpu.schemes import FAILED, scheme_codes, sweep
from tasks.lattice import Triangulation, num_points
from tasks.records import Status, science_table, stream
from tasks.tcurves._prefilter import (
    LARGEST_SHARE_OF_BATCH,
    LARGEST_SHARE_OF_RANGE,
    SAMPLE,
    Prefilter,
)
from tasks.tcurves._sign_sources import (
    ball_size,
    ball_words,
    canonical_words,
    class_words,
    sample_words,
)
from tasks.tcurves.census import SchemeCount
from tasks.tcurves.patchwork import octant_grid, patchwork
from tasks.tcurves.run import histogram_columns
from tasks.tcurves.schema import SHARD_SCHEMA, SWEEP_SCHEMA
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.signs import as_word, gauge_points, harnack_signs
from tasks.tcurves.sweep_plan import SweepConfig, SweepItem

logger = logging.getLogger(__name__)

SWEEP_TABLES = ("sweep", "shards")
BATCH = 1 << 21
"""Sign vectors held in memory at a time: 16 MiB of words."""


class _Histogram:
    """Codes of schemes with enough ovals, with their counts and smallest witnesses."""

    def __init__(self, min_ovals: int) -> None:
        self.min_ovals = min_ovals
        self.rows: dict[int, tuple[int, int]] = {}
        self.redone = 0

    def add(self, codes: NDArray, counts: NDArray, witnesses: NDArray) -> None:
        """Add rows (k,), whose codes differ."""
        for code, count, witness in zip(
            *(a.tolist() for a in (codes, counts, witnesses)), strict=True
        ):
            if code.bit_count() < self.min_ovals:
                continue
            total, smallest = self.rows.get(code, (0, witness))
            self.rows[code] = (total + count, min(smallest, witness))

    def add_words(self, codes: NDArray[np.int64], words: NDArray[np.int64]) -> None:
        """Add evaluations (B,) of sign vectors (B,)."""
        order = np.argsort(codes)
        found, first, counts = np.unique(codes[order], return_index=True, return_counts=True)
        smallest = np.minimum.reduceat(words[order], first) if words.size else words
        self.add(found, counts, smallest)

    def schemes(self, degree: int) -> list[SchemeCount]:
        """List the schemes in their order."""
        rows = [
            SchemeCount(Scheme.from_code(code, pseudo_line=bool(degree % 2)), count, witness)
            for code, (count, witness) in self.rows.items()
        ]
        return sorted(rows, key=lambda row: row.scheme.sort_key)


def run_sweep_item(item: SweepItem) -> dict[str, pa.Table]:
    """Evaluate one shard.

    Returns
    -------
    dict
        Tables ``sweep`` and ``shards``.

    Raises
    ------
    DeviceUnavailableError
        If the device is cuda and this machine has none.
    """
    histogram = _Histogram(item.config.min_ovals)
    if item.config.signs == "range":
        _sweep_range(item, histogram)
    else:
        for words in _batches(item):
            sample = words[_sample(words.size)]
            prefilter = _prefilter(item, sample, LARGEST_SHARE_OF_BATCH)
            _evaluate(item, prefilter.keep(words) if prefilter else words, histogram)
    schemes = histogram.schemes(item.triangulation.degree)
    logger.info("%s: %d schemes of %d sign vectors", item.key, len(schemes), len(item.part))
    if histogram.redone:
        logger.warning("%s: %d sign vectors done by union-find", item.key, histogram.redone)
    shard = _shard_table(
        item, num_schemes=len(schemes), evaluations=len(item.part), redone=histogram.redone
    )
    return {"sweep": _sweep_table(item, schemes), "shards": shard}


def _sweep_range(item: SweepItem, histogram: _Histogram) -> None:
    """Evaluate sign classes in order; all of them again by union-find if the kernel left any."""
    degree = item.triangulation.degree
    begin, end = (item.config.begin + i for i in (item.part.start, item.part.stop))
    fixed = gauge_points(degree)
    free = np.array([p for p in range(num_points(degree)) if p not in fixed], dtype=np.int64)
    sample = class_words(degree, begin + _sample(end - begin))
    if prefilter := _prefilter(item, sample, LARGEST_SHARE_OF_RANGE):
        for words in prefilter.search(free, begin, end, capacity=BATCH):
            _evaluate(item, words, histogram)
        return
    triangles = item.triangulation.triangles.astype(np.uint8)
    counts = sweep(triangles, octant_grid(degree), free, begin, end, device=item.config.device)
    if not counts.failures:
        histogram.add(counts.codes, counts.counts, counts.witnesses)
        return
    histogram.redone = counts.failures
    for start in range(begin, end, BATCH):
        numbers = np.arange(start, min(start + BATCH, end), dtype=np.int64)
        words = class_words(degree, numbers)
        histogram.add_words(_codes_by_union_find(item.triangulation, words), words)


def _sample(size: int) -> NDArray[np.int64]:
    """Draw numbers below `size`; they decide how a sweep is done, never what it finds."""
    return np.random.default_rng(0).integers(0, size, SAMPLE)


def _prefilter(
    item: SweepItem, sample: NDArray[np.int64], largest_share: float
) -> Prefilter | None:
    """Return what counts components first, None if that would be slower."""
    if not item.config.min_ovals or resolve_device(item.config.device) == "cuda":
        return None
    prefilter = Prefilter(item.triangulation, item.config.min_ovals)
    return prefilter if prefilter.share(sample) <= largest_share else None


def _batches(item: SweepItem) -> Iterator[NDArray[np.int64]]:
    """Make the canonical words of a shard of random signs or of balls, batch by batch."""
    degree, part, config = item.triangulation.degree, item.part, item.config
    content = item.triangulation.content_hash()
    rng = stream(config.seed, "signs", content, item.shard)
    for start in range(part.start, part.stop, BATCH):
        stop = min(start + BATCH, part.stop)
        if config.signs == "random":
            yield sample_words(degree, stop - start, rng)
        else:
            yield canonical_words(degree, _words_of_balls(config, degree, start, stop))


def _words_of_balls(config: SweepConfig, degree: int, begin: int, end: int) -> NDArray[np.int64]:
    """List the sign vectors begin <= i < end of all balls, one ball after the other."""
    centers = config.centers or (as_word(harnack_signs(degree)),)
    size = ball_size(degree, config.radius)
    parts = [
        ball_words(degree, centers[i], max(begin - i * size, 0), min(end - i * size, size))
        for i in range(begin // size, -(-end // size))
    ]
    return np.concatenate(parts)


def _evaluate(item: SweepItem, words: NDArray[np.int64], histogram: _Histogram) -> None:
    """Evaluate a batch; those without a code again, by union-find."""
    triangles = item.triangulation.triangles.astype(np.uint8)[None]
    grid = octant_grid(item.triangulation.degree)
    codes = scheme_codes(triangles, grid, words, device=item.config.device)
    left = np.flatnonzero(codes == FAILED)
    if left.size:
        codes[left] = _codes_by_union_find(item.triangulation, words[left])
        histogram.redone += left.size
    histogram.add_words(codes, words)


def _codes_by_union_find(
    triangulation: Triangulation, words: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Evaluate sign vectors by the reference; there is nothing left to ask after it."""
    complex_, degree = patchwork(triangulation), triangulation.degree
    shape = complex_.num_vertices, num_points(degree), bool(degree % 2)
    codes = isotopy.scheme_codes(complex_.edges, *shape, words)
    if (codes < 0).any():
        raise ArithmeticError(f"sign vector {words[codes < 0][0]} gives no rooted tree")
    return codes


def _sweep_table(item: SweepItem, schemes: list[SchemeCount]) -> pa.Table:
    """Lay out the schemes of a shard."""
    columns = histogram_columns(item.triangulation.name, item.triangulation.degree, schemes)
    size = len(schemes)
    place = {"item": [item.key] * size, "shard": [item.shard] * size}
    return science_table(SWEEP_SCHEMA, place | columns, identity=item.identity)


def _shard_table(
    item: SweepItem, *, status: Status = Status.OK, reason: str = "", **values: int | None
) -> pa.Table:
    """Lay out one row about a shard."""
    columns = {
        "item": item.key,
        "triangulation": item.triangulation.name,
        "degree": item.triangulation.degree,
        "shard": item.shard,
        "reason": reason,
        **values,
    }
    return science_table(
        SHARD_SCHEMA,
        {name: [value] for name, value in columns.items()},
        identity=item.identity,
        status=status,
    )


def failed_sweep_item(item: SweepItem, kind: str, message: str) -> dict[str, pa.Table]:
    """Record a shard without result: a row with status and reason, no schemes.

    Parameters
    ----------
    item : SweepItem
    kind : str
        Name of the error's class.
    message : str
        One line for the column ``reason``.
    """
    status = Status.OVER_BUDGET if kind == "BudgetExceeded" else Status.FAILED
    unknown = dict.fromkeys(("evaluations", "redone", "num_schemes"))
    shard = _shard_table(item, status=status, reason=message, **unknown)
    return {"sweep": SWEEP_SCHEMA.empty_table(), "shards": shard}
