"""Averages of models: sum_j w_j theta_j with weights that add up to 1.

Real and complex entries are averaged in double precision as
theta_1 + sum_j w_j (theta_j - theta_1), so that identical models average to themselves, bit for
bit, and common zeros stay zero.  Counters and masks (integers, booleans) are not averaged but taken
from the first model.  Running statistics of the average are to be re-estimated
(`tasks.nn.recalibration`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tasks.nn.files import check_fit
from tasks.records import InputError

State = Mapping[str, Tensor]


def average_states(
    states: Sequence[State], weights: Sequence[float] | None = None
) -> dict[str, Tensor]:
    """Average of state dicts of one architecture.

    Parameters
    ----------
    weights : sequence of float, optional
        Add up to 1; equal by default.

    Raises
    ------
    InputError
        For no models, models that do not fit together, or weights that do not add up to 1.
    """
    if not states:
        raise InputError("an average needs at least one model")
    weights = [1 / len(states)] * len(states) if weights is None else list(weights)
    if len(weights) != len(states) or not math.isclose(sum(weights), 1, abs_tol=1e-6):
        raise InputError(
            f"{len(weights)} weights with sum {sum(weights):.6g} for {len(states)} models; "
            "give one per model with sum 1"
        )
    for number, state in enumerate(states[1:], start=2):
        check_fit(state, states[0], f"model {number} of the average")
    return {name: _average([s[name] for s in states], weights) for name in states[0]}


def state_distance(first: State, second: State, names: Sequence[str] | None = None) -> float:
    """Euclidean distance of the floating-point entries, of the given names or all."""
    chosen = [n for n in (names or first) if first[n].is_floating_point()]
    squares = [(first[n].double() - second[n].double()).square().sum() for n in chosen]
    return math.sqrt(sum(float(square) for square in squares))


def _average(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    first = tensors[0]
    if not (first.is_floating_point() or first.is_complex()):
        return first.clone()
    precise = torch.complex128 if first.is_complex() else torch.float64
    start = first.to(precise)
    total = start.clone()
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total += weight * (tensor.to(precise) - start)
    return total.to(first.dtype)
