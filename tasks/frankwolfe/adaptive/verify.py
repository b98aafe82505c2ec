"""Optima checked by other code: NumPy for the objective, `tasks.nn.regions` for the region.

The point has to be inside, its objective has to be that of the row, and the gap computed with the
region's own linear minimization has to be as small as is promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gpu.constrained.accelerated import least_value
from gpu.constrained.reference import gradient_of, value_of
from tasks.frankwolfe.adaptive.items import Target
from tasks.frankwolfe.adaptive.problems import Problem, problem_of
from tasks.frankwolfe.adaptive.run import GAP, GAPS
from tasks.frankwolfe.adaptive.sources import grid_edges
from tasks.records.rows import Row, Rows
from tasks.records.status import Status

if TYPE_CHECKING:
    from tasks.nn.regions import Region

__all__ = ["region_of", "verification_rows"]

SLACK = 1e-9
"""How far rounding may leave a region."""


def verification_rows(target: Target, optima: pa.Table) -> Rows:
    """Row of ``verification`` of the optimum of a problem."""
    [row] = optima.to_pylist()
    return {"verification": [_verified(problem_of(target.config, target.problem), row)]}


def _verified(problem: Problem, row: Row) -> Row:
    import torch

    x = np.array(row["point"])
    shape = (problem.domain.rows, problem.domain.columns)
    matrix = x.reshape(shape) if problem.region in ("nuclear", "birkhoff") else x
    region = region_of(problem)
    gauge = float(region.gauge(torch.from_numpy(matrix)))
    g: NDArray[np.float64] = gradient_of(problem.terms, x).reshape(matrix.shape)
    value = value_of(problem.terms, x)
    gap = float((g * matrix).sum() + region.support(torch.from_numpy(g)))
    reasons = []
    if gauge > 1 + SLACK:
        reasons.append(f"its gauge is {gauge:.12g}")
    if abs(value - row["value"]) > 1e-10 * abs(row["start_value"]):
        reasons.append(f"its objective is {value:.12g}, the row says {row['value']:.12g}")
    least = least_value(problem.terms, problem.start)
    allowed = max(GAPS.get(problem.region, GAP) * value, least)
    if not gap <= allowed:
        reasons.append(f"its gap is {gap:.3g}, above {allowed:.3g}")
    return {
        "item": problem.name,
        "problem": problem.name,
        "status": Status.FAILED if reasons else Status.OK,
        "reason": "; ".join(reasons),
        "gauge": gauge,
        "value": value,
        "gap": gap,
    }


def region_of(problem: Problem) -> Region:
    """The region of a problem in `tasks.nn.regions`."""
    from tasks.nn.regions import region_by_name

    more: dict[str, Any] = {}
    if problem.region == "flow":
        more["graph"] = " ".join(f"{tail}>{head}" for tail, head in grid_edges())
    return region_by_name(problem.region, radius=problem.domain.radius, **more)
