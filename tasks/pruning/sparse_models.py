"""Sparse models as files: weights and masks side by side, named by content.

    tensors   model.<name>, mask.<name>
    header    mask (id of the masks), parents (ids of the checkpoints it was made from), and more

The *id* of a checkpoint is 16 digits of the digest of the file's content; the id of masks is 16
digits of a digest of names, shapes and bits, so that equal masks have equal ids wherever they come
from.  Masks are read from the file, never off zeros of the weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from tasks.nn import (
    Checkpoint,
    check_fit,
    load_tensors,
    store_tensors,
    tensors_digest,
)
from tasks.nn.sparsity import Masks, check_masks, num_kept, prunable_weights
from tasks.pruning.items import CHECKPOINTS, checkpoint_path
from tasks.records import InputError

_ID_DIGITS = 16


@dataclass(frozen=True, eq=False)
class SparseModel:
    """A network with its masks.

    Attributes
    ----------
    model : torch.nn.Module
    masks : Masks
    """

    model: nn.Module
    masks: Masks

    @property
    def weight_masks(self) -> dict[str, Tensor]:
        """Masks of the prunable weights alone, without those of biases and normalizations."""
        return {name: self.masks[name] for name in prunable_weights(self.model)}

    @property
    def num_kept(self) -> int:
        """Number of prunable weights that are left."""
        return num_kept(self.weight_masks)

    @property
    def sparsity(self) -> float:
        """Share of the prunable weights that is pruned."""
        return 1 - self.num_kept / sum(mask.numel() for mask in self.weight_masks.values())


def mask_id(masks: Masks) -> str:
    """16 hex digits that equal masks share."""
    total = hashlib.sha256()
    for name in sorted(masks):
        bits = masks[name].detach().cpu().contiguous().numpy()
        total.update(f"{name}|{bits.shape}|".encode())
        total.update(np.packbits(bits).tobytes())
    return total.hexdigest()[:_ID_DIGITS]


def model_id(sparse: SparseModel) -> str:
    """16 hex digits that models with equal weights, statistics and masks share."""
    return tensors_digest(_tensors(sparse))[:_ID_DIGITS]


def store_sparse(
    folder: str,
    sparse: SparseModel,
    *,
    parents: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> str:
    """Write a model into the folder of a run; returns its id."""
    header = {**(extra or {}), "mask": mask_id(sparse.masks), "parents": list(parents)}
    return store_tensors(f"{folder}/{CHECKPOINTS}", _tensors(sparse), header).stem


def load_sparse(
    folder: str, checkpoint: str, model: nn.Module, content: np.ndarray | None = None
) -> tuple[SparseModel, Checkpoint]:
    """Read a stored model into a network of its architecture.

    Parameters
    ----------
    content : ndarray of uint8, optional
        Bytes of the file, if they are at hand; then it is not read.

    Raises
    ------
    StoreError
        If the file is missing or damaged.
    InputError
        If it belongs to another network, or its masks do not match.
    """
    path = f"{folder}/{checkpoint_path(checkpoint)}"
    stored = load_tensors(path, content)
    weights, masks = stored.below("model."), stored.below("mask.")
    check_fit(weights, model.state_dict(), path)
    check_masks(masks, dict(model.named_parameters()))
    missing = prunable_weights(model).keys() - masks.keys()
    if missing:
        raise InputError(f"{path}: has no mask of {min(missing)}")
    model.load_state_dict(weights)
    device = next(model.parameters()).device
    return SparseModel(model, {name: mask.to(device) for name, mask in masks.items()}), stored


def num_stray(sparse: SparseModel) -> int:
    """Number of pruned entries that are not zero."""
    parameters = dict(sparse.model.named_parameters())
    return sum(int((parameters[n][~mask] != 0).sum()) for n, mask in sparse.masks.items())


def _tensors(sparse: SparseModel) -> dict[str, Tensor]:
    tensors = {f"model.{name}": value for name, value in sparse.model.state_dict().items()}
    return tensors | {f"mask.{name}": mask for name, mask in sparse.masks.items()}
