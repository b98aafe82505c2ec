"""What the optimizer keeps of a weight between two steps.

step                  number of steps taken
momentum              m, of the type of the weight, where there is one
start                 what the next power iteration starts from
precise               in half precision: the float32 numbers that the weight is rounded from
squares, largest      second moments of steps with a metric
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor

from tasks.nn.optimizers.adaptive import MOMENTS
from tasks.nn.optimizers.oracles import needs_start, num_rows
from tasks.nn.optimizers.routing import Constrained
from tasks.nn.optimizers.settings import StepSettings
from tasks.nn.regions.region import working_type
from tasks.records import InputError

SECOND = ("squares", "largest")
OF_SHAPE = ("momentum", "precise", "exp_avg", "exp_avg_sq", "momentum_buffer", *SECOND)
"""Of the shape of their weight."""
OF_TYPE = ("momentum", "exp_avg", "momentum_buffer")
"""Of the type of their weight."""


def prepare(entry: Constrained, state: MutableMapping[str, Any], settings: StepSettings) -> None:
    """Begin what a step needs and a state does not have yet."""
    weight = entry.weight
    points = entry.layout.shape(weight.shape)
    if "step" not in state:
        state["step"] = 0
        if needs_start(entry.region, points, settings.oracle):
            size = (*points[:-2], num_rows(entry.region, points), points[-1])
            state["start"] = torch.zeros(size, dtype=working_type(weight), device=weight.device)
    if weight.dtype in (torch.bfloat16, torch.float16) and "precise" not in state:
        # Roundings of every step would add up, and small steps would be lost.
        state["precise"] = weight.detach().float()
    if "momentum" not in state and (settings.momentum or settings.direction == "lion"):
        # A rule of a group may get a momentum later.
        state["momentum"] = torch.zeros_like(weight)
    for name in MOMENTS[settings.metric]:
        if name not in state:
            state[name] = torch.zeros_like(weight, dtype=working_type(weight))


def own_types(weight: Tensor) -> dict[str, torch.dtype]:
    """Types of what is not of the type of a weight, by name."""
    working = working_type(weight)
    return {"start": working, "precise": torch.float32, **dict.fromkeys(SECOND, working)}


def check_types(name: str, weight: Tensor, state: Mapping[str, Any]) -> None:
    """Refuse a weight that was converted since its last step.

    Raises
    ------
    InputError
    """
    wanted = dict.fromkeys(OF_TYPE, weight.dtype) | dict.fromkeys(SECOND, working_type(weight))
    for moment, dtype in wanted.items():
        found = state.get(moment)
        if found is not None and found.dtype != dtype:
            raise InputError(
                f"{name} is {weight.dtype}, but was {found.dtype} in the "
                "steps before: convert a model before its first step"
            )


def check_shapes(
    name: str, weight: Tensor, entry: Constrained | None, state: Mapping[str, Any]
) -> None:
    """Refuse the state of a weight of another shape.

    Raises
    ------
    InputError
    """
    wanted = dict.fromkeys(OF_SHAPE, weight.shape)
    if entry is not None and "start" in state:
        points = entry.layout.shape(weight.shape)
        wanted["start"] = torch.Size((*points[:-2], num_rows(entry.region, points), points[-1]))
    for moment, shape in wanted.items():
        if isinstance(state.get(moment), Tensor) and state[moment].shape != shape:
            raise InputError(f"{name} has another shape in the state")
