"""Optimizers for networks whose weights keep constraints.

>>> import torch
>>> from tasks.nn.optimizers import FrankWolfe
>>> model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
>>> optimizer = FrankWolfe(model, region="spectral", radius=3.0)
>>> model(torch.ones(4, 8)).square().mean().backward()
>>> optimizer.step()
>>> list(optimizer.feasibility()), optimizer.feasibility()["0.weight"] <= 1
(['0.weight'], True)
"""

from tasks.nn.optimizers.frank_wolfe import FrankWolfe, Gap
from tasks.nn.optimizers.retraction import Retraction
from tasks.nn.optimizers.schedule_free import ScheduleFree
from tasks.nn.optimizers.settings import PRESETS, StepSettings

__all__ = ["PRESETS", "FrankWolfe", "Gap", "Retraction", "ScheduleFree", "StepSettings"]
