"""Training by several processes that share every batch (PyTorch's DistributedDataParallel).

Each process hands its share of a batch to the loss; gradients are averaged before they are clipped,
so that w processes take the steps that one would take, up to rounding.  The first process writes
checkpoints; when all are done its last one is the result.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from gpu.backend import one_thread
from tasks.nn.training import Loss


class LossModule(nn.Module):
    """A loss as a module, whose parameters are those of the model."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Any) -> Any:
        """Loss of a batch."""
        return self.loss(self.model, batch)


def averaged_loss(model: nn.Module, loss: Loss) -> Loss:
    """The loss of the share of this process, whose gradient is the mean over all processes."""
    shared = DistributedDataParallel(LossModule(model, loss), find_unused_parameters=True)
    return lambda _, batch: shared(batch)


def is_first_process() -> bool:
    """Whether this process is on its own, or the first one of several."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def run_processes(
    call: Callable[..., Any], count: int, device: torch.device, *arguments: Any
) -> None:
    """Run ``call(*arguments, device, rank)`` in `count` processes that find each other.

    Parameters
    ----------
    call : callable
        Of a module's top level.
    count : int
    device : torch.device
        Of kind cuda: one GPU per process.
    """
    with TemporaryDirectory() as place:
        given = (call, count, device.type, str(Path(place) / "meeting"), arguments)
        multiprocessing.spawn(_process, args=given, nprocs=count, join=True)


def _process(
    rank: int, call: Callable[..., Any], count: int, kind: str, meeting: str, arguments: Any
) -> None:
    device = torch.device(kind, rank) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if kind == "cuda" else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=count,
    )
    try:
        with one_thread():
            call(*arguments, device, rank)
    finally:
        # A wrapper of a model that outlives the group, in a cycle, aborts the process at its end.
        gc.collect()
        distributed.destroy_process_group()
