"""The training loop: one function that every field uses, for any model, batch and loss.

A step at step number t:

    theta <- optimizer(theta, clip(grad loss(model, batch)), rate = schedule(t)),   t <- t + 1.

Determinism.  Default random numbers (dropout) are seeded in every step by a number drawn from the
state's own generator, so model, optimizer, t and that generator are all there is to save; the
caller's random state is left as it was.  Batches come from outside, and whoever resumes at step t
hands over batches that begin at t (`tasks.nn.data.batches` does).

Mixed precision is bfloat16: it has the range of float32, needs no loss scaling, and so no scaler
state can be forgotten by a checkpoint.  Weights and optimizer stay in their own precision.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor, nn

from tasks.nn.schedules import Schedule
from tasks.records import InputError, LatticeworkError

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")
_NO_LIMIT = float("inf")


class TrainingDiverged(LatticeworkError):  # noqa: N818 - named for the outcome
    """Loss or gradient ceased to be finite; the state is that before this step."""


@dataclass
class TrainingState:
    """What changes while a model is trained, and all that a checkpoint must hold.

    Attributes
    ----------
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer
        Its rates are set by the schedule; a parameter group may carry a factor ``lr_scale``.
    step : int
        Number of steps taken.
    generator : torch.Generator
        On the CPU; source of all random numbers of the steps.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    generator: torch.Generator = field(default_factory=lambda: seeded_generator(0))

    @property
    def device(self) -> torch.device:
        """Device of the first parameter."""
        return next(self.model.parameters()).device


@dataclass(frozen=True)
class StepReport:
    """One finished step.

    Attributes
    ----------
    step : int
        Steps taken, this one included.
    loss : Tensor ()
        Detached, on the model's device.
    rate : float
        Learning rate of this step.
    gradient_norm : Tensor ()
        Euclidean norm before clipping.
    """

    step: int
    loss: Tensor
    rate: float
    gradient_norm: Tensor


def seeded_generator(seed: int) -> torch.Generator:
    """Generator on the CPU at the start of the stream of `seed`, in [0, 2**63)."""
    return torch.Generator().manual_seed(seed)


def sgd(
    model: nn.Module, *, rate: float = 0.1, momentum: float = 0.9, weight_decay: float = 0.0
) -> torch.optim.SGD:
    """Stochastic gradient descent with momentum, Nesterov's if there is any."""
    return torch.optim.SGD(
        model.parameters(),
        lr=rate,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=momentum > 0,
    )


def train_steps(
    state: TrainingState,
    batches: Iterable[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    *,
    schedule: Schedule,
    until: int,
    clip: float | None = 1.0,
    mixed_precision: bool = False,
    observe: Callable[[StepReport], None] | None = None,
) -> None:
    """Train in place until `until` steps are taken in all.

    Parameters
    ----------
    state : TrainingState
        Changed in place; nothing happens if it has taken `until` steps already.
    batches : iterable
        One batch per step, from step `state.step` on.
    loss : callable (model, batch) -> Tensor ()
    schedule : Schedule
        Rate of step t, counted from the beginning of training.
    until : int
    clip : float or None
        Largest Euclidean norm of the gradient.
    mixed_precision : bool
        Forward in bfloat16 where autocast allows it.
    observe : callable, optional
        Called after every step: to collect a curve, to save a checkpoint, to change masks.

    Raises
    ------
    TrainingDiverged
        If a loss or gradient is not finite; then the state is that of the last good step.
    InputError
        If there are too few batches.
    """
    state.model.train()
    last_good = _LastGood(state)
    with _own_random_numbers(state.device):
        for batch in islice(batches, max(until - state.step, 0)):
            with last_good.kept():
                torch.manual_seed(_drawn_seed(state.generator))
                with torch.autocast(state.device.type, torch.bfloat16, enabled=mixed_precision):
                    value = loss(state.model, batch)
                report = _take_step(state, value, schedule.at(state.step), clip)
            if observe is not None:
                observe(report)
    if state.step < until:
        raise InputError(f"batches ended after step {state.step}, wanted are {until} steps")


class _LastGood:
    """What a step changes before it is known to be good: statistics, and the generator."""

    def __init__(self, state: TrainingState) -> None:
        self._generator = state.generator
        self._buffers = list(state.model.buffers())
        self._copies = [torch.empty_like(buffer) for buffer in self._buffers]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put everything back if the step diverges."""
        draws = self._generator.get_state()
        _copy(self._buffers, self._copies)
        try:
            yield
        except TrainingDiverged:
            self._generator.set_state(draws)
            _copy(self._copies, self._buffers)
            raise


@torch.no_grad()
def _copy(sources: Iterable[Tensor], targets: Iterable[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)


def _take_step(state: TrainingState, value: Tensor, rate: float, clip: float | None) -> StepReport:
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, _NO_LIMIT if clip is None else clip)
    # One transfer for both: a sum is finite only if each is.
    if not bool(torch.isfinite(value.detach() + norm)):
        state.optimizer.zero_grad(set_to_none=True)
        raise TrainingDiverged(
            f"step {state.step}: loss {value.item():.3g}, gradient norm {norm.item():.3g} "
            f"at learning rate {rate:.3g}; lower the rate or clip more"
        )
    for group in state.optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
    state.optimizer.step()
    state.step += 1
    return StepReport(state.step, loss=value.detach(), rate=rate, gradient_norm=norm)


def _drawn_seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**63 - 1, (), generator=generator))


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
