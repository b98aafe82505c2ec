"""Published step sizes, weights of momentum, lengths of epochs and sizes of batches.

Iterations t count from 0; within an epoch, of number e from 1, they count as k from 1.

    open loop    2 / (t + 2)                     Frank-Wolfe; CSFW (arXiv:2002.11860, alg. 1)
    shifted      2 / (t + 8)                     SFW and MSFW, with weights 4 / (t + 8)^(2/3) of new
                                                 gradients (arXiv:1804.09554, alg. 2, theorem 3)
    recursive    1 / (t + 2)                     ORGFW, with weights 1 / (t + 1)
                                                 (arXiv:1910.09396; one-sample SFW, 1910.04322, too)
    svrf         2 / (k + 1)                     epochs of 2^(e + 3) - 2 steps, batches 96 (k + 1)
                                                 (arXiv:1602.02101, alg. 1)
    spider       2 / (K + k), K = 2^(e - 1)      epochs of K steps, batches K (SPIDER-FW,
                                                 Yurtsever, Sra, Cevher, ICML 2019)

Batches of published size grow until they are whole passes; those of constant size, which are the
default here, do not, as in the experiments of arXiv:2009.14114.
"""

from __future__ import annotations

from numba import njit

__all__ = ["SCHEDULES", "batch_size", "epoch_length", "momentum_weight", "step_size"]

SCHEDULES = {"open_loop": 0, "shifted": 1, "recursive": 2, "svrf": 3, "spider": 4, "one": 5}
"""Numbers of the schedules; "one" bounds no step."""


@njit(cache=True, nogil=True)
def step_size(schedule, t, epoch, k):
    """gamma of iteration t, the k-th of its epoch."""
    if schedule == 0:
        return 2.0 / (t + 2.0)
    if schedule == 1:
        return 2.0 / (t + 8.0)
    if schedule == 2:
        return 1.0 / (t + 2.0)
    if schedule == 3:
        return 2.0 / (k + 1.0)
    if schedule == 4:
        return 2.0 / (2.0 ** (epoch - 1) + k)
    return 1.0


@njit(cache=True, nogil=True)
def momentum_weight(schedule, t):
    """Weight rho of the new gradient; that of the first one is 1."""
    if t == 0:
        return 1.0
    return 4.0 / (t + 8.0) ** (2.0 / 3.0) if schedule == 1 else 1.0 / (t + 1.0)


@njit(cache=True, nogil=True)
def epoch_length(schedule, epoch):
    """Steps of an epoch, from 1 on."""
    return 2 ** (epoch - 1) if schedule == 4 else 2 ** (epoch + 3) - 2


@njit(cache=True, nogil=True)
def batch_size(schedule, t, epoch, k, num_terms):
    """Published size of a batch, at most a whole pass; (t + 1)^2 for plain SFW (1602.02101)."""
    if schedule == 3:
        wanted = 96.0 * (k + 1.0)
    elif schedule == 4:
        wanted = 2.0 ** (epoch - 1)
    elif schedule == 1:
        wanted = (t + 1.0) ** 2
    else:
        wanted = 1.0
    return int(min(wanted, float(num_terms)))
