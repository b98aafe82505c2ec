"""Problems: a table, a loss and a region, named ``TABLE-LOSS-REGION``.

The radius of a ball or simplex is a share of the norm of the weights that ridge regression finds,
so that the optimum lies on the boundary; the ridge is a ten-thousandth of each column's square, so
that units do not matter.  Of ratings it is a share of the nuclear norm of the whole matrix.
Birkhoff polytopes and flows have radius 1.

The start of all methods is a vertex, the best for the gradient at the middle of the region; or 0,
where the region contains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu.constrained.oracles import SETS, Domain, minimize_linear
from gpu.constrained.sums import FiniteSum, finite_sum, gradient, objective
from tasks.frankwolfe.adaptive.config import AdaptiveConfig
from tasks.frankwolfe.adaptive.names import OWN, parts_of
from tasks.frankwolfe.adaptive.sources import Table, grid_edges, own_table, table_of
from tasks.records.errors import InputError

__all__ = ["BADLY_SCALED", "Problem", "error_scale", "problem_names", "problem_of"]

BADLY_SCALED = 50.0
"""Ratio of the largest column to the smallest from which a table counts as badly scaled."""
RIDGE = 1e-4


@dataclass(frozen=True, eq=False)
class Problem:
    """A finite sum over a region.

    Attributes
    ----------
    name, data, loss, region : str
    terms : FiniteSum
    domain : Domain
    start : (d,) float64
    scale_ratio : float
        Root mean square of the largest column over that of the smallest.
    """

    name: str
    data: str
    loss: str
    region: str
    terms: FiniteSum
    domain: Domain
    start: NDArray[np.float64]
    scale_ratio: float

    @property
    def num_terms(self) -> int:
        """n."""
        return self.terms.targets.shape[0]

    @property
    def num_bytes(self) -> int:
        """Of rows and targets."""
        return self.terms.rows.nbytes + self.terms.targets.nbytes + self.terms.places.nbytes


def problem_names(config: AdaptiveConfig) -> list[str]:
    """Names of all problems of a config; of a table of one's own one for each region."""
    if not config.data:
        return list(config.problems)
    loss = config.loss if config.loss != "auto" else _fitting_loss(own_table(config.data))
    return [f"{OWN}-{loss}-{region}" for region in config.regions]


def _fitting_loss(table: Table) -> str:
    """Logistic for two classes, else squares."""
    return "logistic" if len(np.unique(table.targets)) == 2 else "squares"


def problem_of(config: AdaptiveConfig, name: str) -> Problem:
    """The problem of that name.

    Raises
    ------
    InputError
        For an unknown name; for targets of one sign with a loss for two classes; for a start that
        is not in the region, or at which the objective is not finite.
    """
    data, loss, region = parts_of(name)
    table = own_table(config.data) if data == OWN else table_of(data, config.seed)
    # What is too large becomes infinite, which is refused below.
    with np.errstate(over="ignore", invalid="ignore"):
        targets = table.targets if loss == "squares" else _classes(name, table.targets)
        terms = finite_sum(table.rows, targets, loss, table.places)
        domain = _domain(config, table, region)
        start = _start(config, name, terms, domain)
        value = objective(terms, start)
    if not (np.isfinite(value) and np.isfinite(gradient(terms, start)).all()):
        raise InputError(
            f"{name}: the objective is not finite at the start ({value:.3g}); scale the data"
        )
    return Problem(name, data, loss, region, terms, domain, start, _scale_ratio(table))


def _classes(name: str, targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """-1 and 1: two different values; numbers of built-in tables lie on two sides of their mean."""
    values = np.unique(targets)
    if name.startswith(f"{OWN}-") and len(values) > 2:
        raise InputError(
            f"{name}: y has {len(values)} different values, and this loss is for two classes; take "
            "loss=squares, or two values"
        )
    if len(values) == 1:
        raise InputError(f"{name}: all targets are {values[0]:g}; two classes are wanted")
    middle = values.mean() if len(values) == 2 else targets.mean()
    return np.where(targets > middle, 1.0, -1.0)


def _scale_ratio(table: Table) -> float:
    if table.places is not None:
        return 1.0
    squares = (table.rows**2).mean(axis=0)
    used = squares[squares > 0]
    return float(np.sqrt(used.max() / used.min())) if len(used) else 1.0


def _domain(config: AdaptiveConfig, table: Table, region: str) -> Domain:
    rows, columns = table.shape
    none = np.empty(0, np.int64)
    code, radius = SETS[region], _radius(config, table, region)
    if region == "birkhoff":
        first, second = np.divmod(np.arange(rows * columns), columns)
        return Domain(code, radius, rows, columns, first, rows + second, none, 2 * rows, 0, 0)
    if region == "flow":
        tails, heads = np.array(grid_edges(), np.int64).T.copy()
        # Grids are numbered so that edges lead to larger numbers.
        order = np.argsort(tails, kind="stable")
        size = int(heads.max()) + 1
        return Domain(code, radius, rows, 1, tails, heads, order, size, 0, size - 1)
    return Domain(code, radius, rows, columns, none, none, none, 0, 0, 0)


def _radius(config: AdaptiveConfig, table: Table, region: str) -> float:
    if region in ("birkhoff", "flow"):
        return 1.0
    if config.radius > 0:
        return config.radius
    if table.places is not None:
        return config.share * table.size
    gram = table.rows.T @ table.rows
    ridge = np.diag(RIDGE * gram.diagonal() + 1e-300)
    try:
        weights = np.linalg.lstsq(gram + ridge, table.rows.T @ table.targets, rcond=None)[0]
    except np.linalg.LinAlgError:
        # Of data that are too large: the objective is not finite either.
        return 1.0
    norms = {
        "l1": np.abs(weights).sum(),
        "l2": np.linalg.norm(weights),
        "linf": np.abs(weights).max(),
        "simplex": np.maximum(weights, 0).sum(),
        "nuclear": np.linalg.svd(weights, compute_uv=False).sum(),
    }
    size = float(norms[region])
    return config.share * size if np.isfinite(size) and size > 0 else 1.0


def _start(
    config: AdaptiveConfig, name: str, terms: FiniteSum, domain: Domain
) -> NDArray[np.float64]:
    size = domain.rows * domain.columns
    contains_zero = domain.code not in (SETS["simplex"], SETS["birkhoff"], SETS["flow"])
    if config.start == "zero":
        if not contains_zero:
            raise InputError(f"{name}: the region does not contain the start 0; take start=vertex")
        return np.zeros(size)
    middle = np.zeros(size)
    if not contains_zero:
        middle += domain.radius / domain.columns if domain.columns > 1 else domain.radius / size
    vertex = np.empty(size)
    minimize_linear(domain, gradient(terms, middle), vertex)
    return vertex


def error_scale(start_value: float, value: float) -> float:
    """What errors are relative to: the fall from the start; the optimum if the start is optimal."""
    fall = start_value - value
    return fall if fall > 1e-6 * value else max(value, 1e-300)
