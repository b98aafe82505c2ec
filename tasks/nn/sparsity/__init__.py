"""Sparse networks: masks, allocations, multiplications, channels and their surgery."""

from tasks.nn.sparsity.allocation import ALLOCATIONS, Allocation, layer_counts, total_kept
from tasks.nn.sparsity.channels import ChannelGroup, channel_groups
from tasks.nn.sparsity.choosing import (
    block_masks,
    check_no_layer_empty,
    global_masks,
    largest,
    largest_in_rows,
    masks_by_count,
    pruned_scores,
    row_masks,
)
from tasks.nn.sparsity.flops import Multiplications, count_multiplications, output_positions
from tasks.nn.sparsity.graphs import Example
from tasks.nn.sparsity.masks import (
    HeldMasks,
    Masks,
    apply_masks,
    check_masks,
    full_masks,
    held_mask,
    hold_masks,
    input_axis,
    num_kept,
    prunable_weights,
    sparsity,
)
from tasks.nn.sparsity.surgery import (
    channel_masks,
    channel_norms,
    kept_channels,
    largest_channels,
    without_channels,
)

__all__ = [
    "ALLOCATIONS",
    "Allocation",
    "ChannelGroup",
    "Example",
    "HeldMasks",
    "Masks",
    "Multiplications",
    "apply_masks",
    "block_masks",
    "channel_groups",
    "channel_masks",
    "channel_norms",
    "check_masks",
    "check_no_layer_empty",
    "count_multiplications",
    "full_masks",
    "global_masks",
    "held_mask",
    "hold_masks",
    "input_axis",
    "kept_channels",
    "largest",
    "largest_channels",
    "largest_in_rows",
    "layer_counts",
    "masks_by_count",
    "num_kept",
    "output_positions",
    "prunable_weights",
    "pruned_scores",
    "row_masks",
    "sparsity",
    "total_kept",
    "without_channels",
]
