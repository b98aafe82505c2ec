"""How good a classifier is, from log-probabilities log p(k | x) of all images of a split.

    accuracy        share of images whose most probable class is the right one (micro average)
    worst class     smallest accuracy over the classes that occur
    loss            mean of -log p(label | x)
    ECE             sum over bins of (share of images) |accuracy - mean confidence|, confidence
                    max_k p(k | x), in 15 bins of equal width, right ends included

An ensemble's probabilities are the mean of its members' probabilities; its accuracy is that of
these means against the labels (not how often the members agree).

References
----------
Guo et al., On calibration of modern neural networks, arXiv:1706.04599, equation 3 (ECE).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, nll_loss

from tasks.nn.data import CORRUPTIONS, SEVERITIES, Dataset, Split, corrupted, evaluation_batches
from tasks.records import InputError

NUM_BINS = 15
_BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """Measures of a classifier on a split.

    Attributes
    ----------
    accuracy, worst_class_accuracy, calibration_error : float
        In [0, 1]; the calibration error is the ECE.
    loss : float
        In nats; infinite if a label has probability 0.
    num_images : int
    """

    accuracy: float
    worst_class_accuracy: float
    calibration_error: float
    loss: float
    num_images: int

    @property
    def quality(self) -> float:
        """More is better."""
        return self.accuracy

    def columns(self, prefix: str = "") -> dict[str, float]:
        """What tables of models hold of them."""
        if prefix:
            return {f"{prefix}accuracy": self.accuracy, f"{prefix}loss": self.loss}
        return {
            "accuracy": self.accuracy,
            "worst_class": self.worst_class_accuracy,
            "calibration_error": self.calibration_error,
            "loss": self.loss,
        }


def classification_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross entropy of a batch (inputs, labels): the loss for `train_steps`.

    Outputs are (N, K) for labels (N,), or (N, T, K) for labels (N, T).
    """
    inputs, labels = batch
    return cross_entropy(model(inputs).flatten(0, -2), labels.flatten())


def evaluate(model: nn.Module, dataset: Dataset, split: Split) -> Evaluation:
    """Measures of a model on a split of a data set, both on the model's device."""
    log_probabilities = predict(model, evaluation_batches(dataset, split, _BATCH))
    return measure(log_probabilities, split.targets.cpu())


def predict(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Log-probabilities float64 (N, K) on the CPU, with normalizations and dropout at rest."""
    with evaluating(model), torch.inference_mode():
        outputs = [model(inputs).double().log_softmax(dim=1).cpu() for inputs, _ in batches]
    return torch.cat(outputs)


def measure(log_probabilities: Tensor, labels: Tensor, *, num_bins: int = NUM_BINS) -> Evaluation:
    """Measures from log-probabilities (N, K) and labels (N,).

    Raises
    ------
    InputError
        If there are no images or numbers differ.
    """
    if len(labels) == 0 or len(labels) != len(log_probabilities):
        raise InputError(f"{len(log_probabilities)} predictions for {len(labels)} labels")
    confidence, predicted = log_probabilities.max(dim=1)
    is_right = (predicted == labels).double()
    return Evaluation(
        accuracy=float(is_right.mean()),
        worst_class_accuracy=_worst_class(is_right, labels),
        calibration_error=_calibration_error(confidence.exp().double(), is_right, num_bins),
        loss=float(nll_loss(log_probabilities.double(), labels)),
        num_images=len(labels),
    )


@dataclass(frozen=True, eq=False)
class Predictions:
    """What measures need of some log-probabilities, in little memory.

    Attributes
    ----------
    labels : int64 Tensor (N,)
    chosen, confidence : float64 Tensor (N,)
        log p of the label, and of the most probable class.
    is_right : float64 Tensor (N,)
    """

    labels: Tensor
    chosen: Tensor
    confidence: Tensor
    is_right: Tensor


def predictions(log_probabilities: Tensor, labels: Tensor) -> Predictions:
    """Of log-probabilities (N, K) and labels (N,)."""
    confidence, predicted = log_probabilities.max(dim=1)
    chosen = log_probabilities.gather(1, labels[:, None])[:, 0]
    return Predictions(labels, chosen, confidence, (predicted == labels).double())


def measure_predictions(parts: Sequence[Predictions]) -> Evaluation:
    """Measures of all predictions of some batches.

    Raises
    ------
    InputError
        Without predictions.
    """
    if not parts:
        raise InputError("there is nothing to evaluate")
    labels, chosen, confidence, is_right = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("labels", "chosen", "confidence", "is_right")
    )
    return Evaluation(
        accuracy=float(is_right.mean()),
        worst_class_accuracy=_worst_class(is_right, labels),
        calibration_error=_calibration_error(confidence.exp(), is_right, NUM_BINS),
        loss=float(-chosen.mean()),
        num_images=len(labels),
    )


def ensemble(members: Sequence[Tensor]) -> Tensor:
    """Log of the mean of the members' probabilities, from log-probabilities (N, K) each."""
    if not members:
        raise InputError("an ensemble needs at least one member")
    return torch.stack(list(members)).logsumexp(dim=0) - math.log(len(members))


def corrupted_accuracies(
    model: nn.Module,
    dataset: Dataset,
    split: Split,
    *,
    corruptions: Sequence[str] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
) -> dict[tuple[str, int], float]:
    """Accuracy for every corruption and severity.

    Their mean is the accuracy out of distribution.
    """
    return {
        (corruption, severity): _corrupted_accuracy(model, dataset, split, corruption, severity)
        for corruption in corruptions
        for severity in severities
    }


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; then every module is back in its own mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _corrupted_accuracy(
    model: nn.Module, dataset: Dataset, split: Split, corruption: str, severity: int
) -> float:
    images = corrupted(split.inputs, corruption, severity)
    parts = zip(images.split(_BATCH), split.targets.split(_BATCH), strict=True)
    predicted = predict(model, ((dataset.normalized(part), rows) for part, rows in parts))
    return float((predicted.argmax(dim=1) == split.targets.cpu()).double().mean())


def _worst_class(is_right: Tensor, labels: Tensor) -> float:
    counts = torch.bincount(labels)
    hits = torch.bincount(labels, weights=is_right)
    occurs = counts > 0
    return float((hits[occurs] / counts[occurs]).min())


def _calibration_error(confidence: Tensor, is_right: Tensor, num_bins: int) -> float:
    bins = (confidence * num_bins).ceil().long().clamp(1, num_bins) - 1
    gaps = torch.bincount(bins, weights=is_right - confidence, minlength=num_bins)
    return float(gaps.abs().sum() / len(confidence))
