"""The k largest magnitudes of every row, exactly k, without sorting.

On the CPU the bits of a float without its sign are a whole number in the order of the magnitudes.
A histogram of their leading 11 bits says in which bin the k-th largest lies, and only the entries
of that bin, an eighth of an octave of float32, are selected from:

    O(n) per row, two passes, against O(n log k) of `torch.topk`.

Of equal magnitudes the first in memory order are taken, and NaN counts as larger than all numbers.
On other devices and in half precision `torch.topk` does it, which takes any of equal ones.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from torch import Tensor

LEADING_BITS = 11
NUM_BINS = 1 << LEADING_BITS


def largest_entries(values: Tensor, count: int) -> Tensor:
    """Mask (..., n) of the `count` largest magnitudes of each row of `values` (..., n).

    Parameters
    ----------
    values : Tensor, real floating-point
    count : int
        In 1..n.
    """
    is_seen = values.device.type == "cpu" and not torch.compiler.is_compiling()
    if not is_seen or values.dtype not in (torch.float32, torch.float64):
        chosen = values.abs().topk(count, dim=-1).indices
        return torch.zeros_like(values, dtype=torch.bool).scatter_(-1, chosen, True)
    rows = values.detach().contiguous().reshape(-1, values.shape[-1]).numpy()
    mask = np.empty(rows.shape, np.bool_)
    for row, kept in zip(rows, mask, strict=True):
        bits = row.view(np.int32 if row.dtype == np.float32 else np.int64)
        bound, ties = kth_largest(bits, count)
        mark_largest(bits, bound, ties, kept)
    return torch.from_numpy(mask).reshape(values.shape)


@njit(cache=True)
def _magnitude_bits(size):
    """All bits but the sign of a float of 32 or 64 bits, as int64."""
    return 2 * ((np.int64(1) << (size - 2)) - 1) + 1


@njit(cache=True)
def kth_largest(bits, count):
    """The bits of the k-th largest magnitude, and how many of its equals belong to the k largest.

    Parameters
    ----------
    bits : (n,) int32 or int64
        Those of float32 or float64; signs are ignored.
    count : int
        k, in 1..n.
    """
    size = 8 * bits.itemsize
    shift = size - 1 - LEADING_BITS
    magnitude = _magnitude_bits(size)
    histogram = np.zeros(NUM_BINS, np.int64)
    for i in range(len(bits)):
        histogram[(bits[i] & magnitude) >> shift] += 1
    bin_, left = bin_of_kth(histogram, count)
    candidates = np.empty(histogram[bin_], np.int64)
    number = 0
    for i in range(len(bits)):
        word = bits[i] & magnitude
        if word >> shift == bin_:
            candidates[number] = word
            number += 1
    return split_bin(candidates, left)


@njit(cache=True)
def bin_of_kth(histogram, count):
    """In which bin the k-th largest lies, and how many of that bin belong to the k largest."""
    left, bin_ = count, len(histogram) - 1
    while histogram[bin_] < left:
        left -= histogram[bin_]
        bin_ -= 1
    return bin_, left


@njit(cache=True)
def split_bin(words, left):
    """The `left`-th largest of some words, and how many of its equals belong to the largest."""
    bound = np.partition(words, len(words) - left)[len(words) - left]
    larger = 0
    for word in words:
        larger += word > bound
    return bound, left - larger


@njit(cache=True)
def mark_largest(bits, bound, ties, kept):
    """Write into `kept` (n,) which entries exceed the bound, or are among its first equals."""
    magnitude = _magnitude_bits(8 * bits.itemsize)
    for i in range(len(bits)):
        word = bits[i] & magnitude
        kept[i] = word > bound
        if word == bound and ties > 0:
            kept[i] = True
            ties -= 1
