"""A config of image training on a device: images, network, batches, recalibration, evaluation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Self

from torch import Tensor, nn

from tasks.nn.bench import Bench, Measures
from tasks.nn.data import (
    Augmentation,
    Dataset,
    ImageBatches,
    load_dataset,
    steps_per_epoch,
)
from tasks.nn.data.datasets import expanded
from tasks.nn.evaluation import corrupted_accuracies, evaluate
from tasks.nn.models import build_model, channels_last
from tasks.nn.recalibration import recalibrate
from tasks.nn.schedules import Schedule
from tasks.nn.training import TrainingState, seeded_generator, sgd
from tasks.records import derive_seed

__all__ = ["Workbench", "images_digest", "load_images"]

_RECALIBRATION_BATCH = 100
"""Images in a batch of recalibration, at most."""


@dataclass(frozen=True, eq=False)
class Workbench(Bench):
    """What all trainings of a run share: a config with its images on a device.

    Attributes
    ----------
    config : TrainingSettings
    dataset : Dataset
    device : str
    """

    config: Any
    dataset: Dataset
    device: str = "cpu"

    @classmethod
    def open(cls, config: Any, device: str = "cpu") -> Self:
        """Workbench of a config; images are read once per process.

        Raises
        ------
        InputError
            If the files of the data set are missing or damaged.
        """
        return cls(config, load_images(config, device), device)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of the training images."""
        return steps_per_epoch(len(self.dataset.train), self.config.batch_size)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images."""
        return self.dataset.shape

    def new_model(self, replicate: int) -> nn.Module:
        """Network of a repetition before training."""
        seed = derive_seed(self.config.seed, "weights", replicate)
        name, shape = self.config.model, self.dataset.shape
        model = build_model(name, shape, self.dataset.num_classes, seed=seed)
        return channels_last(model).to(self.device)

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

    def some_batch(self, count: int) -> tuple[Tensor, Tensor]:
        """The first training images as they are, at most so many."""
        part = self.dataset.train.at(slice(0, count))
        return self.dataset.normalized(part.images), part.labels

    def digest(self) -> str:
        """SHA-256 of all images and labels, split by split."""
        return images_digest(self.dataset)

    def describe(self) -> dict[str, Any]:
        """Network, normalization of the images, and names of the classes."""
        channels, height, width = self.dataset.shape
        return {
            "architecture": {
                "constructor": "tasks.nn.models.build_model",
                "name": self.config.model,
                "shape": [channels, height, width],
                "num_classes": self.dataset.num_classes,
            },
            "input": {
                "channels": channels,
                "height": height,
                "width": width,
                "values": "(byte / 255 - mean) / deviation, per channel",
                "mean": self.dataset.mean.tolist(),
                "deviation": self.dataset.std.tolist(),
            },
            "classes": list(self.dataset.class_names),
        }

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


def load_images(config: Any, device: str = "cpu") -> Dataset:
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
        cache=expanded(cache) if cache else None,
    )
    return dataset.to(device)
