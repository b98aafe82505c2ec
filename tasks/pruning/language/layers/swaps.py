"""Refinement of any mask by swaps, which never raise its error (`gpu.swaps`)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gpu.swaps import swap_rows
from tasks.pruning.language.layers.gram import Gram

__all__ = ["swapped_mask"]

MAX_SWAPS = 10_000


def swapped_mask(
    weight: Tensor, mask: Tensor, gram: Gram, *, group: int = 0, max_swaps: int = MAX_SWAPS
) -> tuple[Tensor, int]:
    """The mask after the best swaps of each row, until none helps; and their number.

    Parameters
    ----------
    weight : Tensor (rows, inputs)
    mask : bool Tensor (rows, inputs)
    group : int
        m of n:m, within which swaps stay; 0 for none.
    max_swaps : int
        Per row.
    """
    weights = np.ascontiguousarray(weight.detach().double().cpu().numpy())
    kept = np.ascontiguousarray(mask.cpu().numpy()).copy()
    matrix = np.ascontiguousarray(gram.matrix.cpu().numpy())
    counts = swap_rows(weights, kept, matrix, group, max_swaps)
    return torch.from_numpy(kept).to(mask.device), int(counts.sum())
