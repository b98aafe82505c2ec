"""Steps in an adaptive metric on the cube, on the CPU, in one pass over memory for an inner step.

With x a weight (n,), g its gradient, d its direction (g, or a momentum) and r the radius of the
cube, all float32 in one order of memory:

    s <- s + g^2  or  m, u, s <- those of AMSGrad                          first pass
    h = clip(delta + sqrt(s), low, high)
    p = eta d + h (y - x),    v = -r sign p,
    c = clip(<p, y - v> / |y - v|_H^2, 0, 1),    y <- y + c (v - y),       inner steps, y = x first

The first pass takes both sums of the first inner step; every other one makes the move before it and
takes the sums of the next; the last one moves into x.  Neither h nor v is ever stored: v is found
again from what it was found from.  Sums are taken in float32 within blocks, which compiles to
vector instructions, and in float64 over blocks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

_BLOCK = 4096
_FAST = {"reassoc", "contract", "nsz", "arcp"}


class Metric(NamedTuple):
    """How h follows from second moments, and the cube; all float32.

    Attributes
    ----------
    delta, low, high : float32
        Infinity does not bound.
    most : float32
        Largest second moment.
    radius : float32
    """

    delta: np.float32
    low: np.float32
    high: np.float32
    most: np.float32
    radius: np.float32


@njit(inline="always")
def _size(moment, metric):
    h = np.sqrt(moment) + metric.delta
    h = metric.low if h < metric.low else h
    return metric.high if h > metric.high else h


@njit(cache=True, fastmath=_FAST)
def _block_of_adagrad(x, g, s, eta, metric):
    slope, curve = np.float32(0), np.float32(0)
    for i in range(len(x)):
        moment = s[i] + g[i] * g[i]
        moment = metric.most if moment > metric.most else moment
        s[i] = moment
        p = eta * g[i]
        away = x[i] - metric.radius if p < 0 else x[i] + metric.radius
        slope += p * away
        curve += _size(moment, metric) * away * away
    return slope, curve


@njit(cache=True, fastmath=_FAST)
def _block_of_amsgrad(x, g, m, u, s, eta, decay, gain, keep, add, metric):
    slope, curve = np.float32(0), np.float32(0)
    for i in range(len(x)):
        m[i] = decay * m[i] + gain * g[i]
        moment = keep * u[i] + add * (g[i] * g[i])
        moment = metric.most if moment > metric.most else moment
        u[i] = moment
        moment = s[i] if s[i] > moment else moment
        s[i] = moment
        p = eta * m[i]
        away = x[i] - metric.radius if p < 0 else x[i] + metric.radius
        slope += p * away
        curve += _size(moment, metric) * away * away
    return slope, curve


@njit(cache=True, fastmath=_FAST)
def _block_of_next(x, y, into, d, s, eta, length, metric):
    slope, curve = np.float32(0), np.float32(0)
    for i in range(len(x)):
        h = _size(s[i], metric)
        pull = eta * d[i]
        p = pull + h * (y[i] - x[i])
        vertex = metric.radius if p < 0 else -metric.radius
        moved = y[i] + length * (vertex - y[i])
        into[i] = moved
        p = pull + h * (moved - x[i])
        away = moved - metric.radius if p < 0 else moved + metric.radius
        slope += p * away
        curve += h * away * away
    return slope, curve


@njit(cache=True)
def first_of_adagrad(x, g, s, eta, metric):
    """Update s; <p, x - v> and |x - v|_H^2 of the first inner step."""
    slope, curve = 0.0, 0.0
    for begin in range(0, len(x), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        a, b = _block_of_adagrad(x[part], g[part], s[part], eta, metric)
        slope, curve = slope + a, curve + b
    return slope, curve


@njit(cache=True)
def first_of_amsgrad(x, g, m, u, s, eta, decay, gain, keep, add, metric):
    """Update m, u <- keep u + add g^2 and s; the same sums."""
    slope, curve = 0.0, 0.0
    for begin in range(0, len(x), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        given = (x[part], g[part], m[part], u[part], s[part])
        a, b = _block_of_amsgrad(*given, eta, decay, gain, keep, add, metric)
        slope, curve = slope + a, curve + b
    return slope, curve


@njit(cache=True)
def next_inner(x, y, into, d, s, eta, length, metric):
    """Move from y, which may be x, `into`; the sums of the next inner step."""
    slope, curve = 0.0, 0.0
    for begin in range(0, len(x), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        given = (x[part], y[part], into[part], d[part], s[part])
        a, b = _block_of_next(*given, eta, length, metric)
        slope, curve = slope + a, curve + b
    return slope, curve


@njit(cache=True, fastmath=_FAST)
def last_inner(x, y, d, s, eta, length, metric):
    """Move from y, which may be x, into x."""
    for i in range(len(x)):
        p = eta * d[i] + _size(s[i], metric) * (y[i] - x[i])
        vertex = metric.radius if p < 0 else -metric.radius
        x[i] = y[i] + length * (vertex - y[i])
