"""Small networks, each with something that surgery has to get right."""

import torch
from torch import nn
from torch.nn import functional


class Halves(nn.Module):
    """Two halves of one layer that go different ways, sliced by numbers; a gate; loud zeros."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(10, 16, 1)
        self.up = nn.ConvTranspose2d(8, 12, 2, groups=4)
        self.head = nn.Linear(9, 3)

    def forward(self, x):
        x = torch.sigmoid(self.first(x))
        y = functional.glu(self.second(x[:, :10]), dim=1)
        y = functional.pixel_shuffle(functional.softplus(self.up(y)), 2)
        return self.head(torch.cat([x[:, 10:], y[:, :, ::2, ::2][:, :, :8, :8]], 1).amax((2, 3)))


class Repeating(nn.Module):
    """One layer three times around sums, and a scale that could not be told from a constant."""

    def __init__(self):
        super().__init__()
        self.first, self.again, self.head = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.register_buffer("shift", torch.randn(8))

    def forward(self, x):
        x = torch.relu(self.first(x))
        for _ in range(3):
            x = x + torch.relu(self.again(x) - self.shift)
        return self.head(x)


class Scaled(nn.Module):
    """Attention with a normalization and a scale of the entries of every head."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(6, 16) for _ in range(3))
        self.norm, self.output = nn.LayerNorm(4), nn.Linear(16, 2)
        self.register_buffer("scale", torch.rand(5, 4))

    def forward(self, x):
        parts = (layer(x) for layer in (self.query, self.key, self.value))
        q, k, v = (part.view(len(x), 5, -1, 4).transpose(1, 2) for part in parts)
        weights = (self.norm(q) @ (k * self.scale).mT / 2).softmax(-1)
        return self.output((weights @ v).transpose(1, 2).flatten(2))


class OverTime(nn.Module):
    """Embedding, dilated and widening depthwise convolutions, statistics of each instance."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(40, 12)
        self.first = nn.Conv1d(12, 16, 3, padding=2, dilation=2)
        self.second = nn.Conv1d(16, 32, 3, padding=1, groups=16)
        self.norm, self.head = nn.InstanceNorm1d(32, affine=True), nn.Linear(32, 3)

    def forward(self, x):
        x = torch.relu(self.first(self.tokens(x).transpose(1, 2)))
        return self.head(functional.leaky_relu(self.norm(self.second(x))).permute(0, 2, 1))


class OnViews(nn.Module):
    """An entry is written through a view."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(6, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.first(x)
        x.view(-1, 2, 4)[:, 0].sigmoid_()
        return self.head(x)


class Helped(nn.Module):
    """A second head that is there in training only."""

    def __init__(self):
        super().__init__()
        self.first, self.middle = nn.Linear(6, 8), nn.Linear(8, 8)
        self.helper, self.head = nn.Linear(8, 2), nn.Linear(8, 2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        y = self.head(torch.relu(self.middle(x)))
        return y + self.helper(x) if self.training else y
