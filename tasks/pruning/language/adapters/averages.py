"""Averages of retrained branches: of their merged weights, never of A and B.

The product of averages is not the average of products:

    mean_j B_j A_j  !=  (mean_j B_j) (mean_j A_j),

and each branch has axes of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from tasks.nn import average_states
from tasks.nn.sparsity import check_masks

__all__ = ["mean_of_merged"]


def mean_of_merged(
    branches: Sequence[Mapping[str, Tensor]], masks: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Mean of the changed parameters of branches, summed in float64, in their own types.

    Parameters
    ----------
    branches : sequence of mapping of Tensor
        As `Retrained.changed` has them.
    masks : mapping of bool Tensor
        Weights outside are +0.0 in the mean; others than those changed are not looked at.

    Raises
    ------
    InputError
        For no branches, branches that do not fit together, or masks that do not fit them.
    """
    mean = average_states(branches)
    masks = {name: mask for name, mask in masks.items() if name in mean}
    check_masks(masks, mean)
    for name, mask in masks.items():
        mean[name].masked_fill_(~mask.to(mean[name].device), 0.0)
    return mean
