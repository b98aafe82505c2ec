"""How much a weight counts, from the weights and the norms of the inputs alone.

    magnitude   |w_ij|
    random      a number from a seed
    wanda       |w_ij| |X_j|
    ria         (|w_ij| / sum_i |w_ij| + |w_ij| / sum_j |w_ij|) |X_j|^(1/2)

References
----------
Sun et al., A simple and effective pruning approach for large language models, arXiv:2306.11695
(Wanda: compared per output row).
Zhang et al., Plug-and-play, ICLR 2024 (RIA: relative importance and activations).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tasks.nn import seeded_generator
from tasks.pruning.language.layers.gram import Gram
from tasks.records import InputError

__all__ = ["SALIENCIES", "saliency"]

RIA_POWER = 0.5


def saliency(name: str, weight: Tensor, gram: Gram | None = None, *, seed: int = 0) -> Tensor:
    """Saliencies float64 (rows, inputs).

    Raises
    ------
    InputError
        For an unknown name, or inputs that are needed and not given.
    """
    if name not in SALIENCIES:
        raise InputError(f"no saliency is called {name!r}; known are {', '.join(SALIENCIES)}")
    size = weight.detach().double().abs()
    if name == "random":
        return torch.rand(size.shape, generator=seeded_generator(seed)).double().to(size.device)
    if name == "magnitude":
        return size
    if gram is None:
        raise InputError(f"{name} needs the inputs of the layer")
    return SALIENCIES[name](size, gram.norms.to(size.device))


def _wanda(size: Tensor, norms: Tensor) -> Tensor:
    return size * norms


def _ria(size: Tensor, norms: Tensor) -> Tensor:
    tiny = torch.finfo(size.dtype).tiny
    by_column = size / size.sum(dim=0, keepdim=True).clamp(min=tiny)
    by_row = size / size.sum(dim=1, keepdim=True).clamp(min=tiny)
    return (by_column + by_row) * norms**RIA_POWER


def _of_weights(size: Tensor, norms: Tensor) -> Tensor:
    del norms
    return size


SALIENCIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "magnitude": _of_weights,
    "random": _of_weights,
    "wanda": _wanda,
    "ria": _ria,
}
