"""Calls of the study `adaptive-frank-wolfe`: optima, rates, descents.

Seconds are CPU seconds of the loops alone, and go to the execution table: ``point.KEY.NUMBER``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from gpu.constrained.accelerated import least_value, optimum
from gpu.constrained.sums import objective
from tasks.frankwolfe.adaptive.items import Descent, Target
from tasks.frankwolfe.adaptive.methods import METHODS, Point, applies, descend
from tasks.frankwolfe.adaptive.names import DEAR
from tasks.frankwolfe.adaptive.problems import BADLY_SCALED, Problem, error_scale, problem_of
from tasks.records.parts import EXECUTION_TABLE
from tasks.records.rows import Row, Rows
from tasks.records.seeds import derive_seed
from tasks.records.status import Status

__all__ = ["CHOICE", "GAPS", "choice_rows", "descent_rows", "optimum_rows", "prepare"]

CHOICE = -1
"""Number of the repetition by which rates are chosen."""
GAPS = {"nuclear": 1e-6}
"""Largest relative gap of an optimum, where it is not `GAP`."""
GAP = 1e-9
SHARPER = 0.1
"""Optima are looked for until their gap is so much less than it has to be."""


def one_blas_thread() -> Any:
    """Sums in decompositions depend on the number of threads."""
    return threadpool_limits(limits=1, user_api="blas")


def optimum_rows(target: Target) -> Rows:
    """Row of ``optima``: the optimum of a problem with the gap that proves it."""
    with one_blas_thread():
        problem = problem_of(target.config, target.problem)
        allowed = GAPS.get(problem.region, GAP)
        found = optimum(
            problem.terms,
            problem.domain,
            problem.start,
            relative_gap=SHARPER * allowed,
            max_steps=target.config.optimum_steps,
        )
        start = objective(problem.terms, problem.start)
    gap = max(found.gap, 0.0)
    relative = gap / found.value if found.value > 0 else math.inf
    # Where the optimum is 0, as of classes that can be told apart, a relative gap cannot be told.
    is_proved = relative <= allowed or gap <= least_value(problem.terms, problem.start)
    is_told = relative <= allowed or (not is_proved and math.isfinite(relative))
    row = {
        **facts_of(problem),
        "item": target.key,
        "status": Status.OK if is_proved else Status.FAILED,
        "reason": ""
        if is_proved
        else f"its relative gap is {relative:.1e}, above {allowed:g}; raise optimum_steps",
        "start_value": start,
        "value": found.value,
        "gap": gap,
        "relative_gap": relative if is_told else None,
        "steps": found.steps,
        "point": found.x.tolist(),
    }
    return {"optima": [row]}


def facts_of(problem: Problem) -> dict[str, Any]:
    """What a problem is, as columns."""
    num_terms, num_outputs = problem.terms.targets.shape
    return {
        "problem": problem.name,
        "data": problem.data,
        "loss": problem.loss,
        "region": problem.region,
        "num_terms": num_terms,
        "num_weights": problem.start.size,
        "num_outputs": num_outputs,
        "radius": problem.domain.radius,
        "scale_ratio": problem.scale_ratio,
        "is_dear": problem.region in DEAR,
        "is_badly_scaled": problem.scale_ratio >= BADLY_SCALED,
    }


def choice_rows(target: Target, optima: pa.Table) -> Rows:
    """Rows of ``choices``: the error of every rate on batches of their own."""
    config = target.config
    [best] = optima.to_pylist()
    rows: list[Row] = []
    with one_blas_thread():
        problem = problem_of(config, target.problem)
        for method in config.methods:
            if not METHODS[method].has_rate or not applies(method, problem.region):
                continue
            seed = _seed(Descent(config, target.problem, method, CHOICE))
            for factor in config.rate_factors:
                points = list(descend(problem, config, method, rate=factor, seed=seed))
                rows.append(
                    {
                        "item": target.key,
                        "problem": target.problem,
                        "method": method,
                        "factor": factor,
                        "error": _error(points[-1], best),
                    }
                )
    return {"choices": rows}


def descent_rows(descent: Descent, optima: pa.Table, choices: pa.Table) -> Rows:
    """Row of ``runs``, rows of ``curve`` and seconds of a descent."""
    [best] = optima.to_pylist()
    factor = _best_factor(choices.to_pylist(), descent.method)
    started_at = datetime.now(UTC)
    with one_blas_thread():
        problem = problem_of(descent.config, descent.problem)
        seed = _seed(descent)
        points = list(
            descend(problem, descent.config, descent.method, rate=factor or 0.0, seed=seed)
        )
    place = {
        "item": descent.key,
        "problem": descent.problem,
        "method": descent.method,
        "replicate": descent.replicate,
    }
    curve = [{**place, "number": k, **_columns(p, best)} for k, p in enumerate(points)]
    last = curve[-1]
    is_finite = last["error"] is not None
    row = {
        **place,
        "status": Status.OK if is_finite else Status.FAILED,
        "reason": "" if is_finite else "its point is not finite",
        "factor": factor,
        **{name: last[name] for name in _COLUMNS},
    }
    timings = [
        {"item": f"point.{descent.key}.{k}", "started_at": started_at, "seconds": p.seconds}
        for k, p in enumerate(points)
    ]
    return {"runs": [row], "curve": curve, EXECUTION_TABLE: timings}


_COLUMNS = ("steps", "gradients", "oracles", "projections", "value", "error", "gap")


def _columns(point: Point, best: Row) -> dict[str, Any]:
    is_finite = math.isfinite(point.value)
    return {
        "steps": point.steps,
        "gradients": point.gradients,
        "oracles": point.oracles,
        "projections": point.projections,
        "value": point.value if is_finite else None,
        "error": _error(point, best),
        "gap": point.gap if is_finite else None,
    }


def _error(point: Point, best: Row) -> float | None:
    """f(x) - min f over that of the start, as far as it is known; None if it is not finite."""
    error = (point.value - best["value"]) / error_scale(best["start_value"], best["value"])
    return error if math.isfinite(error) else None


def _best_factor(choices: Sequence[Row], method: str) -> float | None:
    """The rate with the least error; of equal ones the first; None for methods without a rate."""
    own = [row for row in choices if row["method"] == method]
    found = [row for row in own if row["error"] is not None] or own
    if not found:
        return None
    return min(found, key=lambda row: math.inf if row["error"] is None else row["error"])["factor"]


def _seed(descent: Descent) -> int:
    """Batches are the same for all methods of a repetition, as far as they draw as many."""
    return derive_seed(
        descent.config.seed, "adaptive-frank-wolfe", descent.problem, descent.replicate + 1
    )


def prepare() -> None:
    """Compile or load the loops."""
    from tasks.frankwolfe.adaptive.config import AdaptiveConfig

    name = "permuted-squares-birkhoff"
    config = AdaptiveConfig(problems=(name,), passes=1.0, points=2)
    problem = problem_of(config, name)
    optimum(problem.terms, problem.domain, problem.start, relative_gap=1.0, max_steps=1)
    for method in ("sfw", "pairwise"):
        np.array([point.value for point in descend(problem, config, method)])
