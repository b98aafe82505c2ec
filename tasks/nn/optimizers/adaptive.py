"""Inner steps in a metric that adapts to every entry of a weight: AdaSFW and AdamSFW.

`tasks.nn.optimizers.settings` has the formulas.  All is multiplied by eta here, so that eta = 0 is
a step like any other:

    p = eta q = eta d + H (y - x),    c = <p, y - v> / |y - v|_H^2.

The second moments are kept in single precision for weights in half precision: sums of squares in
bfloat16 would stop to grow.

References
----------
Combettes, Spiegel, Pokutta, arXiv:2009.14114: AdaSFW, AdamSFW and the template of their steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tasks.nn.optimizers.members import Member
from tasks.nn.optimizers.settings import StepSettings

MOMENTS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "adagrad": ("squares",),
    "amsgrad": ("squares", "largest"),
}
"""What a state holds for a metric: sums or means of g^2, and the largest of these means."""
MOST = 1e37
"""Largest second moment: the squares of single precision end soon after."""
ROUNDS = 4
"""Of power iterations: the directions of inner steps differ more than those of outer ones."""


def see(members: Sequence[Member], settings: StepSettings) -> None:
    """Add the squares of the gradients to the second moments."""
    squares = [member.state["squares"] for member in members]
    pairs = zip(members, squares, strict=True)
    gradients = [member.gradient.to(sum_.dtype) for member, sum_ in pairs]
    if settings.metric == "adagrad":
        torch._foreach_addcmul_(squares, gradients, gradients)
        torch._foreach_clamp_max_(squares, MOST)
        return
    torch._foreach_mul_(squares, settings.second_momentum)
    gain = 1 - settings.second_momentum
    torch._foreach_addcmul_(squares, gradients, gradients, gain)
    torch._foreach_clamp_max_(squares, MOST)
    torch._foreach_maximum_([member.state["largest"] for member in members], squares)


def diagonal(state: Mapping[str, Any], settings: StepSettings) -> Tensor:
    """h of a weight, of its shape."""
    moment: Tensor = state[MOMENTS[settings.metric][-1]]
    found = moment.sqrt().add_(settings.delta)
    return found.clamp_(settings.metric_low, settings.metric_high or None)


def inner_steps(
    x: Tensor,
    pull: Tensor,
    metric: Tensor,
    vertex: Callable[[Tensor, int], Tensor],
    settings: StepSettings,
    event_dims: int,
) -> Tensor:
    """Where the inner steps from weights x (B, ...) end.

    Parameters
    ----------
    x, pull, metric : Tensor (B, ...)
        The weights, eta d and h.
    vertex : callable
        Extreme points (B, ...) for directions, of the inner step of a number.
    settings : StepSettings
    event_dims : int
        Of the points of the region: of several points of a weight each has steps of its own.
    """
    events = tuple(range(-event_dims, 0))
    y, moved = x.clone(), torch.zeros_like(x)
    for number in range(settings.inner_steps):
        towards = torch.addcmul(pull, metric, moved)
        away = y - vertex(towards, number)
        slope = (towards * away).sum(events, keepdim=True)
        curve = (metric * away).mul_(away).sum(events, keepdim=True)
        length = slope / torch.where(curve > 0, curve, torch.ones_like(curve))
        # y may be the vertex itself; what overflows in single precision does not move.
        length = torch.where(length.isfinite(), length, torch.zeros_like(length))
        y.addcmul_(away, length.clamp(0, settings.max_step), value=-1)
        moved = y - x
    return y
