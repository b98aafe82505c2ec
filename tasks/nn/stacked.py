"""Many models of one architecture trained together: weights stacked, one vectorized step for all.

With weights W (m, ...) of m members and member-wise batches x (m, ...),

    loss_j = loss(f(W_j), x_j),     G_j = its gradient,

followed by clipping per member and one step of an element-wise optimizer on the stacked weights
(`tasks.nn.stacked_optimizers`).  Buffers, such as statistics of normalization, are stacked too.
Every member takes the steps that it would take alone, up to rounding.

`Stack` makes m members of any model and vectorizes any loss of one model and one batch.
`JointStack` takes a module whose tensors are (m, ...) already, with a loss that gives the vector of
all m losses; so a loss may use whatever is fast for many members at once, and settings of its own
for each.  `fit` trains a `StackedState` of either as it trains any other.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
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


class MemberStack(nn.Module):
    """Members whose tensors lie in one module, member by member along the first dimension.

    Attributes
    ----------
    members : torch.nn.Module
        Every parameter and buffer is (m, ...).
    is_good : Tensor bool (m,)
        Members whose loss and gradient have been finite.
    """

    is_good: Tensor

    def __init__(self, members: nn.Module, count: int) -> None:
        super().__init__()
        self.members = members
        device = next(members.parameters()).device
        self.register_buffer("is_good", torch.ones(count, dtype=torch.bool, device=device))

    def member(self, number: int) -> dict[str, Tensor]:
        """State dict of one member."""
        return {name: value[number] for name, value in self.members.state_dict().items()}

    @abstractmethod
    def gradients(self, loss: Any, batch: Any) -> tuple[dict[str, Tensor], Any]:
        """Gradients by name, and losses (m,) and terms, of all members.

        Buffers change in place; a parameter without a gradient may be left out and stands still.
        """


class Stack(MemberStack):
    """Copies of a model, every parameter and buffer (m, ...) in place of (...).

    Parameters
    ----------
    model : torch.nn.Module
    count : int
        m.
    """

    def __init__(self, model: nn.Module, count: int) -> None:
        copies = copy.deepcopy(model)
        shared: dict[Any, Any] = {None: None}
        for module in copies.modules():
            for own in (module._parameters, module._buffers):
                for name, tensor in own.items():
                    if tensor not in shared:
                        shared[tensor] = _copies(tensor, count)
                    own[name] = shared[tensor]
        super().__init__(copies, count)

    def gradients(self, loss: Loss, batch: Any) -> tuple[dict[str, Tensor], Any]:
        """Of a loss of one model and one batch; batches are stacked."""
        module, buffers = LossModule(self.members, loss), dict(self.members.named_buffers())

        def of_one(weights: dict[str, Tensor], statistics: dict[str, Tensor], part: Any) -> Any:
            tensors = {f"model.{name}": value for name, value in (weights | statistics).items()}
            return share_of(functional_call(module, tensors, (part,)), 1)

        each = vmap(grad_and_value(of_one, has_aux=True), randomness="different")
        weights = {name: weight.detach() for name, weight in self.members.named_parameters()}
        return each(weights, buffers, batch)


class JointStack(MemberStack):
    """A module that is m members already: one call of the loss gives all m losses.

    The loss of a member may depend on tensors of this member alone, so that the gradient of the
    sum holds that of each.
    """

    def gradients(self, loss: Loss, batch: Any) -> tuple[dict[str, Tensor], Any]:
        """Of a loss (module, batch) -> (m,), or that and terms (m,); one backward pass."""
        with torch.enable_grad():
            losses, terms = share_of(loss(self.members, batch), 1)
            if losses.shape != self.is_good.shape:
                raise InputError(
                    f"the loss of a joint stack gave shape {tuple(losses.shape)}: "
                    f"give one loss for each of its {len(self.is_good)} members"
                )
            weights = dict(self.members.named_parameters())
            found = torch.autograd.grad(losses.sum(), list(weights.values()), allow_unused=True)
        given = zip(weights, found, strict=True)
        return {name: each for name, each in given if each is not None}, (losses.detach(), terms)


@dataclass
class StackedState(TrainingState):
    """A stack in training; members whose loss is not finite, or that are done, stand still.

    Attributes
    ----------
    num_steps : tuple of int
        Of each member, the last one as many as the plan has; by default that of the plan for all.
    """

    model: MemberStack  # pyrefly: ignore[bad-override-mutable-attribute]
    num_steps: tuple[int, ...] = ()

    @torch.no_grad()
    def take_step(
        self, batches: Sequence[Any], loss: Loss, *, clip: float | None, mixed_precision: bool
    ) -> StepReport:
        """One step of all members that are good and not done, in full precision."""
        if mixed_precision:
            raise InputError("mixed precision is not offered for stacks; train in full precision")
        members = self.model.members
        earlier = [(buffer, buffer.clone()) for buffer in members.buffers()]
        losses, terms, gradients = self._mean_gradients(batches, loss)
        norms = torch.stack([g.flatten(1).square().sum(dim=1) for g in gradients.values()])
        norms = norms.sum(dim=0).sqrt()
        moves = self._moving(losses + norms)
        for name, weight in members.named_parameters():
            weight.grad = _clipped(gradients.get(name), norms, clip)
        all_move = bool(moves.all())
        if not all_move:
            earlier += [(weight, weight.clone()) for weight in members.parameters()]
        rates = self.schedule.at(self.step)
        self.step_optimizer(rates)
        for tensor, before in [] if all_move else earlier:
            tensor.copy_(torch.where(by_member(moves, tensor), tensor, before))
        return StepReport(self.step, losses, rates, norms, terms)

    def _mean_gradients(
        self, batches: Sequence[Any], loss: Loss
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Losses, terms and gradients, each the mean over the batches."""
        count = len(batches)
        found = [self.model.gradients(loss, batch) for batch in batches]
        losses, terms = total([share_of(values, count) for _, values in found])
        if count == 1:
            return losses, terms, found[0][0]
        _, gradients = total([share_of((losses, each), count) for each, _ in found])
        return losses, terms, gradients

    def _moving(self, values: Tensor) -> Tensor:
        """Members that take this step; those with values that are not finite never move again."""
        is_finite = torch.isfinite(values)
        is_active = self.step < torch.tensor(self.num_steps or NO_LIMIT, device=self.device)
        moves = self.model.is_good & is_finite & is_active
        self.model.is_good &= is_finite | ~is_active
        return moves

    def points(self, report: StepReport, *, every: int, last: int) -> list[CurvePoint]:
        """Points of the members that are good and not done."""
        step, ends = report.step, self.num_steps or (last,)
        if step % every and step not in ends:
            return []
        count = len(report.loss)
        is_good, losses = self.model.is_good.tolist(), report.loss.tolist()
        rates = torch.as_tensor(report.rate, dtype=torch.float64).expand(count).tolist()
        terms = {name: term.tolist() for name, term in report.terms.items()}
        return [
            CurvePoint(
                step, losses[j], rates[j], j, {name: term[j] for name, term in terms.items()}
            )
            for j, end in enumerate(ends if self.num_steps else ends * count)
            if (step % every == 0 or step == end) and step <= end and is_good[j]
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
class ScaledSchedule:
    """One schedule for all members, times a factor for each.

    Attributes
    ----------
    inner : Schedule
    factors : tuple of float (m,)
    """

    inner: Schedule
    factors: tuple[float, ...]

    def at(self, step: int) -> Any:
        """Rates float64 (m,) of a step."""
        return torch.tensor(self.factors, dtype=torch.float64) * self.inner.at(step)


@dataclass(frozen=True)
class StackedBatches:
    """Batches of their own for every member, stacked: tuples of tensors of equal shapes."""

    members: tuple[Batches, ...]

    def at(self, step: int) -> Generator[Any]:
        """Stacks of batches from a step on."""
        for parts in zip(*(member.at(step) for member in self.members), strict=True):
            yield tuple(torch.stack(tensors) for tensors in zip(*parts, strict=True))


def by_member(vector: Tensor, stack: Tensor) -> Tensor:
    """A vector (m,) that multiplies a stack (m, ...)."""
    typed = vector if vector.dtype == torch.bool else vector.to(stack)
    return typed.reshape(-1, *[1] * (stack.ndim - 1))


def _clipped(gradient: Tensor | None, norms: Tensor, clip: float | None) -> Tensor | None:
    if gradient is None or clip is None:
        return gradient
    return gradient * by_member((clip / (norms + _CLIP_GUARD)).clamp(max=1.0), gradient)


def _copies(tensor: Any, count: int) -> Tensor:
    # One order in memory, which is the one of files: sums depend on it.
    copies = tensor.detach().expand(count, *tensor.shape).contiguous().clone()
    return nn.Parameter(copies) if isinstance(tensor, nn.Parameter) else copies
