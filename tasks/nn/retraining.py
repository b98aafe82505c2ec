"""Learning rates of a retraining of T_rt steps, after an original training of T steps.

eta(t) is the original schedule, eta_max its largest rate:

    FT     constant, the smallest original rate after the largest one
    LRW    the last T_rt steps of the original schedule; if T_rt > T, all of it, stretched
    SLR    the original curve from its largest rate on, compressed
    CLR    cosine, eta_max to 0
    LLR    linear, eta_max to 0
    ALLR   linear, eta_max clip(d1, d2, 1) to 0, with
           d1 = |W - W_p| / (sqrt(s) |W|),  d2 = min(T_rt / T, 1),

W the prunable weights before and W_p after pruning, s the share of them pruned in this cycle.  By
d1 a harmless pruning is answered by a small rate, by d2 a short retraining too.  SLR, CLR, LLR and
ALLR rise linearly in the first 10 % of T_rt, and the curve takes the rest; that rise stands for the
warm-up of the original curve, which SLR leaves out.

References
----------
Zimmer, Spiegel, Pokutta, How I learned to stop worrying and love retraining, arXiv:2111.00843
(LLR, ALLR, budgets).
Renda, Frankle, Carbin, Comparing rewinding and fine-tuning, arXiv:2003.02389 (FT, LRW).
Le and Hua, Network pruning that matters, arXiv:2105.03193 (SLR, CLR).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

from torch import Tensor

from tasks.nn.schedules import (
    Compressed,
    Constant,
    Cosine,
    Linear,
    Schedule,
    Shifted,
    num_rises,
    warmed_up,
)
from tasks.records import InputError

Retraining = Literal["ft", "lrw", "slr", "clr", "llr", "allr"]
RETRAININGS: tuple[Retraining, ...] = get_args(Retraining)
WARM_UP_SHARE = 0.1


def retraining_schedule(
    kind: Retraining,
    original: Schedule,
    original_steps: int,
    num_steps: int,
    *,
    distance: float | None = None,
    warm_up: float = WARM_UP_SHARE,
) -> Schedule:
    """Schedule of a retraining.

    Parameters
    ----------
    original : Schedule
        Of the training that ended in the pruned model, over `original_steps` = T >= 1 steps.
    num_steps : int
        T_rt >= 1.
    distance : float
        d1 of this cycle (`pruning_distance`); only ALLR uses it, and needs it.
    warm_up : float
        Share of T_rt.

    Raises
    ------
    InputError
        For an unknown kind, lengths below 1, or ALLR without a distance.
    """
    if kind not in RETRAININGS:
        raise InputError(f"no retraining is called {kind!r}; known are {', '.join(RETRAININGS)}")
    if original_steps < 1 or num_steps < 1:
        raise InputError(f"retraining of {num_steps} after {original_steps} steps: both are >= 1")
    rates = [original.at(step) for step in range(original_steps)]
    top = max(rates)
    peak = rates.index(top)
    if kind == "ft":
        return Constant(min(rates[peak:]))
    if kind == "lrw":
        return _last_steps(original, original_steps, num_steps)
    if kind == "allr":
        top *= adaptive_factor(distance, num_steps / original_steps)
    rest = max(num_steps - num_rises(warm_up, num_steps), 1)
    curves: dict[str, Schedule] = {
        "slr": Compressed(Shifted(original, peak), original_steps - peak, rest),
        "clr": Cosine(top, 0.0, rest),
        "llr": Linear(top, 0.0, rest),
        "allr": Linear(top, 0.0, rest),
    }
    return warmed_up(curves[kind], warm_up, num_steps)


def _last_steps(original: Schedule, original_steps: int, num_steps: int) -> Schedule:
    if num_steps > original_steps:
        return Compressed(original, original_steps, num_steps)
    return Shifted(original, original_steps - num_steps)


def adaptive_factor(distance: float | None, length_share: float) -> float:
    """clip(d1, d2, 1) with d2 = min(T_rt / T, 1), T_rt / T = `length_share`."""
    if distance is None or not distance >= 0:
        raise InputError(f"ALLR needs the distance of the pruning step, not {distance}")
    return min(max(distance, min(length_share, 1.0)), 1.0)


def pruning_distance(
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    earlier: Mapping[str, Tensor] | None = None,
) -> float:
    """d1 of a pruning step: |W - W_p| / (sqrt(s) |W|) in [0, 1]; 0 if nothing was pruned.

    Parameters
    ----------
    weights : mapping of Tensor
        Before the step; only the names of `masks` count.
    masks, earlier : mapping of bool Tensor
        What is kept after and before the step (everything by default).  s is the pruned share of
        what was left, so that d1 = 1 for weights of equal size.

    Raises
    ------
    InputError
        If all weights that were left are zero.
    """
    gone = {n: ~mask if earlier is None else earlier[n] & ~mask for n, mask in masks.items()}
    left = {n: ~mask | mask if earlier is None else earlier[n] for n, mask in masks.items()}
    num_gone, moved = _size(weights, gone)
    num_left, norm = _size(weights, left)
    if norm == 0:
        raise InputError("the weights before pruning are all zero")
    return math.sqrt(moved / norm * num_left / num_gone) if num_gone else 0.0


def _size(weights: Mapping[str, Tensor], chosen: Mapping[str, Tensor]) -> tuple[int, float]:
    """Number and sum of squares of the chosen weights."""
    number = sum(int(mask.sum()) for mask in chosen.values())
    return number, sum(float(weights[n][m].double().square().sum()) for n, m in chosen.items())
