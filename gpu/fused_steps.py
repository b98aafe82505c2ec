"""Frank-Wolfe steps on the CPU in two or three passes over memory, for one weight as a vector.

With x the weight (n,), m its momentum and g its gradient, all float32 in one order of memory:

    m <- decay m + gain g                                      first pass
    v <- extreme point for m, which is never formed
    x <- x + s (v - x)                                         last pass

The first pass also takes the sums that the step size s needs: |m|^2, |x|^2 and <x, w>, where the
vertex v is -w times a number; then

    |v - x|^2 = |x|^2 - 2 <x, v> + |v|^2.

The k largest entries are found as in `gpu.largest`, whose histogram is filled in the first pass; a
second one takes the sums over them.  Sums are taken in float32 within blocks, which compiles to
vector instructions, and in float64 over blocks.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from gpu.largest import LEADING_BITS, NUM_BINS, bin_of_kth, split_bin

_BLOCK = 4096
_FAST = {"reassoc", "contract", "nsz", "arcp"}
_SHIFT = 31 - LEADING_BITS
_MAGNITUDE = np.int32(0x7FFFFFFF)


@njit(cache=True, fastmath=_FAST)
def _block_for_l2(x, m, g, decay, gain):
    mm, xx, xw = np.float32(0), np.float32(0), np.float32(0)
    for i in range(len(x)):
        value = decay * m[i] + gain * g[i]
        m[i] = value
        mm += value * value
        xx += x[i] * x[i]
        xw += x[i] * value
    return mm, xx, xw


@njit(cache=True, fastmath=_FAST)
def _block_for_linf(x, m, g, decay, gain):
    mm, xx, xw = np.float32(0), np.float32(0), np.float32(0)
    for i in range(len(x)):
        value = decay * m[i] + gain * g[i]
        m[i] = value
        mm += value * value
        xx += x[i] * x[i]
        xw += -x[i] if value < 0 else x[i]
    return mm, xx, xw


@njit(cache=True)
def momentum_for_l2(x, m, g, decay, gain):
    """Update m; |m|^2, |x|^2 and <x, m>."""
    mm, xx, xw = 0.0, 0.0, 0.0
    for begin in range(0, len(x), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        a, b, c = _block_for_l2(x[part], m[part], g[part], decay, gain)
        mm, xx, xw = mm + a, xx + b, xw + c
    return mm, xx, xw


@njit(cache=True)
def momentum_for_linf(x, m, g, decay, gain):
    """Update m; |m|^2, |x|^2 and <x, sign m>."""
    mm, xx, xw = 0.0, 0.0, 0.0
    for begin in range(0, len(x), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        a, b, c = _block_for_linf(x[part], m[part], g[part], decay, gain)
        mm, xx, xw = mm + a, xx + b, xw + c
    return mm, xx, xw


@njit(cache=True)
def momentum_for_largest(x, m, g, decay, gain):
    """Update m; |m|^2, |x|^2 and the histogram of the leading bits of |m|."""
    # Four histograms: neighbors of about equal size do not wait for each other.
    histogram = np.zeros((4, NUM_BINS), np.int32)
    mm, xx = 0.0, 0.0
    bits = m.view(np.int32)
    for begin in range(0, len(x), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        a, b, _ = _block_for_l2(x[part], m[part], g[part], decay, gain)
        mm, xx = mm + a, xx + b
        for i in range(begin, min(begin + _BLOCK, len(x))):
            histogram[i & 3, (bits[i] & _MAGNITUDE) >> _SHIFT] += 1
    return mm, xx, histogram.sum(0)


@njit(cache=True, fastmath=_FAST)
def _block_above(x, m, bits, floor):
    """Sums of m^2, x m and x sign m over the entries whose magnitude is at least `floor`."""
    mm, xm, xs = np.float32(0), np.float32(0), np.float32(0)
    zero = np.float32(0)
    for i in range(len(x)):
        value = m[i] if (bits[i] & _MAGNITUDE) >= floor else zero
        mm += value * value
        xm += x[i] * value
        xs += (-x[i] if value < 0 else x[i]) if value != 0 else zero
    return mm, xm, xs


@njit(cache=True)
def sums_of_largest(x, m, histogram, count):
    """The k-th largest magnitude's bits, its equals among the k, and sums over the k largest.

    Returns
    -------
    bound, ties, equals : int
        Its bits, how many of its equals belong to the k largest, and how many there are.
    mm, xm, xs : float
        Sums of m^2, x m and x sign m, with sign 0 = 0.
    """
    bin_, left = bin_of_kth(histogram, count)
    floor, width = np.int32(bin_ << _SHIFT), np.uint32(1 << _SHIFT)
    places = np.empty(histogram[bin_], np.int64)
    words = np.empty(histogram[bin_], np.int64)
    bits = m.view(np.int32)
    number = 0
    mm, xm, xs = 0.0, 0.0, 0.0
    for begin in range(0, len(x), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        a, b, c = _block_above(x[part], m[part], bits[part], np.int64(floor) + np.int64(width))
        mm, xm, xs = mm + a, xm + b, xs + c
        for i in range(begin, min(begin + _BLOCK, len(x))):
            if np.uint32((bits[i] & _MAGNITUDE) - floor) < width:
                places[number], words[number] = i, bits[i] & _MAGNITUDE
                number += 1
    bound, ties = split_bin(words, left)
    open_, equals = ties, 0
    for j in range(number):
        i = places[j]
        equals += words[j] == bound
        if words[j] > bound or (words[j] == bound and open_ > 0):
            open_ -= words[j] == bound
            mm += m[i] * m[i]
            xm += x[i] * m[i]
            xs += (-x[i] if m[i] < 0 else x[i]) if m[i] != 0 else 0.0
    return bound, ties, equals, mm, xm, xs


@njit(cache=True, fastmath={"reassoc"})
def zero_if_finite(x):
    """sum of 0 x_i: 0 for finite numbers, else NaN."""
    total = np.float32(0)
    for i in range(len(x)):
        total += np.float32(0) * x[i]
    return total


@njit(cache=True, fastmath=_FAST)
def move_along(x, m, keep, along):
    """x <- keep x + along m."""
    for i in range(len(x)):
        x[i] = keep * x[i] + along * m[i]


@njit(cache=True, fastmath=_FAST)
def move_by_signs(x, m, step, radius):
    """x <- x + step (-radius sign m - x): entries at their vertex stay there, bit for bit."""
    for i in range(len(x)):
        vertex = radius if m[i] < 0 else -radius
        x[i] += step * (vertex - x[i])


@njit(cache=True, fastmath=_FAST)
def move_by_all_from(x, m, bound, step, signs, along):
    """x <- x + step (v - x), v = -signs sign m + along m from a magnitude on, else 0."""
    bits = m.view(np.int32)
    zero = np.float32(0)
    for i in range(len(x)):
        vertex = (signs if m[i] < 0 else -signs) + along * m[i]
        x[i] += step * ((vertex if (bits[i] & _MAGNITUDE) >= bound else zero) - x[i])


@njit(cache=True)
def move_by_largest(x, m, bound, ties, step, signs, along):
    """The same if only the first of the entries with just this magnitude belong to the largest."""
    bits = m.view(np.int32)
    for i in range(len(x)):
        word = bits[i] & _MAGNITUDE
        is_among = word > bound or (word == bound and ties > 0)
        ties -= is_among and word == bound
        vertex = (signs if m[i] < 0 else -signs) + along * m[i]
        x[i] += step * ((vertex if is_among else np.float32(0)) - x[i])


@njit(cache=True, fastmath=_FAST)
def add_halves(x, y, found):
    """found = x + y in float32, of the bits (int16) of bfloat16 numbers."""
    for i in range(len(x)):
        a = np.int32(np.int32(x[i]) << 16).view(np.float32)
        b = np.int32(np.int32(y[i]) << 16).view(np.float32)
        found[i] = a + b
