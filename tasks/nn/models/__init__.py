"""Networks by name, with weights from a seed.

Weights of convolutions and linear layers in front of a ReLU are N(0, 2 / fan): fan out for
convolutions, fan in for linear layers; the last layer is N(0, 1 / fan in).  Biases are 0,
normalizations 1 and 0.  All names but `mlp` and `lenet-300-100` are convolutional.

References
----------
He et al., Delving deep into rectifiers, arXiv:1502.01852, section 2.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import nn

from tasks.nn.models.library import resnet50
from tasks.nn.models.plain import perceptron, small_cnn, vgg16
from tasks.nn.models.residual import cifar_resnet, resnet, wide_resnet
from tasks.records import InputError

__all__ = ["MODELS", "ModelName", "build_model", "channels_last", "num_parameters"]

ModelName = Literal[
    "mlp",
    "lenet-300-100",
    "lenet-300-100-bn",
    "small-cnn",
    "wide-cnn",
    "vgg16-bn",
    "resnet20",
    "resnet56",
    "resnet18",
    "resnet50",
    "wrn-28-10",
]
MODELS: tuple[ModelName, ...] = get_args(ModelName)

Shape = tuple[int, ...]
_BUILDERS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "mlp": lambda s, k: perceptron(s, k, (64, 64), norm=False),
    "lenet-300-100": lambda s, k: perceptron(s, k, (300, 100), norm=False),
    "lenet-300-100-bn": lambda s, k: perceptron(s, k, (300, 100), norm=True),
    "small-cnn": small_cnn,
    "wide-cnn": lambda s, k: small_cnn(s, k, (32, 64, 64, 128)),
    "vgg16-bn": vgg16,
    "resnet20": lambda s, k: cifar_resnet(20, s[0], k),
    "resnet56": lambda s, k: cifar_resnet(56, s[0], k),
    "resnet18": lambda s, k: resnet((2, 2, 2, 2), s[0], k, small=s[1] < _LARGE),
    "resnet50": lambda s, k: resnet50(s[0], k, small=s[1] < _LARGE),
    "wrn-28-10": lambda s, k: wide_resnet(28, 10, s[0], k),
}
_PERCEPTRONS = ("mlp", "lenet-300-100", "lenet-300-100-bn")
_LARGE = 128
"""From this height on images are halved twice before the first block, as for ImageNet."""


def build_model(name: str, shape: Shape, num_classes: int, *, seed: int = 0) -> nn.Module:
    """Network for examples such as images (C, H, W), with weights from a seed, on the CPU.

    Raises
    ------
    InputError
        For an unknown name, images that are too small, or a network of a library that is not
        installed.
    """
    if name not in _BUILDERS:
        raise InputError(f"no model is called {name!r}; known are {', '.join(MODELS)}")
    if len(shape) != 3 and name not in _PERCEPTRONS:
        raise InputError(
            f"{name} takes images, not examples of shape {shape}: take one of "
            f"{', '.join(_PERCEPTRONS)}, or a network of your own"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _BUILDERS[name](shape, num_classes)
        _draw_weights(model)
    return model


def num_parameters(model: nn.Module) -> int:
    """Number of trainable entries."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _draw_weights(model: nn.Module) -> None:
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        mode = "fan_out" if isinstance(layer, nn.Conv2d) else "fan_in"
        gain = "linear" if layer is layers[-1] else "relu"
        nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity=gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def channels_last(model: nn.Module) -> nn.Module:
    """The model with the weights of its convolutions in another order in memory.

    The same numbers, 1.1 to 1.6 times as fast on a CPU; `parameters_to_vector` wants the usual one.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            last = layer.weight.detach().contiguous(memory_format=torch.channels_last)
            layer.weight = nn.Parameter(last)
    return model
