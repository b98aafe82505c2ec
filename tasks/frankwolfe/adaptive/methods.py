"""The methods: which estimate of the gradient, which step, which published schedule.

A descent is cut into pieces at the points of its curve; what is measured in between is not counted
in its seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu.constrained.active_sets import CAPACITY, new_active_set, run_active
from gpu.constrained.oracles import POLYTOPES, dual_gap
from gpu.constrained.schedules import SCHEDULES
from gpu.constrained.states import (
    ESTIMATORS,
    GRADIENTS,
    ORACLES,
    PROJECTIONS,
    STEP,
    UPDATES,
    Method,
    new_state,
)
from gpu.constrained.steps import run_steps
from gpu.constrained.sums import gradient, objective
from tasks.frankwolfe.adaptive.config import AdaptiveConfig
from tasks.frankwolfe.adaptive.problems import Problem
from tasks.records.errors import InputError

__all__ = ["METHODS", "Kind", "Point", "applies", "descend", "gradient_limits", "kernel_method"]

UNLIMITED = 2**62


@dataclass(frozen=True)
class Kind:
    """What a method is.

    Attributes
    ----------
    estimator, update, schedule : str
        Names of the kernels'; of away and pairwise steps the update is "active".
    epochs : str
        Schedule of the epochs of variance reduction.
    beta1, beta2 : float
        Of moments; 0 without.
    label : str
        For people.
    """

    label: str
    estimator: str
    update: str
    schedule: str = "one"
    epochs: str = "svrf"
    beta1: float = 0.0
    beta2: float = 0.0

    @property
    def is_stochastic(self) -> bool:
        """Whether batches are drawn."""
        return self.estimator != "full"

    @property
    def has_rate(self) -> bool:
        """Whether a rate is to be chosen."""
        return self.update in ("adaptive", "projected")


METHODS: Mapping[str, Kind] = {
    "fw": Kind("FW", "full", "frank_wolfe", "open_loop"),
    "away": Kind("away steps", "full", "active"),
    "pairwise": Kind("pairwise steps", "full", "active"),
    "sfw": Kind("SFW", "batch", "frank_wolfe", "shifted"),
    "msfw": Kind("MSFW", "momentum", "frank_wolfe", "shifted"),
    "orgfw": Kind("ORGFW", "recursive", "frank_wolfe", "recursive"),
    "svrf": Kind("SVRF", "svrf", "frank_wolfe", "svrf"),
    "spider": Kind("SPIDER-FW", "spider", "frank_wolfe", "spider", "spider"),
    "csfw": Kind("CSFW", "table", "frank_wolfe", "open_loop"),
    "adasfw": Kind("AdaSFW", "batch", "adaptive"),
    "adasvrf": Kind("AdaSVRF", "svrf", "adaptive"),
    "adacsfw": Kind("AdaCSFW", "table", "adaptive"),
    "adamsfw": Kind("AdamSFW", "batch", "adaptive", beta1=0.9, beta2=0.999),
    "adagrad": Kind("AdaGrad", "batch", "projected"),
    "amsgrad": Kind("AMSGrad", "batch", "projected", beta1=0.9, beta2=0.999),
}
"""All methods by name, in the order of reports."""


def applies(name: str, region: str) -> bool:
    """Whether a method is for a region: active sets need vertices."""
    return METHODS[name].update != "active" or region in POLYTOPES


class Point(NamedTuple):
    """Where a descent is after some work.

    Attributes
    ----------
    steps, gradients, oracles, projections : int
        Steps, gradients of single terms, linear minimizations, projections so far.
    value, gap : float
        f(x), and the most by which it is above the minimum.
    seconds : float
        CPU seconds so far, without those of this point.
    x : (d,) float64
    """

    steps: int
    gradients: int
    oracles: int
    projections: int
    value: float
    gap: float
    seconds: float
    x: NDArray[np.float64]


def gradient_limits(num_terms: int, passes: float, num_points: int, batch: int) -> list[int]:
    """Numbers of gradients at which a curve has points: 0, then growing by a constant factor."""
    last = max(int(np.ceil(passes * num_terms)), batch)
    found = np.geomspace(batch, last, num_points - 1).round().astype(int)
    return [0, *dict.fromkeys(found.tolist())]


def kernel_method(config: AdaptiveConfig, name: str, rate: float) -> Method:
    """A method as the kernels read it."""
    kind = METHODS[name]
    is_adaptive = kind.update == "adaptive"
    schedule = config.gamma_cap if is_adaptive else kind.schedule
    is_published = config.batches == "published" and name in ("sfw", "svrf", "spider", "adasvrf")
    return Method(
        ESTIMATORS[kind.estimator],
        UPDATES[kind.update],
        SCHEDULES[schedule],
        SCHEDULES[kind.epochs],
        0 if is_published else config.batch,
        config.inner,
        rate,
        config.delta,
        config.clip_low,
        config.clip_high,
        kind.beta1,
        kind.beta2,
    )


def check_batch(config: AdaptiveConfig, problem: Problem) -> None:
    """Refuse batches that are larger than the sum.

    Raises
    ------
    InputError
    """
    if config.batch > problem.num_terms:
        raise InputError(
            f"{problem.name}: batch {config.batch} is more than its {problem.num_terms} terms; "
            "take a smaller batch"
        )


def descend(
    problem: Problem,
    config: AdaptiveConfig,
    name: str,
    *,
    rate: float = 0.0,
    seed: int = 0,
    limits: Sequence[int] = (),
) -> Iterator[Point]:
    """Points of a descent: the start, then one as soon as each limit of gradients is reached.

    Parameters
    ----------
    problem : Problem
    config : AdaptiveConfig
    name : str
        One of `METHODS`.
    rate : float
        eta, for methods that have one.
    seed : int
        Of the batches.
    limits : sequence of int
        By default those of the config.

    Raises
    ------
    InputError
        If the method is not for the region, or a batch is larger than the sum.
    """
    if not applies(name, problem.region):
        raise InputError(f"{name} needs a polytope, which {problem.region} is not")
    check_batch(config, problem)
    passes = config.passes_of(problem.region)
    wanted = limits or gradient_limits(problem.num_terms, passes, config.points, config.batch)
    advance, x, counts = _started(problem, config, name, rate, seed)
    v, seconds = np.empty(x.size), 0.0
    for limit in wanted:
        began = time.thread_time()
        advance(limit)
        seconds += time.thread_time() - began
        if not np.isfinite(x).all():
            # The metric or a rate was too small for double precision.
            yield _point(counts, np.nan, np.nan, seconds, x)
            return
        gap = max(dual_gap(problem.domain, x, gradient(problem.terms, x), v), 0.0)
        yield _point(counts, objective(problem.terms, x), gap, seconds, x)


def _point(
    counts: NDArray[np.int64], value: float, gap: float, seconds: float, x: NDArray[np.float64]
) -> Point:
    steps, gradients, oracles, projections = (
        int(counts[k]) for k in (STEP, GRADIENTS, ORACLES, PROJECTIONS)
    )
    return Point(steps, gradients, oracles, projections, value, gap, seconds, x.copy())


def _started(
    problem: Problem, config: AdaptiveConfig, name: str, rate: float, seed: int
) -> tuple[Callable[[int], object], NDArray[np.float64], NDArray[np.int64]]:
    """What moves on to a number of gradients, its point and its counters."""
    terms, domain = problem.terms, problem.domain
    if METHODS[name].update == "active":
        passes = config.passes_of(problem.region)
        active = new_active_set(problem.start, terms, min(int(passes) + 8, CAPACITY))
        is_pairwise = name == "pairwise"

        def advance_active(limit: int) -> object:
            return run_active(terms, domain, is_pairwise, active, limit, UNLIMITED, 0.0)

        return advance_active, active.x, active.counts
    state = new_state(problem.start, terms.targets.shape, seed)
    method = kernel_method(config, name, rate * domain.radius)

    def advance(limit: int) -> object:
        return run_steps(terms, domain, method, state, limit, UNLIMITED)

    return advance, state.x, state.counts
