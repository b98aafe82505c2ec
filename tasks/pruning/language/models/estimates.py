"""What pruning and retraining a model costs, from its config alone.

Shapes come from a skeleton, so that a model of 30 billion parameters takes a second and no memory.
With n weights in linear layers, the head among them, h inputs of the attention's last layer, B
windows of T tokens and L blocks, a forward pass takes, two for every multiply-add,

    F = 2 B T n + 4 L B T^2 h    operations,    and a step of training 3 F.

Half of the second term is masked; it is counted, as dense kernels compute it.

References
----------
Zimmer, Andoni, Spiegel, Pokutta, PERP, arXiv:2312.15230, table 1 (shares of parameters).
Hu et al., LoRA, arXiv:2106.09685, section 4.1 (r (rows + inputs) parameters per layer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from tasks.pruning.language.layers.layouts import is_transposed
from tasks.pruning.language.models.structure import Structure, described
from tasks.records import InputError

__all__ = ["Estimate", "estimate"]

_GRAM_BYTES = 8
"""Gram matrices are float64."""


@dataclass(frozen=True)
class Estimate:
    """Sizes and work of a model.

    Attributes
    ----------
    num_parameters, num_prunable : int
        All, tied ones once; those of linear layers in blocks.
    num_blocks : int
    weight_bytes, block_bytes : int
        Of the model; of its largest block.
    activation_bytes : int
        Hidden states of all calibration windows, once.
    gram_bytes : int
        Gram matrices of the layers of a block, one for each.
    step_flops, forward_flops : float
        Operations of a training step on a batch, and of a pass over all calibration windows.
    """

    num_parameters: int
    num_prunable: int
    num_blocks: int
    weight_bytes: int
    block_bytes: int
    activation_bytes: int
    gram_bytes: int
    step_flops: float
    forward_flops: float

    @property
    def walk_bytes(self) -> int:
        """At most in memory while blocks are pruned: 3 blocks, states twice, Gram matrices."""
        return 3 * self.block_bytes + 2 * self.activation_bytes + self.gram_bytes

    def seconds(self, steps: int, flops_per_second: float) -> float:
        """Of so many training steps, at a rate that was measured."""
        if not flops_per_second > 0:
            raise InputError(
                f"rate is {flops_per_second:g} operations a second; measure one above 0"
            )
        return steps * self.step_flops / flops_per_second


def estimate(
    config: Any, *, windows: int, length: int, batch_size: int, weight_size: int = 4
) -> Estimate:
    """Estimate from a config; no weights are needed.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
    windows, length : int
        Calibration windows, and their tokens.
    batch_size : int
        Windows in a training step.
    weight_size : int
        Bytes of a weight and of an entry of the states: 4 for float32, 2 for bfloat16.
    """
    found = described(config)
    model, structure = found.skeleton, found.structure
    first = structure.of_block(0)
    blocks = [model.get_submodule(path) for path in structure.blocks]
    states = windows * length * _state_width(structure)
    window = _window_flops(model, structure, length)
    return Estimate(
        num_parameters=_count(model),
        num_prunable=sum(layer.rows * layer.width for layer in structure.layers),
        num_blocks=len(blocks),
        weight_bytes=weight_size * _count(model),
        block_bytes=weight_size * max(_count(block) for block in blocks),
        activation_bytes=weight_size * states,
        gram_bytes=_GRAM_BYTES * sum(layer.width**2 for layer in first),
        step_flops=3.0 * batch_size * window,
        forward_flops=float(windows * window),
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _state_width(structure: Structure) -> int:
    """d: what the last layer of a block gives."""
    return structure.of_block(0)[-1].rows


def _window_flops(model: Any, structure: Structure, length: int) -> int:
    """Operations of a forward pass over one window."""
    linear = [m.weight for m in model.modules() if is_transposed(m) is not None]
    weights = sum(weight.numel() for weight in linear)
    widths = {layer.name: layer.width for layer in structure.layers}
    attention = sum(
        widths[part.layers[-1]]
        for parts in structure.parts
        for part in parts
        if part.kind == "attention"
    )
    return 2 * length * weights + 4 * length**2 * attention
