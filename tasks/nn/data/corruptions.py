"""Corrupted test images at severities 1..5, to measure accuracy out of distribution.

For an image x with values in [0, 1] and a strength a that grows with the severity:

    gaussian_noise  x + a N(0, 1)
    shot_noise      Poisson(x / a) a
    impulse_noise   a share a of pixels black or white
    blur            Gaussian kernel of width a pixels
    coarse          means over blocks, a times as coarse, interpolated linearly
    contrast        mean + (1 - a) (x - mean), mean of the image
    brightness      x + a
    fog             (1 - a) x + a times a smooth random field
    occlusion       a random square of side a (share of the height) gray
    rotation        a random sign times a degrees

then clipped to [0, 1].  Random numbers depend on (seed, corruption, severity), the shape of an
image and its row only, so every model sees the same images, however many there are.  The set is our
own; strengths are for images of 8 to 64 pixels.

References
----------
Hendrycks and Dietterich, Benchmarking neural network robustness to common corruptions,
arXiv:1903.12261 (the idea of severities; other corruptions and strengths there).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, interpolate, pad

from tasks.nn.data.augmentation import squares
from tasks.records import InputError, derive_seed

SEVERITIES = (1, 2, 3, 4, 5)
_GRAY = 0.5
_FOG_GRID = 4
_NORMAL_BLOCK = 16
"""PyTorch draws normal numbers in blocks of 16 and draws the last 16 again to fill a rest."""


def corrupted(images: Tensor, corruption: str, severity: int, *, seed: int = 0) -> Tensor:
    """Float32 images (N, C, H, W) in [0, 1] of bytes, on the same device.

    Raises
    ------
    InputError
        For an unknown corruption or severity.
    """
    if corruption not in _CORRUPTIONS or severity not in SEVERITIES:
        raise InputError(
            f"no corruption {corruption!r} at severity {severity!r}; known are "
            f"{', '.join(_CORRUPTIONS)} at {SEVERITIES[0]}..{SEVERITIES[-1]}"
        )
    change, strengths = _CORRUPTIONS[corruption]
    # On the CPU, so that the images do not depend on the device.
    generator = torch.Generator().manual_seed(derive_seed(seed, corruption, severity))
    values = images.cpu().float() / 255
    return change(values, strengths[severity - 1], generator).clamp(0, 1).to(images.device)


def _gaussian_noise(x: Tensor, a: float, generator: torch.Generator) -> Tensor:
    return x + a * _normal_numbers(x.shape, generator)


def _shot_noise(x: Tensor, a: float, generator: torch.Generator) -> Tensor:
    return torch.poisson(x / a, generator=generator) * a


def _impulse_noise(x: Tensor, a: float, generator: torch.Generator) -> Tensor:
    draws = torch.rand(x.shape, generator=generator)
    return torch.where(draws < a / 2, 0.0, torch.where(draws < a, 1.0, x))


def _blur(x: Tensor, a: float, _: torch.Generator) -> Tensor:
    radius = min(math.ceil(3 * a), x.shape[-1] - 1, x.shape[-2] - 1)
    weights = torch.exp(-torch.arange(-radius, radius + 1).square() / (2 * a * a))
    kernel = (weights / weights.sum()).expand(x.shape[1], 1, 1, -1)
    x = pad(x, (radius,) * 4, mode="reflect")
    return conv2d(conv2d(x, kernel, groups=x.shape[1]), kernel.mT, groups=x.shape[1])


def _coarse(x: Tensor, a: float, _: torch.Generator) -> Tensor:
    height, width = x.shape[-2:]
    small = interpolate(x, size=(round(height / a), round(width / a)), mode="area")
    return interpolate(small, size=(height, width), mode="bilinear")


def _contrast(x: Tensor, a: float, _: torch.Generator) -> Tensor:
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (1 - a) * (x - mean)


def _brightness(x: Tensor, a: float, _: torch.Generator) -> Tensor:
    return x + a


def _fog(x: Tensor, a: float, generator: torch.Generator) -> Tensor:
    field = torch.rand(len(x), 1, _FOG_GRID, _FOG_GRID, generator=generator)
    smooth = interpolate(field, size=x.shape[-2:], mode="bicubic")
    return (1 - a) * x + a * smooth


def _occlusion(x: Tensor, a: float, generator: torch.Generator) -> Tensor:
    centers = torch.rand(len(x), 2, generator=generator)
    return torch.where(squares(x.shape, centers, round(a * x.shape[-2])), _GRAY, x)


def _rotation(x: Tensor, a: float, generator: torch.Generator) -> Tensor:
    signs = 2.0 * torch.randint(0, 2, (len(x),), generator=generator) - 1
    cosine, sine = (
        torch.full_like(signs, math.cos(math.radians(a))),
        signs * math.sin(math.radians(a)),
    )
    zero = torch.zeros_like(sine)
    maps = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).reshape(-1, 2, 3)
    grid = affine_grid(maps, list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="border", align_corners=False)


def _normal_numbers(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """N(0, 1) of which an image's numbers do not depend on how many images follow."""
    needed = math.prod(shape[1:])
    drawn = -(-needed // _NORMAL_BLOCK) * _NORMAL_BLOCK
    return torch.randn(shape[0], drawn, generator=generator)[:, :needed].reshape(shape)


_Change = Callable[[Tensor, float, torch.Generator], Tensor]
_CORRUPTIONS: dict[str, tuple[_Change, tuple[float, ...]]] = {
    "gaussian_noise": (_gaussian_noise, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "shot_noise": (_shot_noise, (0.02, 0.05, 0.1, 0.2, 0.4)),
    "impulse_noise": (_impulse_noise, (0.02, 0.05, 0.1, 0.15, 0.25)),
    "blur": (_blur, (0.4, 0.6, 0.8, 1.2, 1.6)),
    "coarse": (_coarse, (1.5, 2.0, 2.5, 3.0, 4.0)),
    "contrast": (_contrast, (0.3, 0.5, 0.65, 0.8, 0.9)),
    "brightness": (_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "fog": (_fog, (0.2, 0.3, 0.4, 0.5, 0.6)),
    "occlusion": (_occlusion, (0.2, 0.3, 0.4, 0.5, 0.6)),
    "rotation": (_rotation, (5.0, 10.0, 15.0, 22.0, 30.0)),
}
CORRUPTIONS: tuple[str, ...] = tuple(_CORRUPTIONS)
