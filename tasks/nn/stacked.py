"""Many models of one architecture trained together: weights stacked, one vectorized step for all.

With weights W (m, ...) of m members and member-wise batches x (m, ...),

    loss_j = loss(f(W_j), x_j),     G_j = its gradient,

followed by clipping per member and one step of an element-wise optimizer on the stacked weights.
Buffers, such as statistics of normalization, are stacked too.  Every member takes the steps that it
would take alone, up to rounding.  `fit` trains a `StackedState` as it trains any other, with
`StackedBatches`, any loss of one model and one batch, and any element-wise optimizer; rates and
weight decays per member take a `StackedSchedule` and `StackedSGD`.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from tasks.nn.distributed import LossModule
from tasks.nn.fitting import Batches, Fit, FitStatus
from tasks.nn.schedules import Schedule
from tasks.nn.training import (
    NO_LIMIT,
    CurvePoint,
    Loss,
    StepReport,
    TrainingState,
    share_of,
    total,
)
from tasks.records import InputError

_CLIP_GUARD = 1e-6
"""Added to norms as in `torch.nn.utils.clip_grad_norm_`."""


class Stack(nn.Module):
    """Copies of a model, every parameter and buffer (m, ...) in place of (...).

    Parameters
    ----------
    model : torch.nn.Module
    count : int
        m.
    """

    def __init__(self, model: nn.Module, count: int) -> None:
        super().__init__()
        self.members = copy.deepcopy(model)
        shared: dict[Any, Any] = {None: None}
        for module in self.members.modules():
            for own in (module._parameters, module._buffers):
                for name, tensor in own.items():
                    if tensor not in shared:
                        shared[tensor] = _copies(tensor, count)
                    own[name] = shared[tensor]
        device = next(model.parameters()).device
        self.register_buffer("is_good", torch.ones(count, dtype=torch.bool, device=device))

    def member(self, number: int) -> dict[str, Tensor]:
        """State dict of one member."""
        return {name: value[number] for name, value in self.members.state_dict().items()}

    def gradients(self, loss: Loss, batch: Any) -> tuple[dict[str, Tensor], Any]:
        """Gradients by name, and losses and terms, of all members; buffers change in place."""
        module, buffers = LossModule(self.members, loss), dict(self.members.named_buffers())

        def of_one(weights: dict[str, Tensor], statistics: dict[str, Tensor], part: Any) -> Any:
            tensors = {f"model.{name}": value for name, value in (weights | statistics).items()}
            return share_of(functional_call(module, tensors, (part,)), 1)

        each = vmap(grad_and_value(of_one, has_aux=True), randomness="different")
        weights = {name: weight.detach() for name, weight in self.members.named_parameters()}
        return each(weights, buffers, batch)


@dataclass
class StackedState(TrainingState):
    """A stack in training; members whose loss is not finite, or that are done, stand still.

    Attributes
    ----------
    num_steps : tuple of int
        Of each member, the last one as many as the plan has; by default that of the plan for all.
    """

    model: Stack  # pyrefly: ignore[bad-override-mutable-attribute]
    num_steps: tuple[int, ...] = ()

    @torch.no_grad()
    def take_step(
        self, batches: Sequence[Any], loss: Loss, *, clip: float | None, mixed_precision: bool
    ) -> StepReport:
        """One step of all members that are good and not done, in full precision."""
        if mixed_precision:
            raise InputError("mixed precision is not offered for stacks; train in full precision")
        stack, count = self.model, len(batches)
        tensors = [*stack.members.parameters(), *stack.members.buffers()]
        earlier = [tensor.clone() for tensor in tensors]
        found = [stack.gradients(loss, batch) for batch in batches]
        losses, terms = total([share_of(values, count) for _, values in found])
        _, gradients = total([share_of((losses, each), count) for each, _ in found])
        norms = torch.stack([g.flatten(1).square().sum(dim=1) for g in gradients.values()])
        norms = norms.sum(dim=0).sqrt()
        is_finite = torch.isfinite(losses + norms)
        is_active = self.step < torch.tensor(self.num_steps or NO_LIMIT, device=self.device)
        moves = stack.is_good & is_finite & is_active
        stack.is_good &= is_finite | ~is_active
        scale = ((NO_LIMIT if clip is None else clip) / (norms + _CLIP_GUARD)).clamp(max=1.0)
        for name, weight in stack.members.named_parameters():
            weight.grad = gradients[name] * _like(scale, weight)
        rates = self.schedule.at(self.step)
        self.step_optimizer(rates)
        for tensor, before in zip(tensors, earlier, strict=True):
            tensor.copy_(torch.where(_like(moves, tensor), tensor, before))
        return StepReport(self.step, losses, rates, norms, terms)

    def points(self, report: StepReport, *, every: int, last: int) -> list[CurvePoint]:
        """Points of the members that are good and not done."""
        ends = self.num_steps or [last] * len(report.loss)
        return [
            _point(report, j)
            for j, end in enumerate(ends)
            if (report.step % every == 0 or report.step == end)
            and report.step <= end
            and bool(self.model.is_good[j])
        ]

    def outcome(self, number: int, whole: Fit) -> Fit:
        """What `fit` found out about one member."""
        curve = tuple(point for point in whole.curve if point.member == number)
        if bool(self.model.is_good[number]):
            return Fit(FitStatus.FINISHED, "", curve)
        reason = f"member {number}: loss or gradient was not finite; lower the rate or clip more"
        return Fit(FitStatus.DIVERGED, reason, curve)


@dataclass(frozen=True)
class StackedSchedule:
    """A schedule per member."""

    members: tuple[Schedule, ...]

    def at(self, step: int) -> Any:
        """Rates float64 (m,) of a step."""
        return torch.tensor([member.at(step) for member in self.members], dtype=torch.float64)


@dataclass(frozen=True)
class StackedBatches:
    """Batches of their own for every member, stacked: tuples of tensors of equal shapes."""

    members: tuple[Batches, ...]

    def at(self, step: int) -> Generator[Any]:
        """Stacks of batches from a step on."""
        for parts in zip(*(member.at(step) for member in self.members), strict=True):
            yield tuple(torch.stack(tensors) for tensors in zip(*parts, strict=True))


class StackedSGD(torch.optim.Optimizer):
    """Stochastic gradient descent with Nesterov's momentum, rates and weight decays (m,)."""

    def __init__(
        self, stack: Stack, *, momentum: float = 0.9, weight_decays: Sequence[float]
    ) -> None:
        settings = {"lr": 0.0, "momentum": momentum, "weight_decays": list(weight_decays)}
        super().__init__(stack.parameters(), settings)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move all members."""
        for group in self.param_groups:
            decays = torch.tensor(group["weight_decays"], dtype=torch.float64)
            for weight in group["params"]:
                gradient = weight.grad + _like(decays, weight) * weight
                earlier = self.state[weight].get("momentum", torch.zeros_like(weight))
                momentum = group["momentum"] * earlier + gradient
                self.state[weight]["momentum"] = momentum
                weight -= _like(group["lr"], weight) * (gradient + group["momentum"] * momentum)


def _copies(tensor: Any, count: int) -> Tensor:
    # One order in memory, which is the one of files: sums depend on it.
    copies = tensor.detach().expand(count, *tensor.shape).contiguous().clone()
    return nn.Parameter(copies) if isinstance(tensor, nn.Parameter) else copies


def _point(report: StepReport, j: int) -> CurvePoint:
    terms = {name: float(term[j]) for name, term in report.terms.items()}
    rates = torch.as_tensor(report.rate, dtype=torch.float64).expand(len(report.loss))
    return CurvePoint(report.step, float(report.loss[j]), float(rates[j]), j, terms)


def _like(vector: Tensor, stack: Tensor) -> Tensor:
    """A vector (m,) that multiplies a stack (m, ...)."""
    typed = vector if vector.dtype == torch.bool else vector.to(stack)
    return typed.reshape(-1, *[1] * (stack.ndim - 1))
