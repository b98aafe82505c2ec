"""Models whose layers have low rank: which ranks, and as a really smaller model.

Of a layer with weight matrices m x n in each of g groups, used at p positions, rank r takes
p g r (m + n) multiplications in place of p g m n.  Where that is not less the layer stays as it is.
Ranks are chosen by

    share    r = round(share * min(m, n)), at least 1, in every layer
    energy   the least r whose singular values have `share` of the sum of squares of all
    budget   the layers together take at most `share` of their multiplications: a singular value
             sigma of a layer W is kept if sigma^2 / |W|^2 per multiplication is above a threshold,
             the same for all layers; of several groups, whose singular values of one place in the
             order are kept together, the sum of these

With masks, rows and columns of a weight that are gone altogether do not count: neither in m and n
nor among the singular values.  The last layer of a model stays as it is, as it does where filters
are pruned: its outputs are the classes.

References
----------
Zimmer, Spiegel, Pokutta, arXiv:2205.11921, section 3.2.
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from tasks.nn.evaluation import evaluating
from tasks.nn.sparsity.cutting import is_same
from tasks.nn.sparsity.decomposition import KINDS, Layer, decomposed, matrices, truncated
from tasks.nn.sparsity.flops import output_positions
from tasks.nn.sparsity.graphs import Example, example_batch
from tasks.nn.sparsity.masks import Masks, prunable_weights
from tasks.records import InputError

__all__ = [
    "RANKINGS",
    "Ranking",
    "Spectrum",
    "check_ratio",
    "choose_ranks",
    "decomposable",
    "spectra_of",
    "truncate",
    "with_decomposed",
]

Ranking = Literal["share", "energy", "budget"]
RANKINGS: tuple[Ranking, ...] = get_args(Ranking)
Ranks = Mapping[str, int]
"""Rank of every layer that becomes two, by the name of its module."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Singular values of a layer, and what they cost.

    Attributes
    ----------
    values : Tensor (groups, full rank), float64
        Falling; of a masked weight without the rows and columns that are gone.
    rows, columns : int
        m and n of what is left.
    positions : int
        How often the weight is used for one example.
    """

    values: Tensor
    rows: int
    columns: int
    positions: int

    @property
    def full(self) -> int:
        """Full rank."""
        return min(self.rows, self.columns)

    def cost(self, rank: int) -> int:
        """Multiplications at a rank; those of the whole layer where two would not have fewer."""
        groups = len(self.values)
        two = rank * (self.rows + self.columns)
        return self.positions * groups * min(two, self.rows * self.columns)

    def pays(self, rank: int) -> bool:
        """Whether two layers of this rank multiply less than the layer itself."""
        return rank * (self.rows + self.columns) < self.rows * self.columns

    @cached_property
    def energies(self) -> Tensor:
        """(full,): shares of the sum of squares that the first, second, ... singular values have.

        Of several groups, which get the same rank, together.
        """
        squares = self.values.square().sum(0)
        total = squares.sum()
        return squares / total if total > 0 else torch.full_like(squares, 1 / len(squares))

    def energy(self, rank: int) -> float:
        """Share of the sum of squares of all singular values that the first `rank` have."""
        return float(self.energies[:rank].sum())


def check_ratio(ratio: float) -> None:
    """Refuse a share that nothing can be compressed to.

    Raises
    ------
    InputError
        Unless it lies in (0, 1].
    """
    if not 0 < ratio <= 1:
        raise InputError(f"a ratio is the share that stays, in (0, 1], not {ratio}")


def decomposable(model: nn.Module, shape: Example) -> dict[str, Layer]:
    """Layers that can become two, by module name, in the order in which they are first called.

    That are linear layers and convolutions of PyTorch itself, called as modules, each with a weight
    of its own, without depthwise ones (whose matrices are single rows), and without the last one.
    """
    owners = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    own = {
        id(weight): name.removesuffix("weight").removesuffix(".")
        for name, weight in prunable_weights(model).items()
        if owners[id(weight)] == 1
    }
    called: list[nn.Module] = []
    layers = [module for module in model.modules() if isinstance(module, KINDS)]
    hooks = [module.register_forward_hook(lambda m, *_: called.append(m)) for module in layers]
    try:
        with evaluating(model), torch.no_grad():
            model(example_batch(model, shape))
    finally:
        for hook in hooks:
            hook.remove()
    found = {
        own[id(m.weight)]: cast(Layer, m)
        for m in called
        if type(m) in KINDS and id(m.weight) in own
    }
    names = list(found)
    if len(names) > 1 and called and found[names[-1]] is called[-1]:
        del found[names[-1]]
    return {name: layer for name, layer in found.items() if matrices(layer).shape[1] > 1}


def spectra_of(
    model: nn.Module, layers: Mapping[str, Layer], shape: Example, masks: Masks | None = None
) -> dict[str, Spectrum]:
    """Spectra of layers of a model, masked or not.

    Raises
    ------
    InputError
        If a mask takes other rows or columns from one group of a convolution than from another, or
        leaves nothing of a layer.
    """
    positions = output_positions(model, shape)
    found = {}
    for name, layer in layers.items():
        key = _weight_name(name)
        left = matrices(layer).double()
        if masks and key in masks:
            left = _left_of(left, masks[key].reshape(left.shape), name)
        values = torch.linalg.svdvals(left)
        found[name] = Spectrum(values, left.shape[1], left.shape[2], positions.get(key, 1))
    return found


def choose_ranks(
    spectra: Mapping[str, Spectrum], share: float, ranking: Ranking = "share"
) -> dict[str, int]:
    """Ranks of the layers that become two; the others stay as they are.

    Raises
    ------
    InputError
        For a share outside (0, 1] or an unknown ranking.
    """
    check_ratio(share)
    if ranking not in RANKINGS:
        raise InputError(f"ranks are chosen by {', '.join(RANKINGS)}, not by {ranking!r}")
    ranks = _CHOICES[ranking](spectra, share)
    return {name: rank for name, rank in ranks.items() if spectra[name].pays(rank)}


@torch.no_grad()
def truncate(model: nn.Module, ranks: Ranks) -> None:
    """Replace weights by the nearest ones of these ranks, in place.

    Raises
    ------
    InputError
        For a name that is not a layer's, or a rank out of range.
    """
    new = {name: truncated(_layer(model, name), rank) for name, rank in ranks.items()}
    for name, weight in new.items():
        _layer(model, name).weight.copy_(weight)


def with_decomposed(model: nn.Module, ranks: Ranks, shape: Example) -> nn.Module:
    """Copy of a model in which these layers are two smaller ones each.

    Layer NAME becomes NAME.0 and NAME.1.

    Raises
    ------
    InputError
        For a name that is not a layer's, a rank out of range, or if the model does not compute the
        same then as with truncated weights, since it uses a weight without its layer.
    """
    if ranks and not _computes_the_same(model, ranks, shape):
        raise InputError(
            f"{type(model).__name__} does not compute the same with two layers for one: it uses "
            "weights without their layers"
        )
    return _two_for_one(copy.deepcopy(model), ranks)


def _computes_the_same(model: nn.Module, ranks: Ranks, shape: Example) -> bool:
    """Whether layers that became two do what truncated ones do, in float64 where the model runs.

    In float32 the weights are rounded in other places.
    """
    expected = copy.deepcopy(model).double()
    smaller = _two_for_one(copy.deepcopy(expected), ranks)
    truncate(expected, ranks)
    example = example_batch(model, shape)
    if is_same(smaller, expected, example):
        return True
    expected, smaller = copy.deepcopy(model), _two_for_one(copy.deepcopy(model), ranks)
    truncate(expected, ranks)
    return is_same(smaller, expected, example)


def _two_for_one(model: nn.Module, ranks: Ranks) -> nn.Module:
    """The model itself, with two layers for each of these."""
    for name, rank in ranks.items():
        model = _replaced(model, name, decomposed(_layer(model, name), rank))
    return model


def _by_share(spectra: Mapping[str, Spectrum], share: float) -> dict[str, int]:
    return {name: max(round(share * each.full), 1) for name, each in spectra.items()}


def _by_energy(spectra: Mapping[str, Spectrum], share: float) -> dict[str, int]:
    return {
        name: min(int((each.energies.cumsum(0) < share - 1e-12).sum()) + 1, each.full)
        for name, each in spectra.items()
    }


def _by_budget(spectra: Mapping[str, Spectrum], share: float) -> dict[str, int]:
    """The largest ranks of which the layers together cost at most the share of all that they do."""
    allowed = share * sum(each.cost(each.full) for each in spectra.values())
    gains = {
        name: each.energies / (each.positions * len(each.values) * (each.rows + each.columns))
        for name, each in spectra.items()
    }

    def ranks_above(threshold: float) -> dict[str, int]:
        return {name: max(int((gain > threshold).sum()), 1) for name, gain in gains.items()}

    def cost(ranks: Mapping[str, int]) -> int:
        return sum(spectra[name].cost(rank) for name, rank in ranks.items())

    thresholds = sorted({0.0, *(float(g) for gain in gains.values() for g in gain)}, reverse=True)
    best = ranks_above(float("inf"))
    if cost(best) > allowed:
        _log.warning("rank 1 in every layer takes more than %g of the multiplications", share)
    low, high = 0, len(thresholds)  # the ranks, and so the cost, grow along the list
    while low < high:
        middle = (low + high) // 2
        ranks = ranks_above(thresholds[middle])
        if cost(ranks) <= allowed:
            best, low = ranks, middle + 1
        else:
            high = middle
    return best


_CHOICES: Mapping[Ranking, Callable[[Mapping[str, Spectrum], float], dict[str, int]]] = {
    "share": _by_share,
    "energy": _by_energy,
    "budget": _by_budget,
}


def _left_of(whole: Tensor, mask: Tensor, name: str) -> Tensor:
    """Matrices (groups, m, n) without the rows and columns that a mask takes altogether."""
    rows, columns = mask.any(2), mask.any(1)
    if bool((rows != rows[:1]).any() or (columns != columns[:1]).any()):
        raise InputError(f"the groups of {name} have lost different channels")
    if not bool(mask.any()):
        raise InputError(f"nothing is left of {name}")
    masked = torch.where(mask, whole, torch.zeros_like(whole))
    return masked[:, rows[0]][:, :, columns[0]]


def _weight_name(name: str) -> str:
    return f"{name}.weight" if name else "weight"


def _layer(model: nn.Module, name: str) -> Layer:
    try:
        layer = model.get_submodule(name)
    except AttributeError:
        layer = None
    if type(layer) not in KINDS:
        raise InputError(f"{name} is not a linear layer or convolution of {type(model).__name__}")
    return cast(Layer, layer)


def _replaced(model: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """The model with another layer wherever it has this one."""
    old = model.get_submodule(name)
    if old is model:
        return layer
    places: Sequence[str] = [
        place for place, each in model.named_modules(remove_duplicate=False) if each is old
    ]
    for place in places:
        parent, _, last = place.rpartition(".")
        owner = model.get_submodule(parent)
        setattr(owner, last, layer)
        if isinstance(owner, nn.TransformerEncoderLayer):
            _call_layers_of(owner, model)
    return model


def _call_layers_of(block: nn.TransformerEncoderLayer, model: nn.Module) -> None:
    """Have a block call its layers in evaluation, too.

    Its fused kernel reads the weights in place of calling the layers, and would multiply by the
    product of the two; nested tensors work with that kernel only.
    """
    block.activation_relu_or_gelu = 0
    for encoder in model.modules():
        if isinstance(encoder, nn.TransformerEncoder) and block in list(encoder.layers):
            encoder.use_nested_tensor = False
