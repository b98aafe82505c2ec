"""A config of training on text on a device: text, network, batches, evaluation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import torch
from torch import Tensor, nn

from tasks.nn.bench import Bench, Measures
from tasks.nn.data.datasets import expanded
from tasks.nn.data.text import (
    Text,
    TextBatches,
    evaluation_windows,
    load_text,
    text_files,
    windows,
)
from tasks.nn.evaluation import Evaluation, evaluating, measure_predictions, predictions
from tasks.nn.models.gpt import build_gpt
from tasks.records import InputError, derive_seed

__all__ = ["TextBench"]


@dataclass(frozen=True, eq=False)
class TextBench(Bench):
    """What all trainings of a run share: a config with its text on a device.

    Attributes
    ----------
    config : TrainingSettings
        With a `context`.
    text : Text
    device : str
    """

    config: Any
    text: Text
    device: str = "cpu"

    @classmethod
    def open(cls, config: Any, device: str = "cpu") -> Self:
        """Bench of a config; text is read once per process.

        Raises
        ------
        InputError
            If the text is missing, or if its parts are shorter than a window.
        """
        files = _files(config.dataset, config.data_folder)
        text = _loaded(config.dataset, config.data_folder, config.num_train, device, files)
        held, needed = min(len(text.validation), len(text.test)), config.context
        if held <= needed or len(text.train) < 2 * needed:
            raise InputError(
                f"a context of {config.context} is too long for a text whose parts have "
                f"{len(text.train):,}, {len(text.validation):,} and {len(text.test):,} characters"
            )
        return cls(config, text, device)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of windows."""
        return self.batches(0).steps_per_epoch

    def new_model(self, replicate: int) -> nn.Module:
        """Network of a repetition before training."""
        seed = derive_seed(self.config.seed, "weights", replicate)
        model = build_gpt(len(self.text.characters), self.config.context, seed=seed)
        return model.to(self.device)

    def batches(self, seed: int) -> TextBatches:
        """Windows in an order of their own."""
        return TextBatches(self.text, self.config.batch_size, self.config.context, seed)

    def some_batch(self, count: int) -> tuple[Tensor, Tensor]:
        """The first windows of the training text, at most so many."""
        train, context = self.text.train, self.config.context
        starts = torch.arange(0, len(train) - context, context, device=train.device)
        return windows(train, starts[:count], context)

    def describe(self) -> dict[str, Any]:
        """Network, and the characters that tokens stand for."""
        return {
            "architecture": {
                "constructor": "tasks.nn.models.gpt.build_gpt",
                "num_tokens": len(self.text.characters),
                "context": self.config.context,
            },
            "input": {
                "kind": "text",
                "values": "numbers of characters",
                "characters": self.text.characters,
            },
        }

    def recalibrate(self, model: nn.Module) -> None:
        """Nothing to do: normalizations of layers keep no statistics."""

    def measure(self, model: nn.Module, *, corrupted: bool = True) -> Measures:
        """Measures of the predictions of characters of the validation and the test text."""
        del corrupted
        validation = self._evaluate(model, self.text.validation)
        return Measures(validation, self._evaluate(model, self.text.test))

    def digest(self) -> str:
        """SHA-256 of characters and text."""
        total = hashlib.sha256(self.text.characters.encode())
        for part in (self.text.train, self.text.validation, self.text.test):
            total.update(f"{len(part)}".encode())
            total.update(part.cpu().numpy().data)
        return total.hexdigest()

    def _evaluate(self, model: nn.Module, part: Tensor) -> Evaluation:
        found = []
        with evaluating(model), torch.inference_mode():
            for inputs, following in evaluation_windows(part, self.config.context):
                logs = model(inputs).flatten(0, 1).double().log_softmax(dim=1).cpu()
                found.append(predictions(logs, following.flatten().cpu()))
        return measure_predictions(found)


def _files(name: str, folder: str) -> tuple[Any, ...]:
    """What tells that files of a folder have changed since they were read."""
    if name != "textfolder" or not folder:
        return ()
    return tuple((path, path.stat().st_mtime_ns) for path in text_files(expanded(folder)))


@lru_cache(maxsize=2)
def _loaded(
    name: Any, folder: str, num_train: int, device: str, files: tuple[Any, ...] = ()
) -> Text:
    del files
    text = load_text(name, folder=folder or None)
    return text.shortened(num_train or None).to(device)
