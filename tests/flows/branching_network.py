"""A network whose course depends on values, so that it cannot be traced."""

import torch
from torch import nn


class Branching(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.first, self.last = nn.Linear(in_features, 16), nn.Linear(16, num_classes)

    def forward(self, x):
        y = torch.relu(self.first(x))
        if y.max() > 100:
            y = y.clamp(max=100)
        return self.last(y)
