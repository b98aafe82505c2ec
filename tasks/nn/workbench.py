"""A config of image training on a device: images, network, batches, recalibration, evaluation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Self

from torch import nn

from tasks.nn.config import ImageTrainingConfig
from tasks.nn.data import (
    Augmentation,
    Dataset,
    ImageBatches,
    load_dataset,
    steps_per_epoch,
)
from tasks.nn.evaluation import Evaluation, corrupted_accuracies, evaluate
from tasks.nn.fitting import FitPlan
from tasks.nn.models import build_model
from tasks.nn.recalibration import recalibrate
from tasks.nn.schedules import Linear, Schedule, warmed_up
from tasks.nn.training import TrainingState, seeded_generator, sgd
from tasks.records import derive_seed

__all__ = ["Measures", "Workbench", "images_digest", "load_images"]

WARM_UP = 0.05
"""Share of the dense training in which the rate rises."""
_RECALIBRATION_BATCH = 100
"""Images in a batch of recalibration, at most."""


@dataclass(frozen=True)
class Measures:
    """How good a model is.

    Attributes
    ----------
    validation_accuracy, validation_loss : float
        For choices between models.
    test : Evaluation
    ood_accuracy : float or None
        Mean over corruptions and severities; None if it was not measured.
    """

    validation_accuracy: float
    validation_loss: float
    test: Evaluation
    ood_accuracy: float | None

    def columns(self) -> dict[str, float | None]:
        """What tables of models hold of them."""
        return {
            "validation_accuracy": self.validation_accuracy,
            "accuracy": self.test.accuracy,
            "worst_class": self.test.worst_class_accuracy,
            "calibration_error": self.test.calibration_error,
            "loss": self.test.loss,
            "ood_accuracy": self.ood_accuracy,
        }


@dataclass(frozen=True, eq=False)
class Workbench:
    """What all trainings of a run share: a config with its images on a device.

    Attributes
    ----------
    config : ImageTrainingConfig
    dataset : Dataset
    device : str
    """

    config: ImageTrainingConfig
    dataset: Dataset
    device: str = "cpu"

    @classmethod
    def open(cls, config: ImageTrainingConfig, device: str = "cpu") -> Self:
        """Workbench of a config; images are read once per process.

        Raises
        ------
        InputError
            If the files of the data set are missing or damaged.
        """
        return cls(config, load_images(config, device), device)

    def num_steps(self, epochs: float) -> int:
        """Whole steps of a number of epochs, at least one."""
        each = steps_per_epoch(len(self.dataset.train), self.config.batch_size)
        return max(round(epochs * each), 1)

    def new_model(self, replicate: int) -> nn.Module:
        """Network of a repetition before training."""
        seed = derive_seed(self.config.seed, "weights", replicate)
        name, shape = self.config.model, self.dataset.shape
        return build_model(name, shape, self.dataset.num_classes, seed=seed).to(self.device)

    def dense_schedule(self, num_steps: int, rate: float | None = None) -> Schedule:
        """Rates of a training from scratch: linear to 0 after a warm-up.

        The largest is `rate`, by default that of the config.
        """
        rises = round(WARM_UP * num_steps)
        largest = self.config.learning_rate if rate is None else rate
        line = Linear(largest, 0.0, max(num_steps - rises, 1))
        return warmed_up(line, WARM_UP if rises else 0.0, num_steps)

    def state(
        self, model: nn.Module, schedule: Schedule, seed: int, weight_decay: float | None = None
    ) -> TrainingState:
        """A training that begins; the weight decay is that of the config if none is given."""
        decay = self.config.weight_decay if weight_decay is None else weight_decay
        optimizer = sgd(model, weight_decay=decay)
        return TrainingState(model, optimizer, schedule, generator=seeded_generator(seed))

    def batches(self, seed: int) -> ImageBatches:
        """Augmented batches in an order of their own."""
        augmentation = Augmentation(pad=self.config.pad, flip=self.config.flip)
        return ImageBatches(self.dataset, self.config.batch_size, seed, augmentation)

    def fit_plan(
        self, num_steps: int, *, checkpoint: str | Path | None = None, origin: str = ""
    ) -> FitPlan:
        """Settings of the config; `origin` tells the checkpoints of other trainings apart."""
        return FitPlan(
            num_steps=num_steps,
            clip=self.config.clip,
            mixed_precision=self.config.mixed_precision,
            checkpoint=checkpoint,
            origin=origin,
            checkpoint_steps=self.config.checkpoint_steps,
        )

    def recalibrate(self, model: nn.Module) -> None:
        """Re-estimate the statistics of normalization, on the same images for all models.

        Batches are of equal size, so that all images count the same: less than one image a batch
        is left out.
        """
        wanted = min(self.config.recalibration_images, len(self.dataset.train))
        number = -(-wanted // _RECALIBRATION_BATCH)
        seed = derive_seed(self.config.seed, "recalibration")
        batches = ImageBatches(self.dataset, wanted // number, seed).at(0)
        recalibrate(model, islice(batches, number))

    def validation_accuracy(self, model: nn.Module) -> float:
        """Share of the validation images whose class is found."""
        return evaluate(model, self.dataset, self.dataset.validation).accuracy

    def measure(self, model: nn.Module, *, corrupted: bool = True) -> Measures:
        """Measures on validation and test images, and on corrupted ones if wanted."""
        validation = evaluate(model, self.dataset, self.dataset.validation)
        test = evaluate(model, self.dataset, self.dataset.test)
        ood = self._ood_accuracy(model) if corrupted else None
        return Measures(validation.accuracy, validation.loss, test, ood)

    def _ood_accuracy(self, model: nn.Module) -> float | None:
        severities = tuple(dict.fromkeys(self.config.ood_severities))
        if not self.config.ood_images or not severities:
            return None
        part = self.dataset.test.at(slice(0, self.config.ood_images))
        found = corrupted_accuracies(model, self.dataset, part, severities=severities)
        return sum(found.values()) / len(found)


def load_images(config: ImageTrainingConfig, device: str = "cpu") -> Dataset:
    """Data set of a config on a device."""
    return _loaded(
        config.dataset,
        config.data_folder,
        config.num_train,
        config.image_size,
        cache=config.image_cache,
        device=device,
    )


def images_digest(dataset: Dataset) -> str:
    """SHA-256 of all images and labels, split by split."""
    total = hashlib.sha256()
    for split in (dataset.train, dataset.validation, dataset.test):
        total.update(f"{tuple(split.images.shape)}".encode())
        total.update(split.images.cpu().contiguous().numpy().data)
        total.update(split.labels.cpu().contiguous().numpy().data)
    return total.hexdigest()


@lru_cache(maxsize=2)
def _loaded(
    name: str, folder: str, num_train: int, size: int, *, cache: str, device: str
) -> Dataset:
    dataset = load_dataset(
        name,  # pyrefly: ignore[bad-argument-type]
        folder=folder or None,
        num_train=num_train or None,
        size=size,
        cache=Path(cache).expanduser() if cache else None,
    )
    return dataset.to(device)
