"""A config of training on a device: examples, network, batches, recalibration, evaluation.

Examples are images, or data of one's own. From Python a workbench takes any network and data:

>>> import torch
>>> from tasks.nn import ImageTrainingConfig, Workbench
>>> from tasks.nn.data.arrays import arrays_dataset
>>> x = torch.randn(200, 5)
>>> data = arrays_dataset("mine", {"x": x, "y": (x[:, 0] > 0).long()}, task="classification")
>>> config = ImageTrainingConfig(batch_size=32)
>>> bench = Workbench.of(config, data, network=lambda: torch.nn.Linear(5, 2))
>>> tuple(bench.new_model(0).weight.shape), bench.steps_per_epoch
((2, 5), 4)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from typing import Any, Self

import torch
from torch import Tensor, nn

from tasks.nn.bench import Bench, Measures
from tasks.nn.data import (
    Augmentation,
    Dataset,
    ImageBatches,
    Split,
    evaluation_batches,
    load_dataset,
    steps_per_epoch,
)
from tasks.nn.data.datasets import Scale, expanded
from tasks.nn.data.own import load_own, source_stamp
from tasks.nn.evaluation import Evaluation, corrupted_accuracies
from tasks.nn.models import build_model, channels_last
from tasks.nn.models.own import build_own, check_network, checked_module, materialize
from tasks.nn.objectives import Fitness, Objective, objective_of
from tasks.nn.recalibration import recalibrate
from tasks.nn.schedules import Schedule
from tasks.nn.starts import Start, start_of
from tasks.nn.training import TrainingState, seeded_generator, sgd
from tasks.records import InputError, derive_seed
from tasks.records.own_code import check_content, is_reference

__all__ = ["Workbench", "images_digest", "load_images", "scaled_as_wanted"]

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
    network : callable, optional
        Makes a network in place of the config's `model`.
    start : Start, optional
        Weights that all networks start from.
    """

    config: Any
    dataset: Dataset
    device: str = "cpu"
    network: Callable[[], nn.Module] | None = None
    start: Start | None = None

    @classmethod
    def open(cls, config: Any, device: str = "cpu") -> Self:
        """Workbench of a config; data are read once per process.

        Raises
        ------
        InputError
            If files of the data, or weights, are missing or damaged.
        """
        start = start_of(config)
        dataset = scaled_as_wanted(load_images(config, device), config, start)
        return cls(config, dataset, device, start=start)

    @classmethod
    def of(
        cls,
        config: Any,
        dataset: Dataset,
        network: Callable[[], nn.Module] | None = None,
        device: str = "cpu",
    ) -> Self:
        """Workbench of data at hand, and of a network, with what the config says of both.

        Raises
        ------
        InputError
            If weights to start from, or numbers of normalization, do not fit.
        """
        start = start_of(config)
        scaled = scaled_as_wanted(dataset.to(device), config, start)
        return cls(config, scaled, device, network, start)

    @property
    def objective(self) -> Objective:
        """Classes or numbers are to be learned."""
        return objective_of(self.dataset)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of the training examples."""
        return steps_per_epoch(len(self.dataset.train), self.config.batch_size)

    @property
    def image_shape(self) -> Sequence[int] | None:
        """(C, H, W) of the images; None if examples have another shape."""
        return self.dataset.shape if len(self.dataset.shape) == 3 else None

    def new_model(self, replicate: int) -> nn.Module:
        """Network of a repetition before training; with a `start` it has those weights.

        Raises
        ------
        InputError
            If a network of one's own cannot be made, or does not fit the weights.
        """
        seed = derive_seed(self.config.seed, "weights", replicate)
        name, shape, num_outputs = self.config.model, self.dataset.shape, self.dataset.num_outputs
        if self.network is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model = checked_module(self.network(), "network")
        elif is_reference(name):
            model = build_own(name, shape, num_outputs, seed=seed)
        else:
            model = build_model(name, shape, num_outputs, seed=seed)
        if self.network is not None or is_reference(name):
            materialize(model, self._two_examples().cpu(), seed=seed)
        if self.start is not None:
            self.start.load_into(model)
        return channels_last(model).to(self.device)

    def check_network(self) -> None:
        """Refuse a network that does not fit the data.

        Raises
        ------
        InputError
        """
        inputs, wanted = self._two_examples(), self.dataset.num_outputs
        check = partial(self.objective.check_outputs, count=len(inputs), wanted=wanted)
        model, again = self.new_model(0), self.new_model(0)
        check_network(model, inputs, check)
        if {id(p) for p in model.parameters()} & {id(p) for p in again.parameters()}:
            raise InputError(
                f"{type(model).__name__}: the function that makes it returns the same parameters "
                "every time; every repetition needs a network of its own"
            )

    def _two_examples(self) -> Tensor:
        part = self.dataset.train.at(slice(0, min(2, len(self.dataset.train))))
        return self.dataset.normalized(part.inputs)

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
        """The first training examples as they are, at most so many."""
        part = self.dataset.train.at(slice(0, count))
        return self.dataset.normalized(part.inputs), self.dataset.wanted(part.targets)

    def digest(self) -> str:
        """SHA-256 of all inputs and targets, split by split."""
        return images_digest(self.dataset)

    def describe(self) -> dict[str, Any]:
        """Network, normalization of inputs and outputs, and names of the classes."""
        data = self.dataset
        name = self.config.model if self.network is None else f"{self.network!r}"
        is_own = self.network is not None or is_reference(name)
        described: dict[str, Any] = {
            "architecture": {
                "constructor": name if is_own else "tasks.nn.models.build_model",
                "name": name,
                "shape": list(data.shape),
                "num_classes": data.num_outputs,
            },
            "task": self.objective.name,
            "input": {
                "kind": "pictures" if data.has_pictures else "numbers",
                **self._named_shape(),
                "values": f"({'byte / 255' if data.has_pictures else 'value'} - mean) / deviation, "
                f"per {'column' if len(data.shape) == 1 else 'channel'}",
                "mean": data.mean.tolist(),
                "deviation": data.std.tolist(),
            },
        }
        if data.target_scale is None:
            return {**described, "classes": list(data.class_names)}
        scale = {
            "mean": data.target_scale.mean.tolist(),
            "deviation": data.target_scale.std.tolist(),
        }
        values = "network output * deviation + mean, per target"
        return {**described, "output": {"values": values, **scale}}

    def _named_shape(self) -> dict[str, Any]:
        shape = self.dataset.shape
        if len(shape) == 3:
            return dict(zip(("channels", "height", "width"), shape, strict=True))
        return {"shape": list(shape)}

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

    def evaluate(self, model: nn.Module, split: Split) -> Evaluation | Fitness:
        """Measures on a split."""
        return self.objective.evaluate(model, evaluation_batches(self.dataset, split))

    def validation_quality(self, model: nn.Module) -> float:
        """Accuracy, or R^2, on the validation examples."""
        return self.evaluate(model, self.dataset.validation).quality

    def measure(self, model: nn.Module, *, corrupted: bool = True) -> Measures:
        """Measures on validation and test examples, and on corrupted images if wanted."""
        validation = self.evaluate(model, self.dataset.validation)
        test = self.evaluate(model, self.dataset.test)
        ood = self._ood_accuracy(model) if corrupted else None
        return Measures(validation, test, ood)

    def _ood_accuracy(self, model: nn.Module) -> float | None:
        severities = tuple(dict.fromkeys(self.config.ood_severities))
        if not (self.config.ood_images and severities and self.dataset.has_pictures):
            return None
        part = self.dataset.test.at(slice(0, self.config.ood_images))
        found = corrupted_accuracies(model, self.dataset, part, severities=severities)
        return sum(found.values()) / len(found)


def load_images(config: Any, device: str = "cpu") -> Dataset:
    """Data set of a config on a device."""
    return _loaded(
        config.data or config.dataset,
        config.data_folder,
        config.num_train,
        config.image_size,
        task=config.task if config.data else "",
        cache=config.image_cache,
        device=device,
        stamp=_stamp(config),
    )


def _stamp(config: Any) -> tuple[Any, ...]:
    """What tells that files have changed since they were read."""
    folder = config.data_folder if config.dataset == "imagefolder" else ""
    source = config.data or folder
    return source_stamp(source) if source else ()


def scaled_as_wanted(dataset: Dataset, config: Any, start: Start | None) -> Dataset:
    """The data set with the normalization that the config, or the weights to start from, want.

    Raises
    ------
    InputError
        If there is one number too many or too few, or if weights come without normalization.
    """
    about = start.about if start else {}
    given = about.get("input", {})
    mean = config.mean or given.get("mean", ())
    deviation = config.deviation or given.get("deviation", ())
    if start is not None and not mean:
        raise InputError(
            f"checkpoint {start.place} does not say how its inputs were normalized: give mean and "
            "deviation (0 and 1 for none; of pictures for values from 0 to 1)"
        )
    classes = about.get("classes")
    if start is not None and classes is not None and list(classes) != list(dataset.class_names):
        raise InputError(f"checkpoint {start.place} has other classes than {dataset.name}")
    if mean:
        shape = dataset.mean.shape
        found = [_per_channel(name, values, shape) for name, values in
                 (("mean", mean), ("deviation", deviation))]  # fmt: skip
        dataset = replace(dataset, mean=found[0].to(dataset.mean), std=found[1].to(dataset.std))
    if start is not None and dataset.target_scale is not None:
        scale = about.get("output", {"mean": [0.0], "deviation": [1.0]})
        shape = dataset.target_scale.mean.shape
        both = (_per_channel(f"output {n}", scale[n], shape) for n in ("mean", "deviation"))
        dataset = replace(dataset, target_scale=Scale(*both).to(dataset.mean.device))
    return dataset


def _per_channel(name: str, values: Sequence[float], shape: torch.Size) -> Tensor:
    found = torch.tensor(values, dtype=torch.float32)
    if len(found) not in (1, *shape):
        raise InputError(f"{name} has {len(found)} numbers; wanted are 1 or {shape[0]}")
    return found.expand(shape).clone()


def images_digest(dataset: Dataset) -> str:
    """SHA-256 of all inputs and targets, split by split."""
    total = hashlib.sha256()
    for split in (dataset.train, dataset.validation, dataset.test):
        total.update(f"{tuple(split.inputs.shape)}".encode())
        total.update(split.inputs.cpu().contiguous().numpy().data)
        total.update(split.targets.cpu().contiguous().numpy().data)
    return total.hexdigest()


@lru_cache(maxsize=2)
def _loaded(
    name: str,
    folder: str,
    num_train: int,
    size: int,
    *,
    task: str,
    cache: str,
    device: str,
    stamp: tuple[Any, ...],
) -> Dataset:
    del stamp
    place = expanded(cache) if cache else None
    if task:
        own = load_own(name, task=task, num_train=num_train or None, size=size, cache=place)
        if is_reference(name):
            check_content(name, images_digest(own))
        return own.to(device)
    dataset = load_dataset(
        name,  # pyrefly: ignore[bad-argument-type]
        folder=folder or None,
        num_train=num_train or None,
        size=size,
        cache=place,
    )
    return dataset.to(device)
