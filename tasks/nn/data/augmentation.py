"""Random changes of training images, of a whole batch at once on the device that trains.

    crop    the image, with a border of `pad` zeros, cut to its size at a random place
    zoom    a random square of area share in [zoom, 1], scaled up to the full size
    flip    left and right exchanged with probability 1/2
    cutout  a random square of side `cutout` set to the mean

All random numbers of a batch come from one generator on the CPU, so the same batch is drawn on
every device.  The crop and the flip act on bytes; zoom and cutout on normalized images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from tasks.records import InputError


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images; the default is nothing.

    Attributes
    ----------
    pad : int
        Width of the border in pixels.
    flip : bool
    zoom : float
        Smallest share of the area, in (0, 1]; 1 means no zoom.
    cutout : int
        Side of the square in pixels.
    """

    pad: int = 0
    flip: bool = False
    zoom: float = 1.0
    cutout: int = 0

    def __post_init__(self) -> None:
        if self.pad < 0 or self.cutout < 0 or not 0 < self.zoom <= 1:
            raise InputError(f"{self}: pad and cutout are at least 0, zoom lies in (0, 1]")

    def moved(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Cropped and flipped bytes of bytes (N, C, H, W)."""
        if self.pad:
            shifts = torch.randint(0, 2 * self.pad + 1, (len(images), 2), generator=generator)
            images = cropped(images, shifts.to(images.device), self.pad)
        if self.flip:
            chosen = torch.rand(len(images), generator=generator) < 0.5
            chosen = chosen.to(images.device)[:, None, None, None]
            images = torch.where(chosen, images.flip(-1), images)
        return images

    def changed(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Zoomed inputs with a square cut out, of normalized inputs (N, C, H, W)."""
        if self.zoom < 1:
            draws = torch.rand(len(inputs), 3, generator=generator)
            inputs = zoomed(inputs, draws.to(inputs), self.zoom)
        if self.cutout:
            centers = torch.rand(len(inputs), 2, generator=generator)
            inputs = inputs * ~squares(inputs.shape, centers.to(inputs), self.cutout)
        return inputs


def cropped(images: Tensor, shifts: Tensor, border: int) -> Tensor:
    """Images (N, C, H, W) with a border of zeros, cut at the corners `shifts` (N, 2)."""
    number, _, height, width = images.shape
    wide = pad(images, (border,) * 4).permute(0, 2, 3, 1)
    rows = torch.arange(height, device=images.device) + shifts[:, :1]
    columns = torch.arange(width, device=images.device) + shifts[:, 1:]
    picked = torch.arange(number, device=images.device)[:, None, None]
    return wide[picked, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def zoomed(inputs: Tensor, draws: Tensor, smallest: float) -> Tensor:
    """Squares of area share smallest..1 scaled up; `draws` (N, 3) in [0, 1): area, place."""
    side = (smallest + (1 - smallest) * draws[:, 0]).sqrt()
    middle = (1 - side)[:, None] * (2 * draws[:, 1:] - 1)
    maps = torch.zeros(len(inputs), 2, 3, dtype=inputs.dtype, device=inputs.device)
    maps[:, 0, 0] = maps[:, 1, 1] = side
    maps[:, :, 2] = middle
    grid = affine_grid(maps, list(inputs.shape), align_corners=False)
    return grid_sample(inputs, grid, padding_mode="reflection", align_corners=False)


def squares(shape: torch.Size, centers: Tensor, side: int) -> Tensor:
    """Whether a pixel lies in its image's square; bool (N, 1, H, W), centers (N, 2) in [0, 1)."""
    _, _, height, width = shape
    inside = []
    for axis, length in enumerate((height, width)):
        first = (centers[:, axis : axis + 1] * length).floor() - side // 2
        pixels = torch.arange(length, device=centers.device)
        inside.append((pixels >= first) & (pixels < first + side))
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
