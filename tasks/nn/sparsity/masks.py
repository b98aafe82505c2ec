"""Masks: which weights are there.

A mask M is a boolean tensor of the shape of its weight W, true where the weight is kept; masks of
a model are a mapping from parameter names.  They are always explicit and never read off W != 0:
a kept weight may happen to be zero.

While masks are held, the model *is* W = M * W: pruned weights, their gradients and their momenta
are exactly zero, so every optimizer without memory of its own beyond moments (SGD, Adam) leaves
them at zero, and nothing has to be repaired after a step.  An optimizer that would move a weight
whose gradient is zero (Frank-Wolfe) asks for the mask with `held_mask`.

Prunable are the weights of convolutions and linear layers, by an allow-list of module types; no
bias, no normalization, nothing unknown.  The inputs of a layer lie along dimension 1 of its weight,
but along dimension 0 of the transposed weights that GPT-2 has in transformers (`Conv1D`).
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


def input_axis(module: nn.Module) -> int | None:
    """Dimension of the weight of a layer along which its inputs lie; None if it is not prunable.

    The layer `Conv1D` of transformers, x W + b with W (inputs, outputs), is known by its name, its
    number of outputs `nf` and the shape of its weight; transformers need not be installed.
    """
    if isinstance(module, _PRUNABLE):
        return 1
    is_named = any(each.__name__ == "Conv1D" for each in type(module).__mro__)
    weight, outputs = getattr(module, "weight", None), getattr(module, "nf", None)
    if is_named and isinstance(weight, Tensor) and weight.ndim == 2 and weight.shape[1] == outputs:
        return 0
    return None


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
        if input_axis(module) is not None and not isinstance(module.weight, nn.Parameter):
            raise InputError(
                f"the weight of {name or 'the layer'} is computed from other parameters: remove "
                "the parametrization first (torch.nn.utils.parametrize.remove_parametrizations)"
            )
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    others = (module for module in model.modules() if input_axis(module) is None)
    foreign = {id(p) for module in others for p in module.parameters(recurse=False)}
    weights = {
        f"{name}.weight" if name else "weight": module.get_parameter("weight")
        for name, module in model.named_modules()
        if input_axis(module) is not None
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
