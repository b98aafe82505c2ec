"""Estimates g_t of the gradient at x_t from batches B of terms, drawn with replacement.

    full         grad f(x_t)
    batch        grad f_B(x_t)                                             unbiased
    momentum     (1 - rho) g_(t-1) + rho grad f_B(x_t)                     biased to older gradients
    recursive    grad f_B(x_t) + (1 - rho) (g_(t-1) - grad f_B(x_(t-1)))   the error of g_(t-1)
                                                                           shrinks by 1 - rho
    svrf         grad f_B(x_t) - grad f_B(w) + grad f(w)                   unbiased
    spider       grad f_B(x_t) - grad f_B(x_(t-1)) + g_(t-1)               error of g_(t-1) stays
    table        A' c / n, c_i the slopes of term i when it was last in a batch

w is the point at the last snapshot, where svrf and spider are the full gradient.  The table starts
with zeros; with one term in the batch its expectation is (1 - 1/n) g_(t-1) + 1/n grad f(x_t), as in
SAG.  A gradient of one term counts as one evaluation: svrf, spider and recursive need two a term.
"""

from __future__ import annotations

from numba import njit

from gpu.constrained.schedules import batch_size, epoch_length, momentum_weight
from gpu.constrained.states import EPOCH, GRADIENTS, INNER, STEP, draw
from gpu.constrained.sums import add_batch, add_differences, renew_table, write_gradient

__all__ = ["estimate"]


@njit(cache=True, nogil=True)
def _batch(problem, method, state):
    """Number of terms of the batch of this step."""
    num = problem.targets.shape[0]
    if method.batch > 0:
        return method.batch
    schedule = method.epochs if method.estimator == 4 or method.estimator == 5 else method.schedule
    counts = state.counts
    return batch_size(schedule, counts[STEP], counts[EPOCH], counts[INNER], num)


@njit(cache=True, nogil=True)
def _drawn(problem, method, state):
    """Indices of the batch of this step."""
    num = problem.targets.shape[0]
    size = _batch(problem, method, state)
    indices = state.indices[:size]
    for k in range(size):
        indices[k] = draw(state.random, num)
    return indices


@njit(cache=True, nogil=True)
def _snapshot(problem, method, state):
    """Whether an epoch begins: then g is the full gradient, and the snapshot is taken."""
    counts = state.counts
    if counts[EPOCH] > 0 and counts[INNER] < epoch_length(method.epochs, counts[EPOCH]):
        counts[INNER] += 1
        return False
    counts[EPOCH] += 1
    counts[INNER] = 1
    write_gradient(problem, state.x, state.z, state.g)
    state.anchor[:] = state.x
    state.anchor_gradient[:] = state.g
    counts[GRADIENTS] += problem.targets.shape[0]
    return True


@njit(cache=True, nogil=True)
def estimate(problem, method, state):
    """Write the estimate into state.g, and count what it took."""
    kind, num = method.estimator, problem.targets.shape[0]
    g, counts = state.g, state.counts
    if (kind == 4 or kind == 5) and _snapshot(problem, method, state):
        return
    # Published batches that have grown to a whole pass are the full gradient.
    is_whole = method.batch == 0 and (kind == 1 or kind == 4 or kind == 5)
    if kind == 0 or (is_whole and _batch(problem, method, state) >= num):
        write_gradient(problem, state.x, state.z, g)
        counts[GRADIENTS] += num
        return
    indices = _drawn(problem, method, state)
    size = indices.size
    x, z, old = state.x, state.z, state.old
    if kind == 6:
        renew_table(problem, x, indices, 1.0 / num, z, state.table, g)
        counts[GRADIENTS] += size
        return
    if kind == 4 or kind == 5:
        if kind == 4:
            g[:] = state.anchor_gradient
        point = state.anchor if kind == 4 else state.previous
        add_differences(problem, x, point, indices, 1.0 / size, z, old, g)
        counts[GRADIENTS] += 2 * size
        return
    weight = 1.0
    if kind == 2 or kind == 3:
        weight = momentum_weight(method.schedule, counts[STEP])
    for j in range(g.size):
        g[j] *= 1.0 - weight
    if kind == 3 and counts[STEP] > 0:
        # grad f_B(x) - (1 - rho) grad f_B(x_previous), as a difference and a rest.
        add_differences(problem, x, state.previous, indices, (1.0 - weight) / size, z, old, g)
        counts[GRADIENTS] += size
    add_batch(problem, x, indices, weight / size, z, g)
    counts[GRADIENTS] += size
