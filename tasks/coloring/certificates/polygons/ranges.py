"""Many ranges of integers at once, in blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["expanded"]

_BLOCK = 1_000_000

Ints = NDArray[np.int64]


def expanded(first: Ints, stop: Ints, block: int = _BLOCK) -> Iterator[tuple[Ints, Ints]]:
    """All pairs (i, k) with first[i] <= k < stop[i], in blocks of about `block` pairs.

    >>> [(i.tolist(), k.tolist()) for i, k in expanded(np.array([3, 0]), np.array([5, 1]))]
    [([0, 0, 1], [3, 4, 0])]
    """
    counts = np.maximum(stop - first, 0)
    totals = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = totals[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(totals, done + block, side="right")))
        part = counts[begin:end]
        numbers = np.repeat(np.arange(begin, end), part)
        offsets = np.arange(len(numbers)) - np.repeat(np.cumsum(part) - part, part)
        yield numbers, first[numbers] + offsets
        begin = end
