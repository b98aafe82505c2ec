"""Steps in an adaptive metric of single weights on the CPU, on the cube, by compiled passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpu import adaptive_steps as passes
from tasks.nn.optimizers.adaptive import MOMENTS, MOST
from tasks.nn.optimizers.bucket import Bucket
from tasks.nn.optimizers.fused import array, lies_alike
from tasks.nn.optimizers.members import Member
from tasks.nn.optimizers.settings import StepSettings


def takes(member: Member, settings: StepSettings) -> bool:
    """Whether a weight can be moved here."""
    moments = [member.state[name] for name in MOMENTS[settings.metric]]
    if settings.metric == "amsgrad":
        moments.append(member.state.get("momentum"))
    return (
        settings.is_adaptive
        and member.entry.region.name == "linf"
        and settings.direction == "momentum"
        and (settings.metric == "amsgrad") == ("momentum" in member.state)
        and lies_alike(member, moments)
    )


def step(member: Member, settings: StepSettings, rate: float | Tensor) -> None:
    """Move a weight."""
    weight, state = member.entry.weight, member.state
    eta = np.float32(float(rate) * settings.rate_factor)
    metric = passes.Metric(
        np.float32(settings.delta),
        np.float32(settings.metric_low),
        np.float32(settings.metric_high or math.inf),
        np.float32(MOST),
        np.float32(member.entry.region.radius),
    )
    x, g, s = array(weight), array(member.gradient), array(state[MOMENTS[settings.metric][-1]])
    if settings.metric == "adagrad":
        direction = member.gradient.neg() if settings.maximize else member.gradient
        d, eta = g, -eta if settings.maximize else eta
        sums = passes.first_of_adagrad(x, g, s, eta, metric)
    else:
        direction, d = state["momentum"], array(state["momentum"])
        gain = np.float32(-settings.gain if settings.maximize else settings.gain)
        keep = settings.second_momentum
        given = (x, g, d, array(state["squares"]), s, eta, np.float32(settings.momentum), gain)
        sums = passes.first_of_amsgrad(*given, np.float32(keep), np.float32(1 - keep), metric)
    if not all(map(math.isfinite, sums)):
        Bucket(settings, [member]).move([direction], rate)
        return
    y, into = x, np.empty_like(x) if settings.inner_steps > 1 else x
    for _ in range(settings.inner_steps - 1):
        sums = passes.next_inner(x, y, into, d, s, eta, _length(sums, settings), metric)
        y = into
    passes.last_inner(x, y, d, s, eta, _length(sums, settings), metric)
    torch.autograd.graph.increment_version(weight)
    state["step"] += 1


def _length(sums: Sequence[Any], settings: StepSettings) -> np.float32:
    slope, curve = map(float, sums)
    found = slope / curve if curve > 0 else 0.0
    return np.float32(min(max(found, 0.0), settings.max_step) if math.isfinite(found) else 0.0)
