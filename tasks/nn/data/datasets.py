"""Labeled examples in memory.

Images are bytes, (N, C, H, W), and become numbers only on the device that trains:

    x = (byte / 255 - mean) / std      per channel, mean and std of the training split.

Other inputs are numbers, (N, D) or (N, C, ...), normalized alike per column or channel, without
the division by 255.  They are float32, or float64 where float32 would lose what varies (a column
1e8 + noise), and float32 once they are normalized.  Targets are classes 0..K-1, or K numbers each,
of which networks see

    y = (value - mean) / std           per target, mean and std of the training split.

A data set has three parts.  `train` and `validation` partition the published training set, by a
permutation that depends on its size and the split seed alone; `test` is the published test set.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from tasks.records import InputError, derive_seed
from tasks.records.report import counted

logger = logging.getLogger(__name__)

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.2
_TEST_SEED = 1
"""Added to the seed, so that test and validation examples are drawn independently."""
_CHUNK = 2**24
"""Numbers that are summed at a time."""
_NO_SPREAD = 1e-3
"""Smallest std of bytes: a channel that hardly varies is not blown up."""
_NUMBERS = (torch.float32, torch.float64)
_ULPS = 4
"""Numbers that spread over at most so many units in the last place are constant."""
_LEAST_SPREAD = 1e-3
"""Share of their size over which float32 numbers must spread to lose less than 1e-4 of it."""
_LEAST_NUMBER = 1e-30
"""Spreads below this come near the end of the range of float32, 1e-38."""


@dataclass(frozen=True, eq=False)
class Split:
    """Examples and what is to be learned of them.

    Attributes
    ----------
    inputs : uint8 Tensor (N, C, H, W), or float32 or float64 Tensor (N, D) or (N, C, ...)
    targets : int64 Tensor (N,) of classes, or float32 or float64 Tensor (N, K) of numbers
    """

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        _check_split(self.inputs, self.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str) -> Split:
        """The same examples on a device."""
        return Split(self.inputs.to(device), self.targets.to(device))

    def at(self, rows: Tensor | slice) -> Split:
        """The examples of these rows, in this order."""
        return Split(self.inputs[rows], self.targets[rows])


@dataclass(frozen=True, eq=False)
class Scale:
    """Shift and scale of numbers, by channel, column or target: x = (value - mean) / std.

    Attributes
    ----------
    mean, std : Tensor (C,)
        In the unit of the values; float64 for values that float32 would spoil.
    """

    mean: Tensor
    std: Tensor

    def to(self, device: torch.device | str) -> Scale:
        """The same on a device."""
        return Scale(self.mean.to(device), self.std.to(device))

    def applied(self, values: Tensor) -> Tensor:
        """x of values (N, C, ...)."""
        mean, std = self._shaped(values)
        return (values - mean) / std

    def undone(self, values: Tensor) -> Tensor:
        """Values of x (N, C, ...), in the type of x."""
        mean, std = self._shaped(values)
        return values * std.to(values.dtype) + mean.to(values.dtype)

    def _shaped(self, values: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *[1] * (values.ndim - 2))
        return self.mean.to(values.device).view(shape), self.std.to(values.device).view(shape)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set.

    Attributes
    ----------
    name : str
    train, validation, test : Split
    class_names : tuple of str
        None where targets are numbers.
    mean, std : Tensor (C,), float64 for float64 inputs and else float32
        Of the training split, in the unit of its inputs; of images for bytes scaled to [0, 1].
    target_scale : Scale, optional
        Of targets that are numbers.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: Tensor
    std: Tensor
    target_scale: Scale | None = None

    @property
    def num_classes(self) -> int:
        """Number K of classes."""
        return len(self.class_names)

    @property
    def num_outputs(self) -> int:
        """Number K of outputs of a network: classes, or numbers."""
        return self.num_classes if self.target_scale is None else self.train.targets.shape[1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an example: (C, H, W) of an image."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def has_pictures(self) -> bool:
        """Whether the inputs are images of bytes, which can be cropped, mirrored and corrupted."""
        return self.train.inputs.dtype == torch.uint8

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with examples and statistics on a device."""
        parts = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        scale = self.target_scale and self.target_scale.to(device)
        mean, std = self.mean.to(device), self.std.to(device)
        return replace(self, **parts, mean=mean, std=std, target_scale=scale)

    def normalized(self, inputs: Tensor) -> Tensor:
        """Network inputs: float32, from bytes, from numbers in [0, 1], or from other inputs."""
        scaled = inputs / 255 if inputs.dtype == torch.uint8 else inputs
        return Scale(self.mean, self.std).applied(scaled).float()

    def wanted(self, targets: Tensor) -> Tensor:
        """What a network is to give: classes as they are, numbers scaled, float32."""
        scale = self.target_scale
        return targets if scale is None else scale.applied(targets).float()


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
    """Data set of its parts, with the statistics of the training examples."""
    parts = name, train, validation, test, class_names
    return Dataset(*parts, *channel_statistics(train.inputs), target_scale=_target_scale(train))


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


def stratified_rows(labels: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Random (held-out, remaining) rows with the same share of every class.

    Largest remainders bring the sum to round(share * N).  One example of each class always
    remains, so fewer are held out of many small classes.

    Parameters
    ----------
    labels : int64 Tensor (N,)
    share : float
        In [0, 1).
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "stratified", len(labels)))
    order = torch.randperm(len(labels), generator=generator)
    counts = labels.bincount()
    quota = share * counts.double()
    seats = torch.minimum(quota.floor().long(), (counts - 1).clamp(min=0))
    turn = torch.randperm(len(counts), generator=generator)
    turn = turn[(quota - seats)[turn].argsort(descending=True, stable=True)]
    turn = turn[(seats + 1 < counts)[turn]]
    seats[turn[: max(round(share * len(labels)) - int(seats.sum()), 0)]] += 1
    by_class = labels[order].argsort(stable=True)
    rank = torch.empty_like(order)
    rank[by_class] = torch.arange(len(order)) - (counts.cumsum(0) - counts)[labels[order[by_class]]]
    is_held = rank < seats[labels[order]]
    return order[is_held], order[~is_held]


def held_out(name: str, splits: dict[str, Split], seed: int) -> tuple[Split, Split, Split]:
    """Training, validation and test examples."""
    train = splits[""]
    test, validation = splits.get("_test"), splits.get("_val")
    if test is None:
        held, rest = _rows(name, train, TEST_SHARE, seed + _TEST_SEED)
        logger.warning("%s has no x_test: %d of its examples are test data", name, len(held))
        train, test = train.at(rest), train.at(held)
    if validation is None:
        held, rest = _rows(name, train, VALIDATION_SHARE, seed)
        train, validation = train.at(rest), train.at(held)
    return train, validation, test


def _rows(name: str, split: Split, share: float, seed: int) -> tuple[Tensor, Tensor]:
    if split.targets.ndim == 1:
        held, rest = stratified_rows(split.targets, share, seed)
    else:
        held, rest = split_rows(len(split), share, seed)
    if not len(held):
        raise InputError(
            f"{name}: {len(split)} examples are too few to hold any out: give x_val and x_test"
        )
    return held, rest


def channel_statistics(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel or column, (C,): float64 of float64, else float32.

    Of bytes they are of values scaled to [0, 1], from sums of integers below 2**63, so that they do
    not depend on the order of images.
    """
    if inputs.dtype != torch.uint8:
        return _number_statistics(inputs)
    total = torch.zeros(2, inputs.shape[1], dtype=torch.int64)
    for chunk in inputs.split(max(_CHUNK // inputs[0].numel(), 1)):
        values = chunk.to(torch.int64)
        total[0] += values.sum(dim=(0, 2, 3)).cpu()
        total[1] += values.square().sum(dim=(0, 2, 3)).cpu()
    count = inputs.numel() // inputs.shape[1]
    mean, square = (total.double() / count).unbind()
    std = (square - mean.square()).clamp(min=0).sqrt() / 255
    return (mean / 255).float(), std.clamp(min=_NO_SPREAD).float()


def column_spread(values: Tensor) -> tuple[Tensor, Tensor]:
    """Spread max - min per column or channel, 0 for a few units in the last place; and max |x|.

    Parameters
    ----------
    values : float32 or float64 Tensor (N, C, ...)

    Returns
    -------
    spread, size : float64 Tensor (C,)
    """
    least, most = values.movedim(1, 0).flatten(1).aminmax(dim=1)
    low, high = least.double(), most.double()
    spread, size = high - low, torch.maximum(low.abs(), high.abs())
    is_constant = spread <= _ULPS * torch.finfo(values.dtype).eps * size
    return spread.masked_fill(is_constant, 0.0), size


def needs_double(values: Tensor) -> bool:
    """Whether a column of numbers (N, C, ...) varies so little that float32 would lose it."""
    spread, size = column_spread(values)
    is_small = (spread < _LEAST_SPREAD * size) | (spread < _LEAST_NUMBER)
    return bool((is_small & (spread > 0)).any())


def check_varying(name: str, train: Split) -> None:
    """Refuse targets that do not vary, and say which inputs do not."""
    if train.targets.ndim == 2:
        constant = (column_spread(train.targets)[0] == 0).nonzero()[:, 0].tolist()
        if constant:
            which = f" in column {constant[0]}" if train.targets.shape[1] > 1 else ""
            value = float(train.targets[0, constant[0]])
            raise InputError(f"{name}: y does not vary{which}: it is always {value:g}")
    if train.inputs.is_floating_point():
        constant = (column_spread(train.inputs)[0] == 0).nonzero()[:, 0].tolist()
        if constant:
            noun = "column" if train.inputs.ndim == 2 else "channel"
            logger.warning(
                "%s: x has %s, the first is number %d, from 0",
                name, counted(len(constant), f"constant {noun}"), constant[0],
            )  # fmt: skip


def _number_statistics(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of numbers (N, C, ...); 1 where they do not vary."""
    columns = values.double().flatten(2) if values.ndim > 2 else values.double()[:, :, None]
    mean, std = columns.mean(dim=(0, 2)), columns.std(dim=(0, 2), correction=0)
    std = std.masked_fill(column_spread(values)[0] == 0, 1.0)
    return mean.to(values.dtype), std.to(values.dtype)


def _target_scale(train: Split) -> Scale | None:
    return Scale(*_number_statistics(train.targets)) if train.targets.ndim == 2 else None


def _check_split(inputs: Tensor, targets: Tensor) -> None:
    is_known = (inputs.dtype, inputs.ndim) == (torch.uint8, 4) or (
        inputs.dtype in _NUMBERS and inputs.ndim >= 2
    )
    kinds = {(torch.int64, 1), *((number, 2) for number in _NUMBERS)}
    if not is_known or (targets.dtype, targets.ndim) not in kinds:
        raise InputError(
            f"inputs of type {inputs.dtype} and shape {tuple(inputs.shape)} with targets of type "
            f"{targets.dtype} and shape {tuple(targets.shape)}; wanted are images uint8 "
            "(N, C, H, W) or numbers float32 or float64 (N, ...), with classes int64 (N,) or "
            "numbers (N, K)"
        )
    if len(targets) != len(inputs):
        raise InputError(f"{len(inputs)} examples have {len(targets)} targets")


def _check_labels(name: str, splits: tuple[Split, ...], num_classes: int) -> None:
    for split in splits:
        if len(split) == 0:
            raise InputError(f"{name}: the training or the test set is empty")
        low, high = int(split.targets.min()), int(split.targets.max())
        if low < 0 or high >= num_classes:
            raise InputError(f"{name}: labels {low}..{high} but only {num_classes} classes")
