"""Merge rules for members W_1..W_m with one common mask.

    uniform   the mean
    greedy    members by falling validation quality; one is added if the recalibrated mean with it
              is not worse on the validation images than the one without
    learned   per layer l the weights softmax(a_l), a fitted to the loss on the validation
              images, from a = 0; taken if the recalibrated result is not worse there than the mean

All take weighted means of the same zeros, so the mask and the number of zeros are exactly kept.
Running statistics of a mean are re-estimated before it is judged.

References
----------
Wortsman et al., Model soups, arXiv:2203.05482 (uniform, greedy).
Zimmer, Spiegel, Pokutta, Sparse model soups, arXiv:2306.16788 (the same mask).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tasks.nn import average_states, state_distance
from tasks.nn.data import evaluation_batches
from tasks.nn.objectives import CLASSIFICATION, Objective
from tasks.nn.sparsity import apply_masks, prunable_weights
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel, mask_id
from tasks.records import InputError

MERGES = ("uniform", "greedy", "learned")
_LEARNING_STEPS = 60
_LEARNING_RATE = 0.1
_LEARNING_BATCH = 250


@dataclass(frozen=True, eq=False)
class Soup:
    """A merged model.

    Attributes
    ----------
    sparse : SparseModel
        Recalibrated.
    chosen : tuple of int
        Positions of the members in it, in the order in which they were added.
    weights : dict of tuple of float
        Per layer, of the members chosen.
    """

    sparse: SparseModel
    chosen: tuple[int, ...]
    weights: dict[str, tuple[float, ...]]


class PredictionEnsemble(nn.Module):
    """Models whose predictions are averaged: probabilities, with their logarithm as the output."""

    def __init__(self, members: Sequence[nn.Module], objective: Objective = CLASSIFICATION) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.objective = objective

    def forward(self, inputs: Tensor) -> Tensor:
        """The mean in float64: log of that of probabilities (N, K), or of numbers."""
        return self.objective.mean_output([member(inputs) for member in self.members])


def merge(rule: str, members: Sequence[SparseModel], setup: Setup, model: nn.Module) -> Soup:
    """Merge members into `model`, a network of their architecture that is overwritten.

    Raises
    ------
    InputError
        For an unknown rule, no members, or members with different masks.
    """
    if rule not in MERGES:
        raise InputError(f"no merge is called {rule!r}; known are {', '.join(MERGES)}")
    check_same_masks(members)
    if rule == "greedy":
        return _greedy(members, setup, model)
    everyone = tuple(range(len(members)))
    soup = _mixed(members, everyone, setup, model)
    if rule == "uniform" or len(members) == 1:
        return soup
    return _learned(members, soup, setup)


def check_same_masks(members: Sequence[SparseModel]) -> None:
    """Refuse members whose masks differ: their mean would be less sparse."""
    if not members:
        raise InputError("a soup needs at least one member")
    ids = [mask_id(member.masks) for member in members]
    if len(set(ids)) > 1:
        raise InputError(
            f"members of a soup must share one mask; these have {', '.join(dict.fromkeys(ids))}"
        )


def member_distances(
    members: Mapping[int, SparseModel], others: Mapping[int, SparseModel]
) -> list[tuple[int, int, float, float]]:
    """(first, second, distance, relative distance) of all pairs of members, and with others."""
    pairs = [*combinations(members.items(), 2)]
    pairs += [(one, other) for one in members.items() for other in others.items()]
    found = []
    for (first, a), (second, b) in pairs:
        states = a.model.state_dict(), b.model.state_dict()
        names = list(prunable_weights(a.model))
        distance = state_distance(*states, names)
        zero = {name: torch.zeros_like(states[0][name]) for name in names}
        norm = state_distance(states[0], zero, names)
        found.append((first, second, distance, distance / norm if norm else 0.0))
    return found


def mixed_state(
    states: Sequence[Mapping[str, Tensor]], weights: Mapping[str, Sequence[float]]
) -> dict[str, Tensor]:
    """Weighted means, each layer with its own weights; layers without take equal ones."""
    mixed: dict[str, Tensor] = {}
    for name in states[0]:
        part = [{name: state[name]} for state in states]
        mixed |= average_states(part, weights.get(_layer(name)))
    return mixed


def _mixed(
    members: Sequence[SparseModel],
    chosen: tuple[int, ...],
    setup: Setup,
    model: nn.Module,
    weights: Mapping[str, Sequence[float]] | None = None,
) -> Soup:
    """The recalibrated mean of the chosen members, in `model`."""
    states = [members[j].model.state_dict() for j in chosen]
    layers = {_layer(name) for name in states[0]}
    used = weights or {layer: (1 / len(chosen),) * len(chosen) for layer in layers}
    model.load_state_dict(mixed_state(states, weights) if weights else average_states(states))
    apply_masks(model, members[0].masks)
    setup.recalibrate(model)
    return Soup(
        SparseModel(model, members[0].masks), chosen, {n: tuple(w) for n, w in used.items()}
    )


def _greedy(members: Sequence[SparseModel], setup: Setup, model: nn.Module) -> Soup:
    qualities = [setup.validation_quality(member.model) for member in members]
    order = sorted(range(len(members)), key=lambda j: -qualities[j])
    chosen, best = (order[0],), qualities[order[0]]
    for j in order[1:]:
        quality = setup.validation_quality(_mixed(members, (*chosen, j), setup, model).sparse.model)
        if quality >= best:
            chosen, best = (*chosen, j), quality
    if len(chosen) > 1:
        return _mixed(members, chosen, setup, model)
    # As it is: estimating its statistics again could change what was compared.
    model.load_state_dict(members[chosen[0]].model.state_dict())
    layers = {_layer(name) for name in model.state_dict()}
    return Soup(SparseModel(model, members[0].masks), chosen, dict.fromkeys(layers, (1.0,)))


def _learned(members: Sequence[SparseModel], mean: Soup, setup: Setup) -> Soup:
    """Learn the weights, and keep the mean if they do not help."""
    model, kept = mean.sparse.model, mean.sparse.model.state_dict()
    kept = {name: value.clone() for name, value in kept.items()}
    before = setup.validation_quality(model)
    weights = learned_weights(members, setup, model)
    soup = _mixed(members, mean.chosen, setup, model, weights)
    if setup.validation_quality(model) >= before:
        return soup
    model.load_state_dict(kept)
    return mean


def learned_weights(
    members: Sequence[SparseModel], setup: Setup, model: nn.Module
) -> dict[str, tuple[float, ...]]:
    """Weights per layer that minimize the loss on the validation images, each with sum 1.

    Normalizations use the statistics of their batch.  Identical members give no gradient and so
    equal weights.
    """
    parameters = [dict(member.model.named_parameters()) for member in members]
    stacks = {n: torch.stack([p[n].detach() for p in parameters]) for n in parameters[0]}
    layers = list(dict.fromkeys(_layer(name) for name in stacks))
    logits = torch.zeros(len(layers), len(members), device=setup.device, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=_LEARNING_RATE)
    batches = list(evaluation_batches(setup.dataset, setup.dataset.validation, _LEARNING_BATCH))
    buffers = dict(model.named_buffers())
    model.train()
    for step in range(_LEARNING_STEPS):
        inputs, targets = batches[step % len(batches)]
        shares = dict(zip(layers, logits.softmax(dim=1), strict=True))
        mixed = {n: torch.tensordot(shares[_layer(n)], s, dims=1) for n, s in stacks.items()}
        scratch = {name: value.clone() for name, value in buffers.items()}
        outputs = functional_call(model, {**mixed, **scratch}, (inputs,))
        loss = setup.objective.loss(outputs, setup.dataset.wanted(targets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = logits.detach().double().softmax(dim=1).cpu().tolist()
    return {layer: tuple(row) for layer, row in zip(layers, found, strict=True)}


def _layer(name: str) -> str:
    """Name of the module that holds an entry."""
    return name.rpartition(".")[0]
