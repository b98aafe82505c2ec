"""Synthetic images: one smooth random picture per class, shifted, dimmed and with noise.

    image = clip(128 + contrast * roll(picture[class], shift) + noise),

picture values N(0, 1) on a grid of a quarter of the size, scaled up; contrast uniform in [20, 60],
shift uniform in -2..2 both ways, noise N(0, 30^2).  Classes are balanced up to one image.  They are
there to test pipelines, not to compare methods: a small network learns them within seconds.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from tasks.nn.data.datasets import Split
from tasks.records import derive_seed

_LOW, _HIGH, _NOISE, _SHIFT = 20.0, 60.0, 30.0, 2


def synthetic_images(
    num_images: int, num_classes: int, shape: tuple[int, int, int], *, seed: int, part: str
) -> Split:
    """Images of a seed; parts (``train``, ``test``) share their pictures but no image."""
    pictures = _pictures(num_classes, shape, seed)
    generator = torch.Generator().manual_seed(derive_seed(seed, "synthetic", part))
    labels = torch.arange(num_images) % num_classes
    contrast = _LOW + (_HIGH - _LOW) * torch.rand(num_images, 1, 1, 1, generator=generator)
    shifts = torch.randint(-_SHIFT, _SHIFT + 1, (num_images, 2), generator=generator)
    noise = _NOISE * torch.randn(num_images, *shape, generator=generator)
    values = 128 + contrast * _rolled(pictures[labels], shifts) + noise
    return Split(values.clamp(0, 255).round().to(torch.uint8), labels)


def _pictures(num_classes: int, shape: tuple[int, int, int], seed: int) -> Tensor:
    channels, height, width = shape
    generator = torch.Generator().manual_seed(derive_seed(seed, "pictures"))
    coarse = torch.randn(
        num_classes, channels, -(-height // 4), -(-width // 4), generator=generator
    )
    return interpolate(coarse, size=(height, width), mode="bilinear")


def _rolled(images: Tensor, shifts: Tensor) -> Tensor:
    number, _, height, width = images.shape
    rows = (torch.arange(height) + shifts[:, :1]) % height
    columns = (torch.arange(width) + shifts[:, 1:]) % width
    return images.permute(0, 2, 3, 1)[
        torch.arange(number)[:, None, None], rows[:, :, None], columns[:, None, :]
    ].permute(0, 3, 1, 2)
