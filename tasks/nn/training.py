"""The training loop: one function that every field uses, for any model, batch and loss.

A step at step number t, over k batches (k > 1 accumulates gradients):

    theta <- optimizer(theta, clip(grad mean_i loss(model, batch_i)), rate = schedule(t)),
    t     <- t + 1.

Determinism.  Default random numbers (dropout) are seeded in every step by a number drawn from the
state's own generator, so model, optimizer, t and that generator are all there is to save; the
caller's random state is left as it was.  Batches come from outside, and whoever resumes at step t
hands over batches that begin at t (`tasks.nn.fit` does).

Mixed precision is bfloat16: it has the range of float32, needs no loss scaling, and so no scaler
state can be forgotten by a checkpoint.  Weights and optimizer stay in their own precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from tasks.nn.schedules import Schedule
from tasks.records import InputError, LatticeworkError

Found = Tensor | tuple[Tensor, Mapping[str, Tensor]]
"""A loss (), or a loss and its terms by name, which are only noted."""
Loss = Callable[[nn.Module, Any], Found]
"""Of a model and a batch."""
NO_LIMIT = float("inf")


class TrainingDiverged(LatticeworkError):  # noqa: N818 - named for the outcome
    """Loss or gradient ceased to be finite; the state is that before this step."""


@dataclass(frozen=True)
class StepReport:
    """One finished step; of a stack, everything is a vector (m,) over its members.

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
    terms : mapping of Tensor
        What the loss gave beside its value.
    """

    step: int
    loss: Tensor
    rate: Any
    gradient_norm: Tensor
    terms: Mapping[str, Tensor]


@dataclass(frozen=True)
class CurvePoint:
    """What is noted of one step.

    Attributes
    ----------
    step : int
        Steps taken, this one included.
    loss, rate : float
    member : int
        Number in a stack.
    measures : mapping of float
        Terms of the loss, and what else was measured.
    """

    step: int
    loss: float
    rate: float
    member: int = 0
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass
class TrainingState:
    """What changes while a model is trained, and all that a checkpoint must hold.

    Attributes
    ----------
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer
        Its rates are set by the schedule; a parameter group may carry a factor ``lr_scale``.
    schedule : Schedule
        Rate of step t, counted from the beginning of training.
    step : int
        Number of steps taken.
    generator : torch.Generator
        On the CPU; source of all random numbers of the steps.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    step: int = 0
    generator: torch.Generator = field(default_factory=lambda: seeded_generator(0))

    @property
    def device(self) -> torch.device:
        """Device of the first parameter."""
        return next(self.model.parameters()).device

    def take_step(
        self, batches: Sequence[Any], loss: Loss, *, clip: float | None, mixed_precision: bool
    ) -> StepReport:
        """One step on the mean loss of some batches.

        Raises
        ------
        TrainingDiverged
            If loss or gradient are not finite; then weights and statistics are as they were.
        """
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        value, terms = self.differentiate(batches, loss, mixed_precision=mixed_precision)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, NO_LIMIT if clip is None else clip)
        rate = self.schedule.at(self.step)
        # One transfer for both: a sum is finite only if each is.
        if not bool(torch.isfinite(value + norm)):
            self.optimizer.zero_grad(set_to_none=True)
            put_back(self.model, buffers)
            raise TrainingDiverged(
                f"step {self.step}: loss {value.item():.3g}, gradient norm {norm.item():.3g} "
                f"at learning rate {rate:.3g}; lower the rate or clip more"
            )
        self.step_optimizer(rate)
        return StepReport(self.step, value, rate, norm, terms)

    def differentiate(
        self, batches: Sequence[Any], loss: Loss, *, mixed_precision: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss and terms of some batches; the parameters get its gradient.

        A state of another kind may put another estimate of the gradient there; what it remembers
        for that is its `memory`.
        """
        parts = []
        for batch in batches:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed_precision):
                value, terms = share_of(loss(self.model, batch), len(batches))
            if not parts:  # After the forward pass: the memory goes to the new gradients.
                self.optimizer.zero_grad(set_to_none=True)
            value.backward()
            parts.append((value.detach(), terms))
        return total(parts)

    def memory(self) -> Mapping[str, Tensor]:
        """What steps remember beside weights and moments, by name; checkpoints hold it."""
        return {}

    def recall(self, memory: Mapping[str, Tensor]) -> None:
        """Restore what `memory` gave.

        Raises
        ------
        InputError
            If steps of this kind remember other things; then nothing was changed.
        """
        if memory:
            raise InputError("steps of another kind were saved: they remember gradients")

    def step_optimizer(self, rate: Any) -> None:
        """Move the weights along the gradients that they hold."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        self.optimizer.step()
        self.step += 1

    def points(self, report: StepReport, *, every: int, last: int) -> list[CurvePoint]:
        """What the curve gets of a step: a point every so many steps and at the last one."""
        if report.step % every and report.step != last:
            return []
        terms = {name: float(term) for name, term in report.terms.items()}
        return [CurvePoint(report.step, float(report.loss), report.rate, measures=terms)]


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
    batches: Iterable[Any],
    loss: Loss,
    *,
    until: int,
    accumulation: int = 1,
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
        `accumulation` batches per step, from step `state.step` on.
    loss : callable (model, batch) -> Tensor (), or that and a mapping of terms
    until, accumulation : int
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
    stream = iter(batches)
    with _own_random_numbers(state.device):
        while state.step < until:
            parts = list(islice(stream, accumulation))
            if len(parts) < accumulation:
                raise InputError(
                    f"batches ended after step {state.step}, wanted are {until} steps"
                    + (f" of {accumulation} batches" if accumulation > 1 else "")
                )
            state.model.train()
            with _drawn_seed(state.generator):
                report = state.take_step(parts, loss, clip=clip, mixed_precision=mixed_precision)
            if observe is not None:
                observe(report)


def share_of(found: Found, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """What a batch adds to the mean over so many batches: its loss, and its terms."""
    value, terms = found if isinstance(found, tuple) else (found, {})
    return value / count, {name: term.detach() / count for name, term in terms.items()}


def total(parts: Sequence[tuple[Tensor, Mapping[str, Tensor]]]) -> tuple[Tensor, dict[str, Tensor]]:
    """Sums of values, and of terms by name."""
    values, terms = zip(*parts, strict=True)
    return reduce(add, values), {n: reduce(add, [each[n] for each in terms]) for n in terms[0]}


@torch.no_grad()
def put_back(model: nn.Module, buffers: Iterable[Tensor]) -> None:
    """Give buffers, such as statistics of normalization, earlier values."""
    for buffer, earlier in zip(model.buffers(), buffers, strict=True):
        buffer.copy_(earlier)


@contextmanager
def _drawn_seed(generator: torch.Generator) -> Iterator[None]:
    """Seed the default random numbers; a step that diverges has drawn nothing."""
    draws = generator.get_state()
    torch.manual_seed(int(torch.randint(2**63 - 1, (), generator=generator)))
    try:
        yield
    except TrainingDiverged:
        generator.set_state(draws)
        raise


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
