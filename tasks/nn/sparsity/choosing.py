"""Masks from scores: which weights stay.

A mask keeps exactly as many weights as was asked for, of a layer, of all layers together, of every
output row or of every group of inputs; of equal scores the first stay.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tasks.nn.sparsity.masks import Masks
from tasks.records import InputError


def largest(scores: Tensor, count: int) -> Tensor:
    """Mask of the `count` largest scores, exactly; of equal ones the first in memory order win.

    Parameters
    ----------
    scores : Tensor, any shape
    count : int
        In 0..scores.numel().

    Raises
    ------
    InputError
        For NaN or a count out of range.
    """
    flat = scores.reshape(-1)
    _check_numbers(flat)
    if not 0 <= count <= len(flat):
        raise InputError(f"{count} of {len(flat)} weights cannot be kept")
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    # Smallest kept value; kthvalue counts from the smallest.
    bound = flat.kthvalue(len(flat) - count + 1).values
    if bound == float("-inf"):
        raise InputError(f"{count} weights cannot be kept: fewer are left from earlier pruning")
    kept = flat > bound
    ties = (flat == bound).nonzero()[: count - int(kept.sum()), 0]
    kept[ties] = True
    return kept.reshape(scores.shape)


def largest_in_rows(scores: Tensor, count: int) -> Tensor:
    """Mask of the `count` largest scores of each row (..., n); of equal ones the first win.

    Raises
    ------
    InputError
        For NaN.
    """
    _check_numbers(scores)
    order = scores.argsort(dim=-1, descending=True, stable=True)[..., :count]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, order, True)


def masks_by_count(scores: Mapping[str, Tensor], counts: Mapping[str, int]) -> dict[str, Tensor]:
    """Masks that keep the given number of the largest scores of each layer."""
    return {name: largest(score, counts[name]) for name, score in scores.items()}


def global_masks(scores: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Masks that keep the `count` largest scores of all layers together.

    Raises
    ------
    InputError
        If a layer would lose all its weights.
    """
    flat = torch.cat([score.reshape(-1) for score in scores.values()])
    parts = largest(flat, count).split([score.numel() for score in scores.values()])
    masks = {
        name: part.reshape(scores[name].shape) for name, part in zip(scores, parts, strict=True)
    }
    check_no_layer_empty(masks)
    return masks


def row_masks(
    scores: Mapping[str, Tensor], sparsity: float, *, axes: Mapping[str, int] | None = None
) -> dict[str, Tensor]:
    """Masks that keep as many weights of every output row: round((1 - S) n) of n, at least one.

    Parameters
    ----------
    scores : mapping of Tensor
        A row is all that one output is computed from.
    axes : mapping of int, optional
        Where the inputs of a layer lie (`input_axis`); dimension 1 if it is not named.

    Raises
    ------
    InputError
        For a sparsity outside [0, 1), or NaN.
    """
    if not 0 <= sparsity < 1:
        raise InputError(f"the sparsity of rows is {sparsity}; it lies in [0, 1)")
    masks = {}
    for name, score in scores.items():
        outputs_first = score.movedim(1 - _axis(axes, name), 0)
        rows = outputs_first.reshape(len(outputs_first), -1)
        mask = largest_in_rows(rows, max(round((1 - sparsity) * rows.shape[1]), 1))
        mask = mask.reshape(outputs_first.shape).movedim(0, 1 - _axis(axes, name))
        masks[name] = mask.contiguous()
    return masks


def block_masks(
    scores: Mapping[str, Tensor], n: int, m: int, *, axes: Mapping[str, int] | None = None
) -> dict[str, Tensor]:
    """n:m masks: of every m consecutive inputs the n largest scores; of equal ones the first.

    Groups run along the inputs (features or channels), separately at each kernel position.

    Parameters
    ----------
    axes : mapping of int, optional
        Where the inputs of a layer lie (`input_axis`); dimension 1 if it is not named.

    Raises
    ------
    InputError
        Unless 1 <= n <= m and m divides the number of inputs of every layer; for NaN.
    """
    for name, score in scores.items():
        _check_numbers(score)
        inputs = score.shape[_axis(axes, name)]
        if not 1 <= n <= m or inputs % m:
            raise InputError(
                f"{name} with {inputs} inputs cannot be pruned {n}:{m}; leave the layer "
                f"dense or take 1 <= n <= m with m a divisor of {inputs}"
            )
    return {name: _block_mask(score, n, m, _axis(axes, name)) for name, score in scores.items()}


def pruned_scores(scores: Mapping[str, Tensor], masks: Masks) -> dict[str, Tensor]:
    """Scores with -infinity where a weight is pruned already: it never comes back."""
    return {name: s.masked_fill(~masks[name], float("-inf")) for name, s in scores.items()}


def check_no_layer_empty(masks: Masks) -> None:
    """Refuse masks that leave a layer without weights."""
    empty = [name for name, mask in masks.items() if not bool(mask.any())]
    if empty:
        raise InputError(
            f"pruning would leave {empty[0]} without weights; take a lower sparsity or another "
            "allocation (uniform, uniform+, erk)"
        )


def _check_numbers(scores: Tensor) -> None:
    if bool(scores.isnan().any()):
        raise InputError("scores contain NaN: the weights they are from have diverged")


def _block_mask(scores: Tensor, n: int, m: int, axis: int) -> Tensor:
    last = scores.movedim(axis, -1)
    mask = largest_in_rows(last.reshape(*last.shape[:-1], -1, m), n)
    return mask.reshape(last.shape).movedim(-1, axis).contiguous()


def _axis(axes: Mapping[str, int] | None, name: str) -> int:
    return 1 if axes is None else axes.get(name, 1)
