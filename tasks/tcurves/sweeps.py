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
from numpy.typing import NDArray

from gpu import isotopy
from gpu.backend import resolve_device
from gpu.schemes import FAILED, scheme_codes, sweep
from tasks.lattice import Triangulation, num_points
from tasks.records.rows import Row, Rows
from tasks.records.seeds import stream
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
from tasks.tcurves.run import histogram_rows
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.signs import as_word, gauge_points, harnack_signs
from tasks.tcurves.sweep_plan import SweepConfig, SweepWork

logger = logging.getLogger(__name__)

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


def sweep_rows(work: SweepWork) -> Rows:
    """Evaluate one shard: rows of ``shards`` and ``sweep``.

    Raises
    ------
    DeviceUnavailableError
        If the device is cuda and this machine has none.
    """
    histogram = _Histogram(work.config.min_ovals)
    if work.config.signs == "range":
        _sweep_range(work, histogram)
    else:
        for words in _batches(work):
            sample = words[_sample(words.size)]
            prefilter = _prefilter(work, sample, LARGEST_SHARE_OF_BATCH)
            _evaluate(work, prefilter.keep(words) if prefilter else words, histogram)
    schemes = histogram.schemes(work.triangulation.degree)
    logger.info("%s: %d schemes of %d sign vectors", work.key, len(schemes), len(work.part))
    if histogram.redone:
        logger.warning("%s: %d sign vectors done by union-find", work.key, histogram.redone)
    found = {
        "num_schemes": len(schemes),
        "evaluations": len(work.part),
        "redone": histogram.redone,
        "reason": "",
    }
    return {
        "shards": [{**row, **found} for row in known_of_shard(work)],
        "sweep": _scheme_rows(work, schemes),
    }


def _sweep_range(work: SweepWork, histogram: _Histogram) -> None:
    """Evaluate sign classes in order; all of them again by union-find if the kernel left any."""
    degree = work.triangulation.degree
    begin, end = (work.config.begin + i for i in (work.part.start, work.part.stop))
    fixed = gauge_points(degree)
    free = np.array([p for p in range(num_points(degree)) if p not in fixed], dtype=np.int64)
    sample = class_words(degree, begin + _sample(end - begin))
    if prefilter := _prefilter(work, sample, LARGEST_SHARE_OF_RANGE):
        for words in prefilter.search(free, begin, end, capacity=BATCH):
            _evaluate(work, words, histogram)
        return
    triangles = work.triangulation.triangles.astype(np.uint8)
    counts = sweep(triangles, octant_grid(degree), free, begin, end, device=work.config.device)
    if not counts.failures:
        histogram.add(counts.codes, counts.counts, counts.witnesses)
        return
    histogram.redone = counts.failures
    for start in range(begin, end, BATCH):
        numbers = np.arange(start, min(start + BATCH, end), dtype=np.int64)
        words = class_words(degree, numbers)
        histogram.add_words(_codes_by_union_find(work.triangulation, words), words)


def _sample(size: int) -> NDArray[np.int64]:
    """Draw numbers below `size`; they decide how a sweep is done, never what it finds."""
    return np.random.default_rng(0).integers(0, size, SAMPLE)


def _prefilter(
    work: SweepWork, sample: NDArray[np.int64], largest_share: float
) -> Prefilter | None:
    """Return what counts components first, None if that would be slower."""
    if not work.config.min_ovals or resolve_device(work.config.device) == "cuda":
        return None
    prefilter = Prefilter(work.triangulation, work.config.min_ovals)
    return prefilter if prefilter.share(sample) <= largest_share else None


def _batches(work: SweepWork) -> Iterator[NDArray[np.int64]]:
    """Make the canonical words of a shard of random signs or of balls, batch by batch."""
    degree, part, config = work.triangulation.degree, work.part, work.config
    content = work.triangulation.content_hash()
    rng = stream(config.seed, "signs", content, work.shard)
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


def _evaluate(work: SweepWork, words: NDArray[np.int64], histogram: _Histogram) -> None:
    """Evaluate a batch; those without a code again, by union-find."""
    triangles = work.triangulation.triangles.astype(np.uint8)[None]
    grid = octant_grid(work.triangulation.degree)
    codes = scheme_codes(triangles, grid, words, device=work.config.device)
    left = np.flatnonzero(codes == FAILED)
    if left.size:
        codes[left] = _codes_by_union_find(work.triangulation, words[left])
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


def known_of_shard(work: SweepWork) -> list[Row]:
    """What is known of a shard before it is evaluated: a row of ``shards``."""
    triangulation = work.triangulation
    return [
        {
            "item": work.key,
            "triangulation": triangulation.name,
            "degree": triangulation.degree,
            "shard": work.shard,
        }
    ]


def _scheme_rows(work: SweepWork, schemes: list[SchemeCount]) -> list[Row]:
    """The schemes of a shard."""
    rows = histogram_rows(work.triangulation.name, work.triangulation.degree, schemes)
    return [{"item": work.key, "shard": work.shard, **row} for row in rows]
