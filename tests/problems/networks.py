"""Small networks of the kinds that people bring, each with an input.

References
----------
He et al., arXiv:1512.03385 (residual); Xie et al., arXiv:1611.05431 (grouped convolutions); Sandler
et al., arXiv:1801.04381 (inverted residuals); Huang et al., arXiv:1608.06993 (concatenation); Hu et
al., arXiv:1709.01507 (squeeze and excitation); Ronneberger et al., arXiv:1505.04597 (U-Net);
Dosovitskiy et al., arXiv:2010.11929 (patches); Press and Wolf, arXiv:1608.05859 (tied embeddings);
Liu et al., arXiv:2201.03545 (ConvNeXt).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, relu

IMAGE = (1, 8, 8)
CLASSES = 10
NUM_TOKENS = 40


def conv3(channels: int, width: int, **options: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, padding=1, **options)


class Grouped(nn.Module):
    """A sum around a grouped convolution, and the mean over pixels as a method."""

    def __init__(self, width: int = 32, groups: int = 4) -> None:
        super().__init__()
        self.stem, self.stem_norm = conv3(IMAGE[0], width), nn.BatchNorm2d(width)
        self.middle, self.middle_norm = conv3(width, width, groups=groups), nn.BatchNorm2d(width)
        self.last, self.last_norm = conv3(width, 2 * width, stride=2), nn.BatchNorm2d(2 * width)
        self.head = nn.Linear(2 * width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.stem_norm(self.stem(x)))
        x = x + relu(self.middle_norm(self.middle(x)))
        return self.head(relu(self.last_norm(self.last(x))).mean((2, 3)))


class Flattening(nn.Module):
    """Two convolutions, and their maps laid out by `view`."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.first, self.first_norm = conv3(IMAGE[0], width), nn.BatchNorm2d(width)
        self.second, self.second_norm = conv3(width, 2 * width), nn.BatchNorm2d(2 * width)
        self.head = nn.Linear(2 * width * 4, CLASSES)

    def flat(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), -1)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.first_norm(self.first(x)))
        x = relu(self.second_norm(self.second(x)))
        return self.head(self.flat(adaptive_avg_pool2d(x, 2)))


class FixedSizes(Flattening):
    """The same with the number of features written into the forward pass."""

    def flat(self, x: Tensor) -> Tensor:
        return x.view(-1, 48 * 4)


class InvertedResidual(nn.Module):
    """Widening, depthwise, narrowing; a sum where the shapes allow one."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        hidden = 4 * channels
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            conv3(hidden, hidden, stride=stride, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.has_sum = stride == 1 and channels == width

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.has_sum else y


def mobile() -> nn.Module:
    shapes = [(16, 16, 1), (16, 24, 2), (24, 24, 1), (24, 32, 1)]
    return nn.Sequential(
        conv3(IMAGE[0], 16, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        *(InvertedResidual(*shape) for shape in shapes),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )


class Concatenating(nn.Module):
    """Each layer sees what all earlier ones found."""

    def __init__(self, width: int = 16, growth: int = 8, depth: int = 3) -> None:
        super().__init__()
        widths = [width + number * growth for number in range(depth + 1)]
        self.stem = conv3(IMAGE[0], width, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths[:-1])
        self.convolutions = nn.ModuleList(conv3(w, growth, bias=False) for w in widths[:-1])
        self.head = nn.Linear(widths[-1], CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = torch.cat([x, convolution(relu(norm(x)))], dim=1)
        return self.head(adaptive_avg_pool2d(x, 1).flatten(1))


class Gated(nn.Module):
    """Channels weighted by a sigmoid of their means."""

    def __init__(self, width: int = 32, squeezed: int = 8) -> None:
        super().__init__()
        self.first = nn.Sequential(conv3(IMAGE[0], width, bias=False), nn.BatchNorm2d(width))
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, squeezed, 1),
            nn.ReLU(),
            nn.Conv2d(squeezed, width, 1),
            nn.Sigmoid(),
        )
        self.second = nn.Sequential(conv3(width, 2 * width, bias=False), nn.BatchNorm2d(2 * width))
        self.head = nn.Linear(2 * width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.first(x))
        x = relu(self.second(x * self.gate(x)))
        return self.head(torch.flatten(adaptive_avg_pool2d(x, 1), 1))


class UNet(nn.Module):
    """Down, up by a transposed convolution, and a skip connection; images to images."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.down1, self.down2 = conv3(IMAGE[0], width), conv3(width, 2 * width, stride=2)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.joined, self.output = conv3(2 * width, width), nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        beside = relu(self.down1(x))
        x = relu(self.up(relu(self.down2(beside))))
        return self.output(relu(self.joined(torch.cat([beside, x], dim=1))))


class VisionTransformer(nn.Module):
    """Patches, learned positions and PyTorch's own encoder layer."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(IMAGE[0], width, 2, stride=2)
        self.places = nn.Parameter(0.1 * torch.randn(1, 16, width))
        self.encoder = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.0, batch_first=True
        )
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        return self.head(self.encoder(x).mean(1))


class OwnAttention(nn.Module):
    """Attention as many write it: one layer for queries, keys and values; sizes from shapes."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(IMAGE[0], width, 2, stride=2)
        self.mixed, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.head, self.dropout = nn.Linear(width, CLASSES), nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        images, places, width = x.shape
        shape = (images, places, 3, self.heads, width // self.heads)
        q, k, v = self.mixed(x).reshape(shape).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(-1)
        found = (self.dropout(weights) @ v).transpose(1, 2).reshape(images, places, width)
        return self.head((x + self.output(found)).mean(1))


class LanguageModel(nn.Module):
    """An LSTM between an embedding and the same embedding: nothing else to cut."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.tokens = nn.Embedding(NUM_TOKENS, width)
        self.recurrent = nn.LSTM(width, width, batch_first=True)
        self.output = nn.Linear(width, NUM_TOKENS)
        self.output.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.output(self.recurrent(self.tokens(tokens))[0])


class Tagger(nn.Module):
    """An LSTM in both directions with a perceptron on every token."""

    def __init__(self, width: int = 16, hidden: int = 32, tags: int = 5) -> None:
        super().__init__()
        self.tokens = nn.Embedding(NUM_TOKENS, width)
        self.recurrent = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(2 * width, hidden), nn.ReLU(), nn.Linear(hidden, tags))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.recurrent(self.tokens(tokens))[0])


def regression() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 48),
        nn.BatchNorm1d(48),
        nn.ReLU(),
        nn.Linear(48, 48),
        nn.ReLU(),
        nn.Linear(48, 1),
        nn.Flatten(0),
    )


class ValueDependent(nn.Module):
    """Another branch for bright images."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = conv3(IMAGE[0], 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.layer(x))
        return self.head((x if x.mean() > 0.5 else 2 * x).mean((2, 3)))


class ConvNeXtBlock(nn.Module):
    """Depthwise 7 x 7, LayerNorm over channels, a pointwise perceptron, layer scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(0.5 * torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(nn.functional.gelu(self.widen(y)))
        return x + y.permute(0, 3, 1, 2)


def convnext(width: int = 12) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(IMAGE[0], width, 2, stride=2),
        ConvNeXtBlock(width),
        ConvNeXtBlock(width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, CLASSES),
    )


def volumes() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.InstanceNorm3d(8, affine=True, track_running_stats=True),
        nn.PReLU(8),
        nn.MaxPool3d(2),
        nn.Conv3d(8, 16, 3, padding=1),
        nn.BatchNorm3d(16),
        nn.SiLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(16, CLASSES),
    )


@dataclass(frozen=True)
class Problem:
    """A network and a batch for it."""

    build: Callable[[], nn.Module]
    batch: Callable[[], Tensor]

    def model(self, seed: int = 0) -> nn.Module:
        """With weights from a seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build()


def images() -> Tensor:
    return torch.randn(4, *IMAGE, generator=torch.Generator().manual_seed(1))


def tokens() -> Tensor:
    return torch.randint(NUM_TOKENS, (4, 7), generator=torch.Generator().manual_seed(1))


def table() -> Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(1))


def blocks() -> Tensor:
    return torch.randn(4, 1, 6, 6, 6, generator=torch.Generator().manual_seed(1))


NETWORKS = {
    "grouped": Problem(Grouped, images),
    "flattening": Problem(Flattening, images),
    "mobile": Problem(mobile, images),
    "concatenating": Problem(Concatenating, images),
    "gated": Problem(Gated, images),
    "u-net": Problem(UNet, images),
    "vision-transformer": Problem(VisionTransformer, images),
    "regression": Problem(regression, table),
    "convnext": Problem(convnext, images),
    "tagger": Problem(Tagger, tokens),
    "volumes": Problem(volumes, blocks),
}
"""Networks of which channels can be cut out."""
REFUSED = {
    "language-model": Problem(LanguageModel, tokens),
    "value-dependent": Problem(ValueDependent, images),
}
"""Networks of which nothing can be cut out."""
