"""Batches: which images at which step, a function of seed and step alone.

Epoch e visits the rows in the order of a permutation that depends on (seed, e); step t takes the
(t mod s)-th block of B rows, s = N // B steps per epoch, and the remaining N mod B rows sit out
that epoch.  Augmentation draws from a stream of (seed, t).  So training resumes at any step
without a state of its own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tasks.nn.data.augmentation import Augmentation
from tasks.nn.data.datasets import Dataset, Split
from tasks.records import InputError, derive_seed

NO_AUGMENTATION = Augmentation()


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Number of whole batches in an epoch.

    Raises
    ------
    InputError
        If there is none.
    """
    if not 1 <= batch_size <= num_images:
        raise InputError(f"batches of {batch_size} from {num_images} images: take 1..{num_images}")
    return num_images // batch_size


@dataclass(frozen=True)
class ImageBatches:
    """Batches of the training examples; only pictures are augmented.

    Attributes
    ----------
    dataset : Dataset
        On the device where the batches are wanted.
    batch_size : int
    seed : int
        Of order and augmentation.
    augmentation : Augmentation
    """

    dataset: Dataset = field(repr=False)
    batch_size: int
    seed: int
    augmentation: Augmentation = NO_AUGMENTATION

    def at(self, step: int) -> Generator[tuple[Tensor, Tensor]]:
        """Endless batches (inputs float32 (B, ...), targets (B,) or (B, K)) from a step on."""
        train, size = self.dataset.train, self.batch_size
        length = steps_per_epoch(len(train), size)
        epoch, position = divmod(step, length)
        while True:
            order = _order(len(train), self.seed, epoch).to(train.inputs.device)
            for block in range(position, length):
                rows = order[block * size : (block + 1) * size]
                inputs = self._inputs(train.inputs[rows], epoch * length + block)
                yield inputs, self.dataset.wanted(train.targets[rows])
            epoch, position = epoch + 1, 0

    def _inputs(self, inputs: Tensor, step: int) -> Tensor:
        """Normalized inputs; pictures are augmented."""
        if not self.dataset.has_pictures:
            return self.dataset.normalized(inputs)
        generator = _generator(self.seed, "augmentation", step)
        moved = self.augmentation.moved(inputs, generator)
        return self.augmentation.changed(self.dataset.normalized(moved), generator)


def evaluation_batches(
    dataset: Dataset, split: Split, batch_size: int = 500
) -> Iterator[tuple[Tensor, Tensor]]:
    """All examples of a split in order, once, targets unscaled; the last batch may be short."""
    for first in range(0, len(split), batch_size):
        part = split.at(slice(first, first + batch_size))
        yield dataset.normalized(part.inputs), part.targets


def _order(num_rows: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(num_rows, generator=_generator(seed, "order", epoch))


def _generator(seed: int, name: str, number: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(seed, name, number))
