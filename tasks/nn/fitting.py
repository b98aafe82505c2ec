"""A whole training of any model on any batches: resumable, with a curve and an outcome.

The training is a function of (initial state, batches, loss, plan).  If the plan names a checkpoint,
it is written every so many steps and at the end, and read at the start if it is there; a training
that was killed at any moment and is called again ends in the same weights and the same curve; on
the CPU, with as many threads, bit for bit.  A damaged checkpoint costs the steps that it held, not
the training.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from tasks.nn.checkpoints import load_checkpoint, save_checkpoint
from tasks.nn.distributed import is_first_process
from tasks.nn.files import DamagedFileError, is_stored
from tasks.nn.training import (
    CurvePoint,
    Loss,
    StepReport,
    TrainingDiverged,
    TrainingState,
    train_steps,
)
from tasks.records import InputError, fingerprint

logger = logging.getLogger(__name__)
Measure = Callable[[Sequence[StepReport]], Mapping[str, float]]


class Batches(Protocol):
    """Batches by number: a value, like a schedule, whose ``repr`` tells it from others."""

    def at(self, step: int) -> Generator[Any]:
        """Batches from number `step` on."""
        ...


class FitStatus(StrEnum):
    """How a training ended."""

    FINISHED = "finished"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class FitPlan:
    """What a training does, apart from where it starts and what it learns from.

    Attributes
    ----------
    num_steps : int
    accumulation : int
        Batches per step.
    clip : float or None
        Largest norm of the gradient.
    mixed_precision : bool
    checkpoint : path, URI or None
        Of this training alone.
    origin : str
        Digits of what the training starts from, such as the digest of the initial weights.  If it
        is given, a checkpoint of another origin, plan or model is passed over with a warning and
        replaced by the next one; otherwise it is refused.
    checkpoint_steps, curve_steps : int
        Distances of checkpoints and of points of the curve; the former a multiple of the latter if
        points tell of all steps since the last one.
    """

    num_steps: int
    accumulation: int = 1
    clip: float | None = 1.0
    mixed_precision: bool = False
    checkpoint: str | Path | None = None
    origin: str = ""
    checkpoint_steps: int = 1000
    curve_steps: int = 50

    def marks(self, state: TrainingState, batches: Batches) -> dict[str, str]:
        """What tells the checkpoints of different trainings apart."""
        rules = (self.num_steps, self.accumulation, self.clip, self.mixed_precision)
        parts = [repr(part) for part in (rules, batches, state.schedule)]
        return {"plan": fingerprint(parts), "origin": self.origin}


@dataclass(frozen=True)
class Fit:
    """Outcome of a training; the weights are in the state.

    Attributes
    ----------
    status : FitStatus
    reason : str
        Empty, or why training stopped.
    curve : tuple of CurvePoint
    """

    status: FitStatus
    reason: str
    curve: tuple[CurvePoint, ...]


def fit(
    state: TrainingState,
    batches: Batches,
    loss: Loss,
    plan: FitPlan,
    *,
    measure: Measure | None = None,
) -> Fit:
    """Train in place until the plan is fulfilled or the loss is not finite.

    Among several processes (`tasks.nn.run_processes`) only the first one writes checkpoints.

    Parameters
    ----------
    state : TrainingState
        At the beginning of the plan; masks are to be in force already.
    batches : Batches
        On the device of the model.
    loss : callable (model, batch) -> Tensor (), or that and a mapping of terms
    plan : FitPlan
    measure : callable, optional
        Gives numbers for a point of the curve, from the reports of the steps since the last one.

    Raises
    ------
    InputError
        If the checkpoint belongs to another plan or model and the plan has no origin.
    StoreError
        If it cannot be read or written.
    """
    marks, since = plan.marks(state, batches), []
    points = _resumed(state, plan, marks)
    place = plan.checkpoint if is_first_process() else None

    def observe(report: StepReport) -> None:
        since.append(report)
        found = state.points(report, every=plan.curve_steps, last=plan.num_steps)
        if found and measure is not None:
            more = measure(since)
            found = [replace(point, measures={**point.measures, **more}) for point in found]
        if found or measure is None:
            since.clear()
        points.extend(found)
        is_last = report.step == plan.num_steps
        if place and (is_last or report.step % plan.checkpoint_steps == 0):
            extra = {**marks, "curve": [asdict(point) for point in points]}
            save_checkpoint(place, state, extra)

    try:
        with closing(batches.at(state.step * plan.accumulation)) as stream:
            train_steps(
                state,
                stream,
                loss,
                until=plan.num_steps,
                accumulation=plan.accumulation,
                clip=plan.clip,
                mixed_precision=plan.mixed_precision,
                observe=observe,
            )
    except TrainingDiverged as error:
        logger.warning("training diverged: %s", error)
        return Fit(FitStatus.DIVERGED, str(error), tuple(points))
    return Fit(FitStatus.FINISHED, "", tuple(points))


def _resumed(state: TrainingState, plan: FitPlan, marks: dict[str, str]) -> list[CurvePoint]:
    """Restore the state and its curve, if there is a checkpoint with these marks."""
    if plan.checkpoint is None or not is_stored(plan.checkpoint):
        return []

    def check(extra: dict[str, Any]) -> None:
        if any(extra.get(name) != mark for name, mark in marks.items()):
            raise InputError("the checkpoint belongs to another training; name another file")

    try:
        extra = load_checkpoint(plan.checkpoint, state, check=check)
    except DamagedFileError as error:
        logger.warning("%s; the training starts over", error)
        return []
    except InputError:
        if not plan.origin:
            raise
        logger.warning(
            "%s is of another training and passed over: this starts over", plan.checkpoint
        )
        return []
    logger.info("resumed at step %d of %d from %s", state.step, plan.num_steps, plan.checkpoint)
    return [CurvePoint(**point) for point in extra["curve"]]
