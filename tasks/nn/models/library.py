"""ResNet-50 of the library transformers: bottlenecks with the stride in the 3 x 3 convolution.

Built from a configuration, without downloads; weights are drawn like those of all networks here.
The library's own forward pass checks values and returns records, which cannot be traced, so the
parts are called one after the other.  Names of parameters are the library's, below ``network``, and
so are the layers, so that masks, counts of multiplications, statistics of normalization and surgery
see what they see of any network.

References
----------
He et al., Deep residual learning, arXiv:1512.03385, table 1.
Wolf et al., Transformers, arXiv:1910.03771.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tasks.records import InputError


class LibraryResNet(nn.Module):
    """Stem, four stages, global mean and linear layer of a network of the library.

    Parameters
    ----------
    network : torch.nn.Module
        A ``ResNetForImageClassification``.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K)."""
        trunk = self.network.resnet
        x = trunk.embedder.pooler(trunk.embedder.embedder(x))
        for stage in trunk.encoder.stages:
            x = stage(x)
        return self.network.classifier(trunk.pooler(x))


def resnet50(channels: int, num_classes: int, *, small: bool) -> LibraryResNet:
    """ResNet-50; the stem of a `small` one keeps the resolution.

    Raises
    ------
    InputError
        If transformers is not installed.
    """
    try:
        from transformers import ResNetConfig, ResNetForImageClassification
    except ImportError as error:
        raise InputError(
            "resnet50 needs the library transformers, which is not installed; run "
            "pip install 'latticework[language]', or take resnet18"
        ) from error
    config = ResNetConfig(num_channels=channels, num_labels=num_classes)
    network = ResNetForImageClassification(config)
    if small:
        stem = network.resnet.embedder
        width = config.embedding_size
        stem.embedder.convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        stem.pooler = nn.Identity()
    return LibraryResNet(network)
