"""Networks without shortcuts: perceptrons, a small convolutional network, VGG-16.

References
----------
LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998
(LeNet-300-100).
Simonyan and Zisserman, Very deep convolutional networks, arXiv:1409.1556, configuration D; here
for 32 x 32 images: batch normalization, one linear layer, as is usual for CIFAR.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from tasks.records import InputError

_VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""Filters of the convolutions; 0 is pooling."""
_MIN_SIDE = {"small-cnn": 8, "vgg16-bn": 32}


def perceptron(
    shape: tuple[int, ...], num_classes: int, hidden: Sequence[int], *, norm: bool
) -> nn.Sequential:
    """Linear layers of the sizes `hidden` with ReLU, with batch normalization if `norm`."""
    layers: list[nn.Module] = [nn.Flatten()]
    width = math.prod(shape)
    for size in hidden:
        layers += [nn.Linear(width, size, bias=not norm)]
        layers += [nn.BatchNorm1d(size)] if norm else []
        layers += [nn.ReLU()]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, num_classes))


def small_cnn(
    shape: tuple[int, ...], num_classes: int, widths: Sequence[int] = (16, 32, 32, 64)
) -> nn.Sequential:
    """Convolutions 3 x 3 of the given widths, pooling after all but the last, global mean, linear.

    With the default widths 33,338 parameters for gray images and 10 classes.
    """
    _check_side("small-cnn", shape)
    layers: list[nn.Module] = []
    channels = shape[0]
    for number, width in enumerate(widths):
        layers += convolution(channels, width)
        layers += [nn.MaxPool2d(2)] if number < len(widths) - 1 else []
        channels = width
    return nn.Sequential(*layers, *head(channels, num_classes))


def vgg16(shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """VGG-16 with batch normalization."""
    _check_side("vgg16-bn", shape)
    layers: list[nn.Module] = []
    channels = shape[0]
    for width in _VGG16:
        layers += convolution(channels, width) if width else [nn.MaxPool2d(2)]
        channels = width or channels
    return nn.Sequential(*layers, *head(channels, num_classes))


def convolution(channels: int, width: int) -> list[nn.Module]:
    """Convolution 3 x 3, batch normalization, ReLU."""
    layer = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    return [layer, nn.BatchNorm2d(width), nn.ReLU()]


def head(channels: int, num_classes: int) -> list[nn.Module]:
    """Global mean, linear."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]


def _check_side(name: str, shape: tuple[int, ...]) -> None:
    if min(shape[1:]) < _MIN_SIDE[name]:
        raise InputError(
            f"{name} takes images of at least {_MIN_SIDE[name]} x {_MIN_SIDE[name]} pixels, "
            f"not {shape[1]} x {shape[2]}"
        )
