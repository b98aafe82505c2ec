"""A whole training of a classifier on a data set: resumable, with a curve and an outcome.

The training is a function of (initial state, data set, plan).  If a checkpoint is named, it is
written every so many steps and at the end, and read at the start if it is there; a training that
was killed at any moment and is called again ends in the same weights and the same curve; on the
CPU, with as many threads, bit for bit.  A damaged checkpoint costs the steps that it held, not the
training.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tasks.nn.checkpoints import load_checkpoint, save_checkpoint
from tasks.nn.data import NO_AUGMENTATION, Augmentation, Dataset, training_batches
from tasks.nn.evaluation import classification_loss
from tasks.nn.files import DamagedFileError
from tasks.nn.schedules import Schedule
from tasks.nn.training import StepReport, TrainingDiverged, TrainingState, train_steps
from tasks.records import InputError, fingerprint

logger = logging.getLogger(__name__)


class FitStatus(StrEnum):
    """How a training ended."""

    FINISHED = "finished"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class FitPlan:
    """What a training does, apart from where it starts.

    Attributes
    ----------
    num_steps, batch_size : int
    schedule : Schedule
        Learning rate of step t.
    seed : int
        Of the order of batches and of augmentation.
    augmentation : Augmentation
    clip : float or None
        Largest norm of the gradient.
    mixed_precision : bool
    """

    num_steps: int
    batch_size: int
    schedule: Schedule
    seed: int
    augmentation: Augmentation = NO_AUGMENTATION
    clip: float | None = 1.0
    mixed_precision: bool = False

    def fingerprint(self) -> str:
        """Digits that differ between different plans."""
        return fingerprint(repr(self))


@dataclass(frozen=True)
class CurvePoint:
    """Loss and learning rate of one step.

    Attributes
    ----------
    step : int
        Steps taken, this one included.
    loss, rate : float
    """

    step: int
    loss: float
    rate: float


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
    dataset: Dataset,
    plan: FitPlan,
    *,
    checkpoint: str | Path | None = None,
    origin: str = "",
    checkpoint_steps: int = 1000,
    curve_steps: int = 50,
) -> Fit:
    """Train in place until the plan is fulfilled or the loss is not finite.

    Parameters
    ----------
    state : TrainingState
        At the beginning of the plan; masks are to be in force already.
    dataset : Dataset
        On the device of the model.
    checkpoint : path, optional
        Of this training alone.  A damaged file is removed, with a warning.
    origin : str
        Digits of what the training starts from, such as the digest of the initial weights.  If it
        is given, a checkpoint of another origin, plan or model is passed over with a warning and
        replaced by the next one; otherwise it is refused.
    checkpoint_steps, curve_steps : int
        Distances of checkpoints and of points of the curve.

    Raises
    ------
    InputError
        If the checkpoint belongs to another plan or model and no origin is given.
    StoreError
        If it cannot be read or written.
    """
    marks = {"plan": plan.fingerprint(), "origin": origin}
    points = [] if checkpoint is None else _resumed(state, plan, marks, checkpoint)

    def observe(report: StepReport) -> None:
        if report.step % curve_steps == 0 or report.step == plan.num_steps:
            points.append(CurvePoint(report.step, float(report.loss), report.rate))
        if checkpoint and (report.step % checkpoint_steps == 0 or report.step == plan.num_steps):
            extra = {**marks, "curve": [asdict(point) for point in points]}
            save_checkpoint(checkpoint, state, extra)

    try:
        _train(state, dataset, plan, observe)
    except TrainingDiverged as error:
        logger.warning("training diverged: %s", error)
        return Fit(FitStatus.DIVERGED, str(error), tuple(points))
    return Fit(FitStatus.FINISHED, "", tuple(points))


def _train(state: TrainingState, dataset: Dataset, plan: FitPlan, observe: Any) -> None:
    batches = training_batches(
        dataset,
        plan.batch_size,
        seed=plan.seed,
        start=state.step,
        augmentation=plan.augmentation,
    )
    train_steps(
        state,
        batches,
        classification_loss,
        schedule=plan.schedule,
        until=plan.num_steps,
        clip=plan.clip,
        mixed_precision=plan.mixed_precision,
        observe=observe,
    )


def _resumed(
    state: TrainingState, plan: FitPlan, marks: dict[str, str], checkpoint: str | Path
) -> list[CurvePoint]:
    """Restore the state and its curve, if there is a checkpoint with these marks."""
    if not Path(checkpoint).exists():
        return []

    def check(extra: dict[str, Any]) -> None:
        if any(extra.get(name) != mark for name, mark in marks.items()):
            raise InputError("the checkpoint belongs to another training; name another file")

    try:
        extra = load_checkpoint(checkpoint, state, check=check)
    except DamagedFileError as error:
        logger.warning("%s; it is removed, and the training starts anew", error)
        Path(checkpoint).unlink(missing_ok=True)
        return []
    except InputError:
        if not marks["origin"]:
            raise
        logger.warning("%s is of another training and passed over: this starts anew", checkpoint)
        return []
    logger.info("resumed at step %d of %d from %s", state.step, plan.num_steps, checkpoint)
    return [CurvePoint(**point) for point in extra["curve"]]
