"""One layer, pruned: a mask, weights for it, and what both cost.

Errors are sums of |X (w - v)'|^2 over the rows, in double precision, of the weights as they are
returned, in the type of the layer.  Numerical trouble never ends a run: the layer says in words
what was done.

* Weights that are not finite: the layer is left as it is.
* No statistics, or some that are not finite: errors are NaN, and criteria that need the inputs
  give way to magnitude.
* A Hessian without a factor: SparseGPT gives way to Wanda.
* Inputs that are always zero: their weights cost nothing; least squares leaves them as they are,
  SparseGPT sets them to zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Literal, get_args

import torch
from torch import Tensor

from tasks.pruning.criteria import CRITERIA, WITHOUT_INPUTS
from tasks.pruning.language.layers.gram import Gram, row_errors
from tasks.pruning.language.layers.least_squares import Solution, best_weights
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.relaxation import relaxed_mask
from tasks.pruning.language.layers.saliencies import saliency
from tasks.pruning.language.layers.sparsegpt import DAMPING, sparsegpt
from tasks.pruning.language.layers.swaps import swapped_mask
from tasks.records import InputError

__all__ = ["LAYER_CRITERIA", "LayerPruning", "PrunedLayer", "prune_layer"]

LAYER_CRITERIA = (*CRITERIA, "wanda-matrix", "sparsegpt")
Refinement = Literal["none", "swaps", "relaxation"]
Weights = Literal["as-is", "least-squares"]
RESIDUAL = 1e-6
"""A larger relative gradient of least squares is told."""


@dataclass(frozen=True)
class LayerPruning:
    """How a layer is pruned.

    Attributes
    ----------
    criterion : str
        One of `LAYER_CRITERIA`; ``wanda-matrix`` compares the whole matrix, as ``sparsegpt`` does
        within each block of columns.
    pattern : Pattern
    refinement : str
        ``none``, ``swaps`` or ``relaxation``, of the mask; SparseGPT then compensates for it.
    weights : str
        ``as-is`` (of SparseGPT: compensated) or ``least-squares``, for the mask.
    seed : int
        Of random saliencies.
    bounds : bool
        Whether to bound the error of all masks from below.
    least_squares_errors : bool
        Whether to measure the error of the best weights for the mask, whatever the weights are.

    Raises
    ------
    InputError
        For what is not listed here, and for a relaxation of masks that compare the whole matrix.
    """

    criterion: str
    pattern: Pattern
    refinement: Refinement = "none"
    weights: Weights = "as-is"
    seed: int = 0
    bounds: bool = False
    least_squares_errors: bool = False

    def __post_init__(self) -> None:
        known = {
            "criterion": LAYER_CRITERIA,
            "refinement": get_args(Refinement),
            "weights": get_args(Weights),
        }
        for name, values in known.items():
            if (given := getattr(self, name)) not in values:
                raise InputError(f"no {name} is called {given!r}; known are {', '.join(values)}")
        if self.criterion == "wanda-matrix" and self.refinement == "relaxation":
            raise InputError("relaxation compares weights row by row; take wanda, or swaps")

    @property
    def by_matrix(self) -> bool:
        """Whether rows may keep different numbers of weights."""
        if self.pattern.group or self.refinement == "relaxation":
            return False
        return self.criterion in ("wanda-matrix", "sparsegpt")

    @property
    def needs_inputs(self) -> bool:
        """Whether a layer cannot be pruned so without the Gram matrix of its inputs."""
        is_plain = self.criterion in WITHOUT_INPUTS and self.refinement == "none"
        return not is_plain or self.weights != "as-is"


@dataclass(frozen=True, eq=False)
class PrunedLayer:
    """A pruned layer.

    Attributes
    ----------
    mask : bool Tensor (rows, inputs)
    weight : Tensor (rows, inputs)
        In the type of the layer, zero outside the mask.
    error, scale : float
        Sums over the rows of |X (w - v)'|^2 and of |X w'|^2; NaN if the inputs are not known.
    best_error : float
        With the best weights for the mask, in double precision; NaN unless they were computed.
    lower_bound : float
        Of the errors of all masks of the pattern that compare rows, the other weights as they are;
        NaN unless asked for.
    notes : tuple of str
        What was done otherwise than asked for, and what is odd about the layer.
    is_pruned : bool
        False where the layer was left as it is.
    """

    mask: Tensor
    weight: Tensor
    error: float
    scale: float
    best_error: float = nan
    lower_bound: float = nan
    notes: tuple[str, ...] = ()
    is_pruned: bool = True

    @property
    def relative_error(self) -> float:
        """Error over scale; 0 where nothing is lost of nothing."""
        return self.error / self.scale if self.scale > 0 else self.error


def prune_layer(weight: Tensor, gram: Gram | None, how: LayerPruning) -> PrunedLayer:
    """Prune a layer; all that is computed from its weights and the Gram matrix of its inputs.

    Parameters
    ----------
    weight : Tensor (rows, inputs)
        Of any floating type.
    gram : Gram, optional
        Of its inputs, on the same device.

    Raises
    ------
    InputError
        If the pattern does not fit the layer.
    """
    how.pattern.check("the layer", weight.shape[1])
    weight = weight.detach()
    if not bool(weight.isfinite().all()):
        return _left_alone(weight)
    if gram is not None and not bool(gram.matrix.isfinite().all()):
        return _without_inputs(weight, how, "the statistics of the inputs are not finite")
    if gram is None:
        return _without_inputs(weight, how, "the inputs of the layer were not recorded")
    return _pruned(weight, gram, how)


def _left_alone(weight: Tensor) -> PrunedLayer:
    number = int((~weight.isfinite()).sum())
    note = f"{number} weights are not finite: the layer is left as it is"
    mask = torch.ones_like(weight, dtype=torch.bool)
    return PrunedLayer(mask, weight, nan, nan, notes=(note,), is_pruned=False)


def _without_inputs(weight: Tensor, how: LayerPruning, reason: str) -> PrunedLayer:
    name = how.criterion if how.criterion in WITHOUT_INPUTS else "magnitude"
    mask = how.pattern.largest(saliency(name, weight, seed=how.seed))
    notes = (f"{reason}: pruned by {name}, weights as they are",) if how.needs_inputs else ()
    return PrunedLayer(mask, weight.masked_fill(~mask, 0), nan, nan, notes=notes)


def _pruned(weight: Tensor, gram: Gram, how: LayerPruning) -> PrunedLayer:
    notes, bound, best = _oddities(weight, gram), nan, nan
    mask, found = _chosen(weight, gram, how, notes)
    refined = mask
    if how.refinement == "relaxation" or (how.bounds and not how.by_matrix):
        relaxed = relaxed_mask(weight, mask, gram, how.pattern)
        bound = float(relaxed.lower_bounds.sum()) if how.bounds else nan
        refined = relaxed.mask if how.refinement == "relaxation" else mask
    elif how.bounds:
        notes.append("no lower bound: the mask compares weights of several rows")
    if how.refinement == "swaps":
        refined, _ = swapped_mask(weight, mask, gram, group=how.pattern.group)
    if how.refinement != "none":
        mask, found = refined, _compensated(weight, gram, how, notes, refined)[1]
    found = _rounded(found, weight, mask)
    errors = row_errors(weight, found, gram)
    if how.weights == "least-squares" or how.least_squares_errors:
        solved = best_weights(weight, mask, gram)
        best = float(row_errors(weight, solved.weight, gram).sum())
        _tell(solved, notes)
        if how.weights == "least-squares":
            found, errors = _better(weight, found, _rounded(solved.weight, weight, mask), gram)
    scale = float(row_errors(weight, torch.zeros_like(weight), gram).sum())
    return PrunedLayer(mask, found, float(errors.sum()), scale, best, bound, tuple(notes))


def _oddities(weight: Tensor, gram: Gram) -> list[str]:
    notes, width = [], weight.shape[1]
    if dead := int(gram.is_dead.sum()):
        notes.append(f"{dead} of {width} inputs are always zero")
    if gram.num_tokens < width:
        notes.append(f"{gram.num_tokens} tokens for {width} inputs: their Gram matrix is singular")
    return notes


def _chosen(
    weight: Tensor, gram: Gram, how: LayerPruning, notes: list[str]
) -> tuple[Tensor, Tensor]:
    """Mask of the criterion before any refinement, and the weights that come with it."""
    if how.criterion == "sparsegpt":
        return _compensated(weight, gram, how, notes)
    name = "wanda" if how.criterion == "wanda-matrix" else how.criterion
    scores = saliency(name, weight, gram, seed=how.seed)
    return how.pattern.largest(scores, by_matrix=how.by_matrix), weight


def _compensated(
    weight: Tensor, gram: Gram, how: LayerPruning, notes: list[str], mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mask, chosen or given, and weights: those of SparseGPT if it was asked for and works."""
    if mask is not None and how.criterion != "sparsegpt":
        return mask, weight
    try:
        found = sparsegpt(weight, gram, how.pattern, mask=mask, by_matrix=how.by_matrix)
    except InputError as error:
        reason = str(error)
    else:
        if bool(_rounded(found.weight, weight, found.mask).isfinite().all()):
            if found.damping > DAMPING:
                notes.append(f"damping raised to {found.damping:g} of the mean diagonal")
            return found.mask, found.weight
        reason = "the weights of SparseGPT are too large for their type"
    notes.append(f"{reason}: weights as they are" + ("" if mask is not None else ", mask of Wanda"))
    if mask is None:
        mask = how.pattern.largest(saliency("wanda", weight, gram), by_matrix=how.by_matrix)
    return mask, weight


def _tell(solved: Solution, notes: list[str]) -> None:
    if solved.num_raised:
        notes.append(f"least squares: no factor in single precision for {solved.num_raised} rows")
    if not solved.residual <= RESIDUAL:
        notes.append(f"least squares: a relative gradient of {solved.residual:.1e} is left")


def _rounded(found: Tensor, weight: Tensor, mask: Tensor) -> Tensor:
    return found.to(weight.dtype).masked_fill(~mask, 0)


def _better(weight: Tensor, one: Tensor, other: Tensor, gram: Gram) -> tuple[Tensor, Tensor]:
    """Row by row the weights of the smaller error, and the errors."""
    first, second = row_errors(weight, one, gram), row_errors(weight, other, gram)
    is_second = second < first
    return torch.where(is_second[:, None], other, one), torch.where(is_second, second, first)
