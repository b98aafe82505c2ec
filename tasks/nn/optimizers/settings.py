"""Settings of a Frank-Wolfe step, and presets of published optimizers.

With x a weight, g its gradient, m its momentum, v the extreme point for the direction d and D the
diameter of its region:

    m <- beta m + gain g            gain = 1 - beta (``ema``) or 1 - damping (``heavy_ball``)
    d = m                           ``momentum``
    d = beta m + (1 - beta) g       ``nesterov``, with the new m
    d = c m + (1 - c) g             ``lion``, with the m before, c the `interpolation`
    x <- x + s (v - x),             s = clip(rate * factor, 0, max_step)

where the factor is 1 (``none``), 1 / D (``diameter``), |d| / |v - x| (``gradient``: the weight
moves by rate * |d|, as with SGD, until the clip binds), |d| / (D / 2) (``fast_gradient``), or
<d, x - v> / |v - x|^2 (``short``: best if the gradient is 1-Lipschitz, times the rate).

With a `metric`, a step is a few inner ones on a model of the loss that adapts to every entry.  With
eta the rate and H the diagonal matrix of

    h = clip(delta + sqrt(s), metric_low, metric_high),
    s <- s + g^2                                              ``adagrad``
    u <- b u + (1 - b) g^2,  s <- max(s, u)                   ``amsgrad``, b the `second_momentum`,

they go from y = x towards the least value of <d, y - x> + |y - x|_H^2 / (2 eta), `inner_steps`
times:

    q = d + H (y - x) / eta,   v the extreme point for q,
    y <- y + a (v - y),        a = clip(eta <q, y - v> / |y - v|_H^2, 0, max_step).

Several points of a weight (rows, blocks) have an a each.  Of many inner steps x becomes the point
of the region that is nearest, in the metric H, to where AdaGrad or AMSGrad goes; of few it needs no
projection, only as many extreme points.

====================  =============================================================================
sfw                   stochastic Frank-Wolfe with gradient rescaling (arXiv:2010.07243, algorithm 1)
momentum_sfw          the same with momentum 0.9 (the default)
muon                  spectral ball of radius f / lam, f the shape factor of Muon, lam the weight
                      decay: x + s (v - x) with s = rate lam is Muon with decoupled weight decay
scion                 momentum 0.9, no rescaling: constrained Scion (arXiv:2502.07529)
lion                  linf ball of radius 1 / lam: Lion with weight decay lam (arXiv:2302.06675,
                      arXiv:2506.04192)
adasfw                metric of AdaGrad: AdaSFW (arXiv:2009.14114)
adamsfw               metric of AMSGrad, momentum 0.9: AdamSFW (arXiv:2009.14114)
====================  =============================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from tasks.records import InputError

Momentum = Literal["ema", "heavy_ball"]
Direction = Literal["momentum", "nesterov", "lion"]
Rescaling = Literal["none", "diameter", "gradient", "fast_gradient", "short"]
Oracle = Literal["auto", "exact", "power", "express", "newton_schulz"]
Metric = Literal["none", "adagrad", "amsgrad"]
ADAPTIVE = ("inner_steps", "delta", "metric_low", "metric_high", "second_momentum")
"""Settings of steps with a metric."""
TINIEST = 1e-30
"""Least upper bound of a metric: smaller ones are no numbers in single precision."""


@dataclass(frozen=True)
class StepSettings:
    """How a group of weights is moved; plain data, so that checkpoints hold it.

    Attributes
    ----------
    momentum : float
        beta in [0, 1).
    averaging : {"ema", "heavy_ball"}
    damping : float
        Of heavy balls, in [0, 1].
    direction : {"momentum", "nesterov", "lion"}
    interpolation : float
        c of Lion, in [0, 1].
    rescaling : {"none", "diameter", "gradient", "fast_gradient", "short"}
    max_step : float
        In (0, 1].
    rate_factor : float
        Multiplies the rate; the weight decay of the presets muon and lion.
    nearest : float
        Weight mu >= 0 of the nearest-extreme-point oracle, argmin <d, v> + mu |v - x|^2; exact for
        regions whose vertices are all as far from 0.
    oracle : {"auto", "exact", "power", "express", "newton_schulz"}
        Of matrix regions.  "newton_schulz" is that of Muon: it leaves the region by up to 20 %.
    maximize : bool
    metric : {"none", "adagrad", "amsgrad"}
        Those with a metric have no rescaling.
    inner_steps : int
        From 1 on; published are 2 to 10.
    delta : float
        Positive: what entries of H are without a gradient.
    metric_low, metric_high : float
        Between which entries of H are clipped; 0 for no bound.
    second_momentum : float
        b of AMSGrad, in [0, 1).
    """

    momentum: float = 0.0
    averaging: Momentum = "ema"
    damping: float = 0.0
    direction: Direction = "momentum"
    interpolation: float = 0.9
    rescaling: Rescaling = "gradient"
    max_step: float = 1.0
    rate_factor: float = 1.0
    nearest: float = 0.0
    oracle: Oracle = "auto"
    maximize: bool = False
    metric: Metric = "none"
    inner_steps: int = 2
    delta: float = 1e-8
    metric_low: float = 0.0
    metric_high: float = 0.0
    second_momentum: float = 0.999

    def __post_init__(self) -> None:
        for name, allowed in (
            ("averaging", Momentum),
            ("direction", Direction),
            ("rescaling", Rescaling),
            ("oracle", Oracle),
            ("metric", Metric),
        ):
            if getattr(self, name) not in get_args(allowed):
                known = ", ".join(get_args(allowed))
                raise InputError(f"{name} must be one of {known}, not {getattr(self, name)!r}")
        for name, low, high in (
            ("momentum", 0, 1),
            ("damping", 0, 1),
            ("interpolation", 0, 1),
            ("max_step", 0, 1),
            ("rate_factor", 0, math.inf),
            ("nearest", 0, math.inf),
            ("delta", 0, math.inf),
            ("metric_low", 0, math.inf),
            ("metric_high", 0, math.inf),
            ("second_momentum", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high or not math.isfinite(value):
                raise InputError(f"{name} must lie in [{low}, {high}], not {value}")
        if not self.max_step:
            raise InputError("max_step 0 never moves a weight; it must be above 0")
        if self.momentum == 1:
            raise InputError("momentum 1 never sees a gradient; it must be below 1")
        self._check_metric()

    def _check_metric(self) -> None:
        steps = self.inner_steps
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise InputError(f"inner_steps is a whole number from 1 on, not {steps!r}")
        if not self.delta:
            raise InputError("delta 0 divides by zero where there was no gradient; it is positive")
        if self.second_momentum == 1:
            raise InputError("second_momentum 1 never sees a gradient; it must be below 1")
        if self.metric_high and self.metric_high < max(self.metric_low, TINIEST):
            raise InputError(
                f"metric_high must be at least metric_low and {TINIEST:g}, or 0 for no bound; "
                f"it is {self.metric_high}"
            )
        if not self.is_adaptive:
            for name in ADAPTIVE:
                if getattr(self, name) != getattr(type(self), name):
                    raise InputError(f"{name} belongs to the presets adasfw and adamsfw")
        elif self.rescaling != "none":
            raise InputError(
                f"with a metric the inner steps find their length: set rescaling to none, "
                f"not {self.rescaling}"
            )
        elif self.nearest:
            raise InputError("nearest is of steps without a metric")

    @property
    def is_adaptive(self) -> bool:
        """Whether steps have a metric."""
        return self.metric != "none"

    @property
    def gain(self) -> float:
        """What a gradient is multiplied by when it enters the momentum."""
        return 1 - (self.momentum if self.averaging == "ema" else self.damping)

    def as_data(self) -> dict[str, Any]:
        """As plain data; without a metric nothing of it, as in states of earlier versions."""
        left_out = () if self.is_adaptive else ("metric", *ADAPTIVE)
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> StepSettings:
        """From a parameter group, whose other entries are left out."""
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})


PRESETS: Mapping[str, StepSettings] = {
    "sfw": StepSettings(),
    "momentum_sfw": StepSettings(momentum=0.9),
    "muon": StepSettings(momentum=0.95, direction="nesterov", rescaling="none"),
    "scion": StepSettings(momentum=0.9, rescaling="none"),
    "lion": StepSettings(momentum=0.99, direction="lion", interpolation=0.9, rescaling="none"),
    "adasfw": StepSettings(metric="adagrad", rescaling="none"),
    "adamsfw": StepSettings(metric="amsgrad", momentum=0.9, rescaling="none"),
}
"""By name; see above."""


def settings_of(preset: str, changes: Mapping[str, Any]) -> StepSettings:
    """A preset with some settings changed.

    Raises
    ------
    InputError
        For an unknown preset, setting or value.
    """
    if preset not in PRESETS:
        raise InputError(f"no preset {preset!r}; known are {', '.join(PRESETS)}")
    known = {field.name for field in fields(StepSettings)}
    unknown = [name for name in changes if name not in known]
    if unknown:
        raise InputError(f"no setting {unknown[0]!r}; known are {', '.join(sorted(known))}")
    return replace(PRESETS[preset], **changes)
