"""Config of the study `adaptive-frank-wolfe`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tasks.frankwolfe.adaptive.names import DEAR, OWN, parts_of
from tasks.records.config import FrozenConfig
from tasks.records.errors import InputError
from tasks.records.roots import absolute_place

__all__ = ["AdaptiveConfig", "MethodName"]

MethodName = Literal[
    "fw",
    "away",
    "pairwise",
    "sfw",
    "msfw",
    "orgfw",
    "svrf",
    "spider",
    "csfw",
    "adasfw",
    "adasvrf",
    "adacsfw",
    "adamsfw",
    "adagrad",
    "amsgrad",
]


class AdaptiveConfig(FrozenConfig):
    """Problems, methods, and how long they may take."""

    problems: tuple[str, ...] = Field(
        default=("breast_cancer-logistic-l1", "permuted-squares-birkhoff"),
        min_length=1,
        max_length=200,
    )
    """TABLE-LOSS-REGION, such as diabetes-squares-l1. Losses are squares, logistic and
    squared_hinge; regions are l1, l2, linf and simplex, nuclear for tables of matrices, birkhoff
    for permuted, flow for routes. The tables are those of tasks/frankwolfe/adaptive/sources.py."""

    data: Annotated[str, AfterValidator(absolute_place)] = ""
    """A table of your own in place of the problems: FILE.npz with arrays x (n, p) and y (n,), or
    FILE.csv of numbers whose last column is the target."""

    loss: Literal["auto", "squares", "logistic", "squared_hinge"] = "auto"
    """Of a table of your own; auto is logistic for two different targets, else squares."""

    regions: tuple[Literal["l1", "l2", "linf", "simplex"], ...] = Field(
        default=("l1", "l2", "linf"), min_length=1
    )
    """Of a table of your own."""

    methods: tuple[MethodName, ...] = Field(
        default=("fw", "sfw", "svrf", "csfw", "adasfw", "adasvrf", "adacsfw", "adagrad"),
        min_length=1,
    )
    """fw, away, pairwise: with full gradients, the latter two on polytopes only; sfw, msfw
    (momentum), orgfw (recursive), svrf, spider, csfw (table of slopes): stochastic; adasfw,
    adasvrf, adacsfw, adamsfw: with a metric that adapts; adagrad, amsgrad: projected in that
    metric."""

    seeds: int = Field(default=5, ge=1, le=1000)
    """Repetitions of what is stochastic, with other batches."""

    passes: float = Field(default=50.0, gt=0.0, le=1e6)
    """Gradients of single terms that a method may take, in passes over all terms."""

    dear_passes: float = Field(default=0.0, ge=0.0, le=1e6)
    """The same for nuclear balls, Birkhoff polytopes and flows; 0 for as many."""

    batch: int = Field(default=16, ge=1, le=1_000_000)
    """Terms of a batch."""

    batches: Literal["constant", "published"] = "constant"
    """Whether batches of sfw, svrf, spider and adasvrf have that size, or the published ones, which
    grow."""

    inner: int = Field(default=5, ge=1, le=10_000)
    """K: Frank-Wolfe steps on each quadratic model of the adaptive methods."""

    rate_factors: tuple[float, ...] = Field(
        default=(0.001, 0.01, 0.1, 1.0), min_length=1, max_length=20
    )
    """Rates to choose from, times the radius of the region, for methods with a metric; the best on
    batches of their own is taken."""

    delta: float = Field(default=1e-8, gt=0.0)
    """Offset of the metric."""

    clip_low: float = Field(default=0.0, ge=0.0)
    """Least entry of the metric."""

    clip_high: float = Field(default=1e300, gt=0.0)
    """Largest entry of the metric."""

    gamma_cap: Literal["one", "open_loop"] = "one"
    """Bound of steps on the model: none but 1, or 2 / (t + 2)."""

    radius: float = Field(default=0.0, ge=0.0)
    """Of balls and simplices; 0 for a share of the norm of what ridge regression finds."""

    share: float = Field(default=0.5, gt=0.0, le=1.0)
    """That share."""

    start: Literal["vertex", "zero"] = "vertex"
    """Where all methods begin: the vertex that is best at the middle, or 0 where it is inside."""

    points: int = Field(default=24, ge=2, le=1000)
    """Points of a curve, at numbers of gradients that grow by a constant factor."""

    optimum_steps: int = Field(default=200_000, ge=1, le=10**9)
    """Most accelerated steps for an optimum."""

    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Root of generated tables and of batches."""

    @model_validator(mode="after")
    def _are_possible(self) -> Self:
        for name in ("problems", "methods", "regions", "rate_factors"):
            given = getattr(self, name)
            if len(set(given)) < len(given):
                raise ValueError(f"{name} has a value twice")
        for factor in self.rate_factors:
            if not 0 < factor < float("inf"):
                raise ValueError(f"rate_factors {list(self.rate_factors)} must be positive")
        if self.clip_low > self.clip_high:
            raise ValueError(f"clip_low {self.clip_low:g} is above clip_high {self.clip_high:g}")
        try:
            for name in self.problems:
                if parts_of(name)[0] == OWN:
                    raise InputError(f"{name}: a table of your own is data=FILE")
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    def passes_of(self, region: str) -> float:
        """Passes that a method may take on a problem with this region."""
        is_dear = region in DEAR
        return self.dear_passes if is_dear and self.dear_passes > 0 else self.passes
