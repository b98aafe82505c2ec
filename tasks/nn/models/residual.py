"""Residual networks.

    block     x + f(x), f: convolutions with batch normalization and ReLU
    cifar     6n + 2 layers in three stages of 16, 32, 64 filters; a shortcut between stages takes
              every second pixel and fills new channels with zeros (no weights)
    standard  four stages of 64..512 filters, projections as shortcuts
    wide      28 layers of width 10, normalization and ReLU before each convolution

References
----------
He et al., Deep residual learning, arXiv:1512.03385, section 4.2 (cifar, option A) and table 1.
Zagoruyko and Komodakis, Wide residual networks, arXiv:1605.07146.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad, relu

from tasks.nn.models.plain import head


class Block(nn.Module):
    """Two convolutions 3 x 3 beside a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, shortcut: nn.Module) -> None:
        super().__init__()
        self.conv1 = _conv3(channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H / stride, W / stride)."""
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return relu(y + self.shortcut(x))


class WideBlock(nn.Module):
    """Normalization, ReLU, convolution, twice, beside a shortcut."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = _conv3(channels, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width)
        changes = stride != 1 or channels != width
        self.shortcut = nn.Conv2d(channels, width, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H / stride, W / stride)."""
        y = relu(self.bn1(x))
        # A projection sees the normalized input, the identity the input itself.
        beside = x if self.shortcut is None else self.shortcut(y)
        return self.conv2(relu(self.bn2(self.conv1(y)))) + beside


class PadShortcut(nn.Module):
    """Every second pixel, and zeros in as many new channels before as behind."""

    def __init__(self, num_new: int) -> None:
        super().__init__()
        self.num_new = num_new

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C + num_new, H / 2, W / 2)."""
        before = self.num_new // 2
        return pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, self.num_new - before))


def cifar_resnet(depth: int, channels: int, num_classes: int) -> nn.Sequential:
    """Residual network of 6n + 2 layers without weights in shortcuts."""
    layers = _stem(channels, 16)
    width = 16
    for stage, wide in enumerate((16, 32, 64)):
        for number in range((depth - 2) // 6):
            reduces = stage > 0 and number == 0
            shortcut = PadShortcut(wide - width) if reduces else nn.Identity()
            layers.append(Block(width, wide, 2 if reduces else 1, shortcut))
            width = wide
    return nn.Sequential(*layers, *head(width, num_classes))


def resnet(
    counts: tuple[int, ...], channels: int, num_classes: int, *, small: bool
) -> nn.Sequential:
    """Residual network with projections; the stem of a `small` one keeps the resolution."""
    layers = _stem(channels, 64) if small else _wide_stem(channels)
    width = 64
    for stage, count in enumerate(counts):
        for number in range(count):
            wide = 64 << stage
            stride = 2 if stage > 0 and number == 0 else 1
            layers.append(Block(width, wide, stride, _projection(width, wide, stride)))
            width = wide
    return nn.Sequential(*layers, *head(width, num_classes))


def wide_resnet(depth: int, factor: int, channels: int, num_classes: int) -> nn.Sequential:
    """Wide residual network of 6n + 4 layers."""
    layers: list[nn.Module] = [_conv3(channels, 16)]
    width = 16
    for stage in range(3):
        for number in range((depth - 4) // 6):
            wide = 16 * factor << stage
            layers.append(WideBlock(width, wide, 2 if stage > 0 and number == 0 else 1))
            width = wide
    return nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(), *head(width, num_classes))


def _stem(channels: int, width: int) -> list[nn.Module]:
    return [_conv3(channels, width), nn.BatchNorm2d(width), nn.ReLU()]


def _wide_stem(channels: int) -> list[nn.Module]:
    layer = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return [layer, nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)]


def _projection(channels: int, width: int, stride: int) -> nn.Module:
    if channels == width and stride == 1:
        return nn.Identity()
    layer = nn.Conv2d(channels, width, 1, stride, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(width))


def _conv3(channels: int, width: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
