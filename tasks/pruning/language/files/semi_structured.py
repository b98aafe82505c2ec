"""Layers of two weights in every four on CUDA, computed by sparse tensor cores.

PyTorch's own `torch.sparse.to_sparse_semi_structured` packs the weights of a linear layer; products
with them give the same numbers as dense ones up to the order of summation. Nothing else is needed,
and nothing but CUDA (compute capability 8.0 and later) has such units.

References
----------
Mishra et al., Accelerating sparse deep neural networks, arXiv:2104.08378.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.sparse import to_sparse_semi_structured

from tasks.pruning.language.layers.patterns import Pattern
from tasks.records import InputError

__all__ = ["SemiStructured", "SpeedRow", "semi_structured_speed", "sparse_linear"]

TWO_OF_FOUR = Pattern(0.5, 2, 4)
KINDS = (torch.float16, torch.bfloat16)
MULTIPLES = (32, 64)
"""What rows and inputs have to be multiples of, for each library that PyTorch may have."""


@dataclass(frozen=True)
class SemiStructured:
    """Which layers compute with sparse weights.

    Attributes
    ----------
    sparse : tuple of str
        Names of the parameters.
    dense : mapping of str
        Of those that do not, why.
    """

    sparse: tuple[str, ...]
    dense: Mapping[str, str]


def sparse_linear(model: nn.Module, masks: Mapping[str, Tensor]) -> SemiStructured:
    """Turn linear layers with 2:4 masks into sparse ones, in place; for inference only.

    Parameters
    ----------
    model : nn.Module
        On CUDA, in half precision, its pruned weights zero.
    masks : mapping of bool Tensor
        By name of the parameter, in the shape of the stored weight.

    Raises
    ------
    InputError
        On a CPU, for a mask that is not 2:4, for weights that are not zero outside their mask, or
        if a mask belongs to nothing in the model.
    """
    layers = {name: _layer(model, name) for name in masks}
    for name, layer in layers.items():
        _check_device(_weight(layer).device)
        _check_mask(name, layer, masks[name])
    reasons = {name: _obstacle(layer) for name, layer in layers.items()}
    sparse = tuple(name for name, reason in reasons.items() if not reason)
    for name in sparse:
        weight = _weight(layers[name]).contiguous()
        layers[name].weight = nn.Parameter(to_sparse_semi_structured(weight), requires_grad=False)
    return SemiStructured(sparse, {name: reason for name, reason in reasons.items() if reason})


def _layer(model: nn.Module, name: str) -> nn.Module:
    module, _, parameter = name.rpartition(".")
    try:
        layer = model.get_submodule(module)
    except AttributeError as error:
        raise InputError(f"mask of {name}, which the model does not have") from error
    if parameter != "weight" or not isinstance(getattr(layer, "weight", None), Tensor):
        raise InputError(f"mask of {name}, which is not the weight of a layer")
    return layer


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def _check_device(device: torch.device) -> None:
    if device.type != "cuda":
        raise InputError(
            f"2:4 products need a CUDA device, but the weights are on {device.type}: move the "
            "model with .to('cuda'), or run it as a dense one"
        )


def _check_mask(name: str, layer: nn.Module, mask: Tensor) -> None:
    weight = _weight(layer)
    if mask.shape != weight.shape:
        raise InputError(f"mask of {name} is {list(mask.shape)}, its weight {list(weight.shape)}")
    along = mask if isinstance(layer, nn.Linear) else mask.T
    if along.shape[1] % 4 or not TWO_OF_FOUR.fits(along):
        raise InputError(f"mask of {name} is not 2:4 along its inputs; other patterns stay dense")
    if bool(weight[~mask.to(weight.device)].count_nonzero()):
        raise InputError(f"weights of {name} are not zero outside its mask; apply the mask first")


def _obstacle(layer: nn.Module) -> str:
    """Why a layer stays dense; empty if it need not."""
    weight = _weight(layer)
    rows, width = weight.shape
    if not isinstance(layer, nn.Linear):
        return f"a {type(layer).__name__} stores its weights transposed"
    if weight.dtype not in KINDS:
        return f"weights are {str(weight.dtype).removeprefix('torch.')}, not half precision"
    if rows % MULTIPLES[0] or width % MULTIPLES[1]:
        return f"{rows} x {width} is not a multiple of {MULTIPLES[0]} x {MULTIPLES[1]}"
    return ""


# --- speed --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpeedRow:
    """Dense against sparse for one shape and number of rows.

    Attributes
    ----------
    outputs, inputs, rows : int
        Shape of the weights, and of the inputs (rows, inputs).
    dense_seconds, sparse_seconds : float
        Of one product, the fastest of several repetitions.
    largest_difference : float
        Of the outputs.
    bound : float
        Largest difference that rounding can make: twice half a unit in the last place of the
        outputs, and two orders of summation in float32.
    """

    outputs: int
    inputs: int
    rows: int
    dense_seconds: float
    sparse_seconds: float
    largest_difference: float
    bound: float

    @property
    def speedup(self) -> float:
        """Dense seconds over sparse ones."""
        return self.dense_seconds / self.sparse_seconds


def semi_structured_speed(
    shapes: Sequence[tuple[int, int]],
    rows: Sequence[int],
    device: str | torch.device = "cuda",
    *,
    dtype: torch.dtype = torch.float16,
    seed: int = 0,
) -> list[SpeedRow]:
    """Products of inputs with 2:4 weights that are drawn on the device, dense and sparse.

    Parameters
    ----------
    shapes : sequence of (outputs, inputs)
    rows : sequence of int
        Numbers of rows of the inputs.
    device : str or torch.device
        CUDA.
    dtype : torch.dtype
        float16 or bfloat16.

    Raises
    ------
    InputError
        On a CPU, or for shapes and kinds of numbers that are not supported.
    """
    _check_device(torch.device(device))
    generator = torch.Generator(device).manual_seed(seed)
    found = []
    for outputs, inputs in shapes:
        layer = nn.Linear(inputs, outputs, bias=False, device=device, dtype=dtype)
        if reason := _obstacle(layer):
            raise InputError(f"2:4 products: {reason}")
        scores = torch.rand(outputs, inputs, device=device, generator=generator)
        mask = TWO_OF_FOUR.largest(scores)
        drawn = torch.randn(outputs, inputs, device=device, generator=generator)
        weight = (drawn * mask / inputs**0.5).to(dtype)
        for count in rows:
            x = torch.randn(count, inputs, device=device, generator=generator).to(dtype)
            found.append(_compared(weight, x))
    return found


@torch.no_grad()
def _compared(weight: Tensor, x: Tensor) -> SpeedRow:
    """One product, both ways."""
    sparse = to_sparse_semi_structured(weight)
    dense_seconds, expected = _timed(lambda: nn.functional.linear(x, weight))
    sparse_seconds, outputs = _timed(lambda: nn.functional.linear(x, sparse))
    difference = float((outputs.float() - expected.float()).abs().max())
    return SpeedRow(
        outputs=len(weight),
        inputs=weight.shape[1],
        rows=len(x),
        dense_seconds=dense_seconds,
        sparse_seconds=sparse_seconds,
        largest_difference=difference,
        bound=_bound(weight, x, expected),
    )


def _bound(weight: Tensor, x: Tensor, expected: Tensor) -> float:
    """Largest difference of two roundings of sums in float32, in two orders."""
    terms = float((x.float().abs() @ weight.float().abs().T).max())
    order = 2 * weight.shape[1] * torch.finfo(torch.float32).eps * terms
    return float(expected.float().abs().max()) * torch.finfo(weight.dtype).eps + order


def _timed(product: Callable[[], Tensor], repeats: int = 20) -> tuple[float, Tensor]:
    """Seconds of the fastest of several products, after some that warm up; and the outputs."""
    for _ in range(3):
        outputs = product()
    best = float("inf")
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        outputs = product()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best, outputs
