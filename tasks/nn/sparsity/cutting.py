"""How a model becomes smaller: its modules with smaller parameters, or its graph.

`cuts_of` says which positions of each parameter and buffer stay.  `cut_module` copies a model and
replaces them, with the sizes that modules of PyTorch remember.  Where `forward` has sizes of its
own, `cut_graph` takes the exported operations and rewrites their sizes.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from tasks.nn.sparsity.attention import FewerHeads, can_have_fewer
from tasks.nn.sparsity.channels import ChannelGroup
from tasks.nn.sparsity.walk import PRODUCER

Kept = Mapping[str, Tensor]
Cuts = dict[str, dict[int, Tensor]]
"""Which positions stay, by name and dimension."""
_ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Largest difference of outputs over the largest output; sums only change their order."""


def cuts_of(groups: Sequence[ChannelGroup], kept: Kept) -> Cuts:
    """Positions of parameters and buffers that stay."""
    cuts: Cuts = {}
    for group in groups:
        for each in group.slices if group.name in kept else ():
            stay, lines = each.stay(kept[group.name]), cuts.setdefault(each.name, {})
            lines[each.dim] = lines[each.dim] & stay if each.dim in lines else stay
    return cuts


def head_counts(groups: Sequence[ChannelGroup], kept: Kept) -> dict[str, tuple[int, int]]:
    """Numbers of heads before and after, by the module around the layers of queries and so on."""
    counts = {}
    for group in groups:
        producers = [s for s in group.slices if s.role == PRODUCER]
        if group.name in kept and all(int((s.units == 0).sum()) > 1 for s in producers):
            for name in group.producers:
                counts[name.rpartition(".")[0]] = (group.size, int(kept[group.name].sum()))
    return counts


def with_heads(model: nn.Module, counts: Mapping[str, tuple[int, int]]) -> nn.Module:
    """The model, after numbers of heads that its own modules remember have been changed.

    That is a guess: any integer of the module that is the number of heads is taken for one.
    """
    for name, (before, after) in counts.items():
        entries = vars(model.get_submodule(name))
        entries.update({key: after for key, v in entries.items() if type(v) is int and v == before})
    return model


def cut_module(model: nn.Module, cuts: Cuts) -> nn.Module:
    """Copy of a model with smaller parameters and buffers."""
    smaller = copy.deepcopy(model)
    touched = shrink(smaller, cuts, {})
    for name, module in list(smaller.named_modules()):
        attention_is_cut = module in touched and can_have_fewer(module)
        if attention_is_cut and name:
            parent, _, last = name.rpartition(".")
            setattr(smaller.get_submodule(parent), last, FewerHeads(module))  # pyrefly: ignore
        elif attention_is_cut:
            return FewerHeads(module)  # pyrefly: ignore[bad-argument-type]
    for module in touched:
        _remember_sizes(module)
    return smaller


def shrink(model: nn.Module, cuts: Cuts, first_names: Mapping[str, str]) -> list[nn.Module]:
    """Cut parameters and buffers of a model in place; the modules that own them.

    `first_names` are those that `cuts` has for tensors with several names.
    """
    new = {}
    for tensors in (model.named_parameters, model.named_buffers):
        for name, tensor in tensors(remove_duplicate=False):
            lines = cuts.get(first_names.get(name, name))
            if lines and id(tensor) not in new:
                new[id(tensor)] = _cut_tensor(tensor, lines)
    return [module for module in model.modules() if _replace(module, new)]


def _cut_tensor(tensor: Tensor, lines: Mapping[int, Tensor]) -> Tensor:
    """What stays of a parameter or buffer, of the same kind and order in memory."""
    new = tensor.detach()
    for dim, stay in lines.items():
        new = new.index_select(dim, stay.nonzero()[:, 0].to(new.device))
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        new = new.contiguous(memory_format=torch.channels_last)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(new, requires_grad=tensor.requires_grad)
    return new


def is_same(smaller: nn.Module, masked: nn.Module, example: Tensor) -> bool:
    """Whether two models compute the same on an example, up to the order of sums.

    In training mode, in which they may take other branches, the smaller one has to run at least.
    """
    for dtype in (torch.float64, None):
        expected = _outputs(masked, example, dtype)
        if expected is None:
            continue
        found = _outputs(smaller, example, dtype)
        if found is None and dtype is not None:
            continue
        return (
            found is not None
            and _are_close(found, expected)
            and (_trains(smaller, example) or not _trains(masked, example))
        )
    return False


def _are_close(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    largest = float(expected.abs().nan_to_num().max()) if expected.numel() else 0.0
    bound = _ROUNDING.get(expected.dtype, 1e-2) * largest
    return torch.allclose(found, expected, rtol=0, atol=bound, equal_nan=True)


def _trains(model: nn.Module, example: Tensor) -> bool:
    return _outputs(model, example, None, training=True) is not None


def _outputs(
    model: nn.Module, example: Tensor, dtype: torch.dtype | None, *, training: bool = False
) -> Tensor | None:
    """All outputs of a copy in one vector; None if it does not run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = copy.deepcopy(model).to(dtype).train(training)
    inputs = example.to(dtype) if dtype and example.is_floating_point() else example
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            outputs = torch.utils._pytree.tree_leaves(model(inputs))
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError):
        return None
    return torch.cat([x.flatten() for x in outputs if isinstance(x, Tensor)])


def _replace(module: nn.Module, new: Mapping[int, Tensor]) -> bool:
    """Put in new parameters and buffers; whether there are any."""
    is_changed = False
    for tensors in (module._parameters, module._buffers):
        for name, tensor in tensors.items():
            if id(tensor) in new:
                tensors[name] = new[id(tensor)]  # pyrefly: ignore[unsupported-operation]
                is_changed = True
    return is_changed


def _remember_sizes(module: nn.Module) -> None:
    vectors = (getattr(module, name, None) for name in ("weight", "running_mean"))
    weight = next((v for v in vectors if isinstance(v, Tensor)), None)
    if weight is None:
        return
    if isinstance(module, _ConvNd):
        _remember_channels(module, weight)
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, nn.Embedding):
        module.embedding_dim = weight.shape[1]
    elif isinstance(module, nn.PReLU):
        module.num_parameters = len(weight)
    elif isinstance(module, _NormBase):
        module.num_features = len(weight)


def _remember_channels(layer: _ConvNd, weight: Tensor) -> None:
    first, second = weight.shape[:2]
    is_transposed = isinstance(layer, _ConvTransposeNd)
    if layer.groups > 1 and layer.groups == layer.in_channels:
        layer.groups = first if is_transposed else first * layer.groups // layer.out_channels
    if is_transposed:
        layer.in_channels, layer.out_channels = first, second * layer.groups
    else:
        layer.out_channels, layer.in_channels = first, second * layer.groups
