"""What a network is to learn: classes, or numbers.

    classification   loss: mean of -log p(class | x); quality: accuracy
    regression       loss: mean of (output - y)^2 over examples and targets, y scaled to mean 0 and
                     deviation 1 on the training data; quality: R^2

R^2 is 1 - sum (value - prediction)^2 / sum (value - mean)^2, the mean that of the values at hand,
averaged over the targets: the share of the variance that is explained.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from tasks.nn.data.datasets import Dataset, Scale
from tasks.nn.evaluation import Evaluation, ensemble, evaluating, measure, predict
from tasks.records import InputError

__all__ = ["CLASSIFICATION", "Classification", "Fitness", "Objective", "Regression", "objective_of"]

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Fitness:
    """Measures of predicted numbers on a split.

    Attributes
    ----------
    r2 : float
        At most 1; 0 for predicting the mean.
    root_mean_square : float
        Of the errors, in the unit of the targets.
    loss : float
        Mean square of the errors of scaled targets.
    num_examples : int
    """

    r2: float
    root_mean_square: float
    loss: float
    num_examples: int

    @property
    def quality(self) -> float:
        """More is better."""
        return self.r2

    def columns(self, prefix: str = "") -> dict[str, Any]:
        """What tables of models hold of them."""
        if prefix:
            return {f"{prefix}r2": self.r2, f"{prefix}loss": self.loss}
        return {"r2": self.r2, "root_mean_square": self.root_mean_square, "loss": self.loss}


class Objective(ABC):
    """A loss of outputs, and measures of a model."""

    name: str

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean loss () of outputs of a network for the targets of a batch."""

    @abstractmethod
    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> Evaluation | Fitness:
        """Measures on batches (inputs, unscaled targets)."""

    @abstractmethod
    def mean_output(self, outputs: Sequence[Tensor]) -> Tensor:
        """Output of an ensemble, from those of its members."""

    @abstractmethod
    def check_outputs(self, outputs: Any, count: int, wanted: int) -> None:
        """Refuse outputs for `count` examples that are not `wanted` ones each."""

    def of_model(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean loss () of a model on a batch: what `fit` takes."""
        inputs, targets = batch
        return self.loss(model(inputs), targets)


class Classification(Objective):
    """Cross entropy of outputs (N, K) or (N, T, K), logits, for classes (N,) or (N, T)."""

    name = "classification"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean cross entropy."""
        return cross_entropy(outputs.flatten(0, -2), targets.flatten())

    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> Evaluation:
        """Accuracy and more."""
        labels: list[Tensor] = []

        def seen() -> Iterable[Batch]:
            for inputs, targets in batches:
                labels.append(targets.cpu())
                yield inputs, targets

        found = predict(model, seen())
        return measure(found, torch.cat(labels))

    def mean_output(self, outputs: Sequence[Tensor]) -> Tensor:
        """Log of the mean of the probabilities, in float64."""
        return ensemble([each.double().log_softmax(dim=1) for each in outputs])

    def check_outputs(self, outputs: Any, count: int, wanted: int) -> None:
        """Wanted are logits (N, K)."""
        if not isinstance(outputs, Tensor) or outputs.shape != (count, wanted):
            raise InputError(
                f"its output for {count} examples is {_described(outputs)}; wanted are logits of "
                f"shape ({count}, {wanted}), one for each class"
            )


@dataclass(frozen=True, eq=False)
class Regression(Objective):
    """Mean square of the errors of scaled targets, of outputs (N, K), or (N,) if K = 1.

    Attributes
    ----------
    scale : Scale
        Of the targets.
    """

    scale: Scale
    name = "regression"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error."""
        return mse_loss(outputs.reshape(targets.shape), targets)

    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> Fitness:
        """R^2 and more."""
        outputs, targets = [], []
        with evaluating(model), torch.inference_mode():
            for inputs, values in batches:
                outputs.append(model(inputs).double().cpu().reshape(values.shape))
                targets.append(values.double().cpu())
        if not targets:
            raise InputError("there is nothing to evaluate")
        return fitness(torch.cat(outputs), torch.cat(targets), self.scale)

    def mean_output(self, outputs: Sequence[Tensor]) -> Tensor:
        """Mean of the members."""
        return torch.stack([each.double() for each in outputs]).mean(dim=0)

    def check_outputs(self, outputs: Any, count: int, wanted: int) -> None:
        """Wanted are numbers (N, K), or (N,) if K = 1."""
        shapes = {(count, wanted), (count,)} if wanted == 1 else {(count, wanted)}
        if not isinstance(outputs, Tensor) or tuple(outputs.shape) not in shapes:
            raise InputError(
                f"its output for {count} examples is {_described(outputs)}; wanted are numbers of "
                f"shape ({count}, {wanted}), one for each target"
            )


def fitness(outputs: Tensor, values: Tensor, scale: Scale) -> Fitness:
    """Measures of outputs (N, K), in the scale of the network, for values (N, K); both float64."""
    predicted = scale.undone(outputs)
    squares = (predicted - values).square()
    spread = (values - values.mean(dim=0)).square().sum(dim=0)
    errors = squares.sum(dim=0)
    # Of values that do not vary nothing can be explained.
    shares = torch.where(spread > 0, 1 - errors / spread, (errors == 0).double())
    return Fitness(
        r2=float(shares.mean()),
        root_mean_square=float(squares.mean().sqrt()),
        loss=float((outputs - scale.applied(values)).square().mean()),
        num_examples=len(values),
    )


def objective_of(dataset: Dataset) -> Objective:
    """That of the targets of a data set."""
    return CLASSIFICATION if dataset.target_scale is None else Regression(dataset.target_scale)


def _described(outputs: Any) -> str:
    return f"of shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else f"{type(outputs)}"


CLASSIFICATION = Classification()
