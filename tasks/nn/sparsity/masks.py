"""Masks: which weights are there.

A mask M is a boolean tensor of the shape of its weight W, true where the weight is kept; masks of
a model are a mapping from parameter names.  They are always explicit and never read off W != 0:
a kept weight may happen to be zero.

While masks are held, the model *is* W = M * W: pruned weights, their gradients and their momenta
are exactly zero, so every optimizer without memory of its own beyond moments (SGD, Adam) leaves
them at zero, and nothing has to be repaired after a step.  An optimizer that would move a weight
whose gradient is zero (Frank-Wolfe) asks for the mask with `held_mask`.

Prunable are the weights of convolutions and linear layers, by an allow-list of module types; no
bias, no normalization, nothing unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakIdKeyDictionary

from tasks.records import InputError

Masks = Mapping[str, Tensor]
_held = WeakIdKeyDictionary()
"""Masks in force, by parameter."""
_PRUNABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Weights of convolutions and linear layers by parameter name, in the order of the model.

    A weight that several such layers share has the first of its names; one that another kind of
    module uses too is left out.

    Raises
    ------
    InputError
        Naming a layer whose weight is computed from other parameters (`weight_norm` and the like).
    """
    for name, module in model.named_modules():
        if isinstance(module, _PRUNABLE) and not isinstance(module.weight, nn.Parameter):
            raise InputError(
                f"the weight of {name or 'the layer'} is computed from other parameters: remove "
                "the parametrization first (torch.nn.utils.parametrize.remove_parametrizations)"
            )
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    others = (module for module in model.modules() if not isinstance(module, _PRUNABLE))
    foreign = {id(p) for module in others for p in module.parameters(recurse=False)}
    weights = {
        f"{name}.weight" if name else "weight": module.get_parameter("weight")
        for name, module in model.named_modules()
        if isinstance(module, _PRUNABLE)
    }
    return {n: w for n, w in weights.items() if names[id(w)] == n and id(w) not in foreign}


def full_masks(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks that keep everything."""
    return {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}


def check_masks(masks: Masks, weights: Mapping[str, Tensor]) -> None:
    """Refuse masks that are not boolean tensors of the shapes of parameters.

    Raises
    ------
    InputError
        Naming the first mask that does not match.
    """
    for name, mask in masks.items():
        if name not in weights:
            raise InputError(f"a mask is for {name}, which the model does not have")
        if mask.dtype != torch.bool or mask.shape != weights[name].shape:
            raise InputError(
                f"the mask of {name} has type {mask.dtype} and shape {tuple(mask.shape)}; wanted "
                f"is torch.bool {tuple(weights[name].shape)}"
            )


def num_kept(masks: Masks) -> int:
    """Number of weights that are kept."""
    return sum(int(mask.sum()) for mask in masks.values())


def sparsity(masks: Masks) -> float:
    """Share of weights that are pruned, of those that have a mask."""
    total = sum(mask.numel() for mask in masks.values())
    return 1 - num_kept(masks) / total if total else 0.0


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


def block_masks(scores: Mapping[str, Tensor], n: int, m: int) -> dict[str, Tensor]:
    """n:m masks: of every m consecutive inputs the n largest scores; of equal ones the first.

    Groups run along dimension 1 (input features or channels), separately at each kernel position.

    Raises
    ------
    InputError
        Unless 1 <= n <= m and m divides the number of inputs of every layer; for NaN.
    """
    for name, score in scores.items():
        _check_numbers(score)
        if not 1 <= n <= m or score.shape[1] % m:
            raise InputError(
                f"{name} with {score.shape[1]} inputs cannot be pruned {n}:{m}; leave the layer "
                f"dense or take 1 <= n <= m with m a divisor of {score.shape[1]}"
            )
    return {name: _block_mask(score, n, m) for name, score in scores.items()}


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


@dataclass(frozen=True, eq=False)
class HeldMasks:
    """Masks in force on a model, until released.

    Attributes
    ----------
    masks : mapping of bool Tensor
        On the device of the model.
    """

    masks: Masks
    handles: Sequence[RemovableHandle]
    parameters: Sequence[nn.Parameter] = ()

    def release(self) -> None:
        """Let gradients flow to all weights again; the weights stay as they are."""
        for handle in self.handles:
            handle.remove()
        for parameter, mask in zip(self.parameters, self.masks.values(), strict=True):
            if _held.get(parameter) is mask:
                del _held[parameter]


def apply_masks(model: nn.Module, masks: Masks) -> None:
    """Set pruned weights to zero, in place."""
    parameters = dict(model.named_parameters())
    check_masks(masks, parameters)
    with torch.no_grad():
        for name, mask in masks.items():
            # Not a product: 0 * infinity and 0 * NaN are not zero.
            parameters[name].masked_fill_(~mask.to(parameters[name].device), 0.0)


def hold_masks(
    model: nn.Module, masks: Masks, optimizer: torch.optim.Optimizer | None = None
) -> HeldMasks:
    """Put masks in force: weights, momenta and, from now on, every gradient.

    They are in force on these weights: copies of the model hold none until they are held again.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer, optional
        Its moments of pruned weights are set to zero.  It may be left out only if it is new.

    Raises
    ------
    InputError
        If a mask does not match its weight; then nothing was changed.
    """
    apply_masks(model, masks)
    parameters = dict(model.named_parameters())
    masks = {name: mask.to(parameters[name].device) for name, mask in masks.items()}
    if optimizer is not None:
        _mask_moments(optimizer, {parameters[name]: mask for name, mask in masks.items()})
    handles = [_mask_gradient(parameters[name], mask) for name, mask in masks.items()]
    for name, mask in masks.items():
        _held[parameters[name]] = mask
    return HeldMasks(masks, handles, [parameters[name] for name in masks])


def held_mask(parameter: nn.Parameter) -> Tensor | None:
    """The mask that is in force on a weight, if there is one."""
    return _held.get(parameter)


def _mask_gradient(parameter: nn.Parameter, mask: Tensor) -> RemovableHandle:
    # The same bytes; a float times a small integer is three times as fast as times a boolean.
    factor = mask.view(torch.int8)

    def hook(changed: Tensor) -> None:
        if changed.grad is not None:
            changed.grad.mul_(factor)

    # A frozen weight takes no hook; one that it has outlives freezing and unfreezing.
    is_trained = parameter.requires_grad
    try:
        return parameter.requires_grad_(True).register_post_accumulate_grad_hook(hook)
    finally:
        parameter.requires_grad_(is_trained)


def _mask_moments(optimizer: torch.optim.Optimizer, masks: Mapping[nn.Parameter, Tensor]) -> None:
    for parameter, mask in masks.items():
        for moment in optimizer.state.get(parameter, {}).values():
            if isinstance(moment, Tensor) and moment.shape == mask.shape:
                moment.masked_fill_(~mask, 0.0)


def _check_numbers(scores: Tensor) -> None:
    if bool(scores.isnan().any()):
        raise InputError("scores contain NaN: the weights they are from have diverged")


def _block_mask(scores: Tensor, n: int, m: int) -> Tensor:
    last = scores.movedim(1, -1)
    groups = last.reshape(*last.shape[:-1], -1, m)
    order = groups.argsort(dim=-1, descending=True, stable=True)
    mask = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, order[..., :n], True)
    return mask.reshape(last.shape).movedim(-1, 1).contiguous()
