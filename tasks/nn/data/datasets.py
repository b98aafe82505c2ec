"""Labeled images in memory.

Images are bytes, (N, C, H, W), and become numbers only on the device that trains:

    x = (byte / 255 - mean) / std      per channel, mean and std of the training split.

A data set has three parts.  `train` and `validation` partition the published training set, by a
permutation that depends on its size and the split seed alone; `test` is the published test set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from tasks.records import InputError, derive_seed

VALIDATION_SHARE = 0.1
_CHUNK = 2**24
"""Numbers that are summed at a time."""
_NO_SPREAD = 1e-3
"""Smallest std: a channel that hardly varies is not blown up."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their classes.

    Attributes
    ----------
    images : uint8 Tensor (N, C, H, W)
    labels : int64 Tensor (N,)
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        _check_split(self.images, self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same images on a device."""
        return Split(self.images.to(device), self.labels.to(device))

    def at(self, rows: Tensor | slice) -> Split:
        """The images of these rows, in this order."""
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set.

    Attributes
    ----------
    name : str
    train, validation, test : Split
    class_names : tuple of str
    mean, std : float32 Tensor (C,)
        Of the training split, for bytes scaled to [0, 1].
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: Tensor
    std: Tensor

    @property
    def num_classes(self) -> int:
        """Number K of classes."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with images and statistics on a device."""
        parts = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **parts, mean=self.mean.to(device), std=self.std.to(device))

    def normalized(self, images: Tensor) -> Tensor:
        """Network inputs of images: float32 (N, C, H, W), from bytes or from numbers in [0, 1]."""
        scaled = images / 255 if images.dtype == torch.uint8 else images
        return (scaled - self.mean[:, None, None]) / self.std[:, None, None]


def expanded(path: str | Path) -> Path:
    """A path with the home folder in place of ~.

    Raises
    ------
    InputError
        If the home folder cannot be found.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: {error}") from error


def assemble(
    name: str,
    published_train: Split,
    test: Split,
    class_names: tuple[str, ...],
    *,
    validation_share: float = VALIDATION_SHARE,
    split_seed: int = 0,
    num_train: int | None = None,
) -> Dataset:
    """Data set with a validation split taken from the published training set.

    Parameters
    ----------
    validation_share : float
        In [0, 1); round(share * N) images are held out.
    split_seed : int
        Seed of the permutation; keep it fixed between runs that are compared.
    num_train : int, optional
        At most so many training images; validation and test stay whole.

    Raises
    ------
    InputError
        If a label has no class or no training image is left.
    """
    _check_labels(name, (published_train, test), len(class_names))
    held_out, rest = split_rows(len(published_train), validation_share, split_seed)
    train = published_train.at(rest if num_train is None else rest[:num_train])
    return described(name, train, published_train.at(held_out), test, class_names)


def described(
    name: str, train: Split, validation: Split, test: Split, class_names: tuple[str, ...]
) -> Dataset:
    """Data set of its parts, with the statistics of the training images."""
    return Dataset(name, train, validation, test, class_names, *channel_statistics(train.images))


def split_rows(num_rows: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Random (held-out, remaining) rows; round(share * num_rows) are held out."""
    num_held_out = round(share * num_rows)
    if not 0 <= share < 1 or num_held_out >= num_rows:
        raise InputError(
            f"a validation share of {share} of {num_rows} images leaves none to train on; "
            "give a share in [0, 1)"
        )
    generator = torch.Generator().manual_seed(derive_seed(seed, "validation", num_rows))
    order = torch.randperm(num_rows, generator=generator)
    return order[:num_held_out], order[num_held_out:]


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel of bytes scaled to [0, 1], each float32 (C,).

    Sums are of integers below 2**63, so they do not depend on the order of images.
    """
    total = torch.zeros(2, images.shape[1], dtype=torch.int64)
    for chunk in images.split(max(_CHUNK // images[0].numel(), 1)):
        values = chunk.to(torch.int64)
        total[0] += values.sum(dim=(0, 2, 3)).cpu()
        total[1] += values.square().sum(dim=(0, 2, 3)).cpu()
    count = images.numel() // images.shape[1]
    mean, square = (total.double() / count).unbind()
    std = (square - mean.square()).clamp(min=0).sqrt() / 255
    return (mean / 255).float(), std.clamp(min=_NO_SPREAD).float()


def _check_split(images: Tensor, labels: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or labels.dtype != torch.int64:
        raise InputError(
            f"images of type {images.dtype} and shape {tuple(images.shape)} with labels of type "
            f"{labels.dtype}; wanted are uint8 (N, C, H, W) and int64 (N,)"
        )
    if labels.shape != images.shape[:1]:
        raise InputError(f"{len(images)} images have {len(labels)} labels")


def _check_labels(name: str, splits: tuple[Split, ...], num_classes: int) -> None:
    for split in splits:
        if len(split) == 0:
            raise InputError(f"{name}: the training or the test set is empty")
        low, high = int(split.labels.min()), int(split.labels.max())
        if low < 0 or high >= num_classes:
            raise InputError(f"{name}: labels {low}..{high} but only {num_classes} classes")
