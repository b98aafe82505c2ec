"""Training by several processes that share every batch (PyTorch's DistributedDataParallel).

Process r of w takes the examples r, r + w, .. of each batch; gradients are averaged before they are
clipped, so that w processes take the steps that one would take, up to rounding. The first process
writes checkpoints; when all are done its last one is the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from tasks.sos.prediction.config import TrainConfig
from tasks.sos.prediction.learners import Learner

__all__ = ["averaged_loss", "run_processes"]

Share = Callable[..., Any]


class _Loss(nn.Module):
    """The loss as a module, which is what gradients are averaged for."""

    def __init__(self, model: nn.Module, kind: Learner) -> None:
        super().__init__()
        self.model, self.kind = model, kind

    def forward(self, batch: Any) -> Tensor:
        """Loss of the share of this process."""
        return self.kind.loss(self.model, batch)


def averaged_loss(model: nn.Module, kind: Learner) -> Any:
    """A function (model, batch) -> loss whose gradient is the mean over all processes."""
    shared = DistributedDataParallel(_Loss(model, kind), find_unused_parameters=True)

    def loss(_: nn.Module, batch: Any) -> Tensor:
        return shared(batch)

    return loss


def run_processes(
    share: Share, config: TrainConfig, device: torch.device, folder: str, meeting: str
) -> None:
    """Train in `config.processes` processes until the last checkpoint is in the folder.

    Parameters
    ----------
    share : callable
        What each process does, of a module's top level: ``share(config, device, folder=...,
        rank=...)``.
    config : TrainConfig
    device : torch.device
        Of kind cuda: one GPU per process.
    folder : str
        Where checkpoints go.
    meeting : str
        Path of a file that does not exist yet, by which the processes find each other.
    """
    arguments = (share, config, device.type, folder, meeting)
    multiprocessing.spawn(_process, args=arguments, nprocs=config.processes, join=True)


def _process(
    rank: int, share: Share, config: TrainConfig, kind: str, folder: str, meeting: str
) -> None:
    torch.set_num_threads(1)
    device = torch.device(kind, rank) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if kind == "cuda" else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=config.processes,
    )
    try:
        share(config, device, folder=folder, rank=rank)
    finally:
        distributed.destroy_process_group()
