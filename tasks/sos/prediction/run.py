"""One training from its first step to the model file.

While it runs it writes checkpoints beside its tables, one after the other into the same file, and
each holds the rows of the curve so far. A training that is killed and started again goes on from
the checkpoint; what it stores in the end is, on the CPU, the same to the last bit.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from gpu.backend import one_thread
from tasks.nn import (
    CurvePoint,
    FitPlan,
    FitStatus,
    StepReport,
    TrainingDiverged,
    TrainingState,
    averaged_loss,
    fit,
    load_checkpoint,
    release_freed_memory,
    run_processes,
)
from tasks.records.rows import Rows
from tasks.records.volume import Volume
from tasks.sos.prediction.autoregressive import MonomialTransformer
from tasks.sos.prediction.baseline import save_baseline
from tasks.sos.prediction.calibration import sigmoid
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.evaluation import (
    Calibration,
    FamilyScore,
    compare_methods,
    score_predictions,
)
from tasks.sos.prediction.items import CHECKPOINT, MODEL, TrainItem
from tasks.sos.prediction.learners import Learner, TrainingBatches, learner, new_state
from tasks.sos.prediction.metrics import summarize
from tasks.sos.prediction.network import BasisScorer
from tasks.sos.prediction.predictor import save_predictor
from tasks.sos.prediction.schema import LEVEL
from tasks.sos.prediction.training import LabeledGraph, draw_graphs

logger = logging.getLogger(__name__)

_MAX_SHOWN = 0.5
PLACES = {"device", "processes", "loaders", "shards"}
"""Fields of the config on which a model does not depend, or only by their contents."""


def train_item(item: TrainItem) -> Rows:
    """Train, calibrate, compare; write the model file.

    Returns
    -------
    Rows
        Of ``curve``, ``scores`` and ``models``.
    """
    with one_thread():
        return _train_item(item)


def _train_item(item: TrainItem) -> Rows:
    config, device = item.config, chosen_device(item.config)
    kind = learner(config)
    state, curve = train(config, device, folder=item.folder)
    kept = draw_graphs(config, "calibration", 0, config.calibration)
    calibration = kind.calibrated(state.model, kept, device)
    held_out = draw_graphs(config, "test", 0, config.test)
    logits = kind.logits(state.model, held_out, device)
    scores, error = compare_methods(logits, held_out, calibration)
    digest = _save(item, state, calibration, scores)
    count = sum(weights.numel() for weights in state.model.parameters())
    model = {
        "item": item.key,
        "reason": "",
        "digest": digest,
        "parameters": count,
        "steps": state.step,
        "temperature": calibration.temperature,
        "threshold": calibration.threshold,
        "alpha": config.alpha if calibration.others else None,
        "calibration_error": error,
    }
    return {
        "curve": [{"item": item.key, **row} for row in curve],
        "scores": [_score_row(item.key, each) for each in scores],
        "models": [model],
    }


def chosen_device(config: PredictorConfig) -> torch.device:
    """The device of a config; ``auto`` takes a GPU if there is one."""
    if config.device != "auto":
        return torch.device(config.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    config: PredictorConfig, device: torch.device, *, folder: str = ""
) -> tuple[TrainingState, list[dict[str, Any]]]:
    """Train from the last checkpoint in a folder, if there is one, to the end.

    Returns
    -------
    state : TrainingState
    curve : list of dict
        One row per `config.checkpoint_steps` steps.

    Raises
    ------
    TrainingDiverged
        If the loss or a gradient was not finite.
    """
    if config.processes == 1:
        return train_share(config, folder, device)
    with TemporaryDirectory() as place:
        folder = folder or place
        run_processes(train_share, config.processes, device, config, folder)
        state = new_state(config, device)
        points = load_checkpoint(Volume.open(folder).location(CHECKPOINT), state)["curve"]
        return state, [_curve_row(CurvePoint(**point)) for point in points]


def train_share(
    config: PredictorConfig, folder: str, device: torch.device, rank: int = 0
) -> tuple[TrainingState, list[dict[str, Any]]]:
    """Train as one of `config.processes` processes; the first one keeps the curve and saves."""
    kind, state = learner(config), new_state(config, device)
    loss = averaged_loss(state.model, kind.loss) if config.processes > 1 else kind.loss
    held_out = [] if rank else draw_graphs(config, "validation", 0, config.validation)
    plan = FitPlan(
        num_steps=config.steps,
        clip=config.clip,
        mixed_precision=config.mixed_precision,
        checkpoint=Volume.open(folder).location(CHECKPOINT) if folder else None,
        checkpoint_steps=config.checkpoint_steps,
        curve_steps=config.checkpoint_steps,
    )
    measure = partial(_measures, state, kind, held_out)
    outcome = fit(state, TrainingBatches(config, device, rank), loss, plan, measure=measure)
    if outcome.status is FitStatus.DIVERGED:
        raise TrainingDiverged(outcome.reason)
    return state, [_curve_row(point) for point in outcome.curve]


def _measures(
    state: TrainingState,
    kind: Learner,
    held_out: list[LabeledGraph],
    reports: Sequence[StepReport],
) -> dict[str, float]:
    """Means over the steps since the last row, and what held-out examples tell."""
    release_freed_memory()
    if not held_out:
        return {}
    probabilities = [sigmoid(v) for v in kind.logits(state.model, held_out, state.device)]
    scores = summarize(score_predictions(held_out, probabilities, _MAX_SHOWN))
    with torch.inference_mode():
        loss = float(kind.loss(state.model, kind.batch(held_out, state.device)))
    found = {
        "loss": float(np.mean([float(report.loss) for report in reports])),
        "gradient_norm": float(np.mean([float(report.gradient_norm) for report in reports])),
        "validation_loss": loss,
        "coverage": scores.coverage,
        "precision": scores.precision,
        "ratio": scores.ratio,
        "repair": scores.repair,
    }
    logger.info("step %d: loss %.4f, coverage %.3f", state.step, found["loss"], scores.coverage)
    return found


def _curve_row(point: CurvePoint) -> dict[str, Any]:
    return {"step": point.step, "rate": point.rate, **point.measures}


def _save(
    item: TrainItem,
    state: TrainingState,
    calibration: Calibration,
    scores: list[FamilyScore],
) -> str:
    """Write the model file with its card; without a folder there is none."""
    if not item.folder:
        return ""
    card = {
        "config": item.config.model_dump(exclude=PLACES),
        "steps": state.step,
        "scores": [_score_row(item.key, each) for each in scores],
        "covers_less_than_even_sqrt": _weak_families(scores),
    }
    place = Volume.open(item.folder).location(MODEL)
    if isinstance(state.model, MonomialTransformer):
        return save_baseline(place, state.model, card)
    assert isinstance(state.model, BasisScorer)  # there is no third kind
    return save_predictor(
        place,
        state.model,
        temperature=calibration.temperature,
        threshold=calibration.threshold,
        thresholds=calibration.others,
        card=card,
    )


def _weak_families(scores: list[FamilyScore]) -> list[str]:
    """Families on which the rule even-sqrt covers more, by the sign test on the same ones."""
    rule = {score.family: score.alone for score in scores if score.method == "even-sqrt"}
    told = [s for s in scores if s.method == "predicted" and s.sign_test <= LEVEL]
    return [score.family for score in told if score.alone < rule[score.family]]


def _score_row(key: str, score: FamilyScore) -> dict[str, Any]:
    """Lay out a row of `SCORES_SCHEMA`."""
    summary = score.summary
    return {
        "item": key,
        "family": score.family,
        "method": score.method,
        "count": summary.count,
        "coverage": summary.coverage,
        "coverage_low": summary.interval[0],
        "coverage_high": summary.interval[1],
        "covered_alone": score.alone,
        "sign_test": score.sign_test,
        "precision": summary.precision,
        "ratio": summary.ratio,
        "repair": summary.repair,
        "ratio_error": summary.ratio_error,
        "size": summary.size,
        "candidates": score.candidates,
    }
