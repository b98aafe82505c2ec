"""A whole training of a classifier on a data set: resumable, with a curve and an outcome.

The training is a function of (initial state, data set, plan).  If a checkpoint is named, it is
written every so many steps and at the end, and read at the start if it is there; a training that
was killed at any moment and is called again ends in the same weights and the same curve, on the
CPU bit for bit.
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
        Of this training alone.
    checkpoint_steps, curve_steps : int
        Distances of checkpoints and of points of the curve.

    Raises
    ------
    InputError
        If the checkpoint belongs to another plan or model.
    StoreError
        If it cannot be read or written.
    """
    points = _resumed(state, plan, checkpoint)

    def observe(report: StepReport) -> None:
        if report.step % curve_steps == 0 or report.step == plan.num_steps:
            points.append(CurvePoint(report.step, float(report.loss), report.rate))
        if checkpoint and (report.step % checkpoint_steps == 0 or report.step == plan.num_steps):
            save_checkpoint(checkpoint, state, _extra(plan, points))

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
    state: TrainingState, plan: FitPlan, checkpoint: str | Path | None
) -> list[CurvePoint]:
    if checkpoint is None or not Path(checkpoint).exists():
        return []
    extra = load_checkpoint(checkpoint, state, check=lambda found: _check_plan(found, plan))
    logger.info("resumed at step %d of %d from %s", state.step, plan.num_steps, checkpoint)
    return [CurvePoint(**point) for point in extra["curve"]]


def _check_plan(extra: dict[str, Any], plan: FitPlan) -> None:
    if extra.get("plan") != plan.fingerprint():
        raise InputError("the checkpoint belongs to another training; name another file")


def _extra(plan: FitPlan, points: list[CurvePoint]) -> dict[str, Any]:
    return {"plan": plan.fingerprint(), "curve": [asdict(point) for point in points]}
