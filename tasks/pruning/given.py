"""A soup of checkpoints that are given as files: what merging them gains.

The files are state dicts of one architecture, with equal names, types and masks.  Masks are read
from ``masks.safetensors`` beside a file, or from ``mask.`` entries in it; of files without masks
the zeros of prunable weights count as pruned, and have to be the same in all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from tasks.nn.sparsity import check_masks, full_masks, num_kept, prunable_weights
from tasks.nn.starts import Start, read_masks, read_start
from tasks.pruning.lineage import NewModel, Provenance
from tasks.pruning.merging import MERGES, PredictionEnsemble, member_distances, merge
from tasks.pruning.setups import Setup
from tasks.pruning.sparse_models import SparseModel
from tasks.records import InputError

__all__ = ["given_models", "read_members"]

SOUP = -1
"""Number of the first soup in the table of distances."""


def read_members(setup: Setup, files: Sequence[str]) -> list[SparseModel]:
    """Networks of the files, with one common mask, in force.

    Raises
    ------
    InputError
        For fewer than two files; naming the first entry that is missing, of another shape or type,
        complex, or pruned in one file and not in another.
    """
    if len(files) < 2:
        raise InputError(f"a soup needs at least two checkpoints, not {len(files)}")
    read = [read_start(file) for file in files]
    wanted = setup.new_model(0).state_dict()
    starts = [replace(each, weights=each.fitted(wanted)) for each in read]
    for start in starts:
        _check_types(starts[0], start)
        _check_scales(setup, starts[0], start)
    members = []
    for start in starts:
        model = setup.new_model(0)
        start.load_into(model)
        members.append(SparseModel(model, _masks(start, model)))
    for member, start in zip(members, starts, strict=True):
        _check_masks(members[0].masks, member.masks, starts[0], start)
    return members


def given_models(setup: Setup, files: Sequence[str]) -> list[NewModel]:
    """The members as they are, their soups by every rule, and their ensemble.

    Of the members statistics of normalization are estimated again before anything is compared.
    """
    members = read_members(setup, files)
    for member in members:
        setup.recalibrate(member.model)
    provenance = Provenance(0, 0, 0, members[0].sparsity)
    models = [
        NewModel("member", member, provenance, member=number, note=name)
        for number, (member, name) in enumerate(zip(members, _names(files), strict=True))
    ]
    soups = {}
    for number, rule in enumerate(MERGES):
        soup = merge(rule, members, setup, setup.new_model(0))
        soups[SOUP - number] = soup.sparse
        taken = ", ".join(map(str, sorted(soup.chosen)))
        note = f"members {taken} were taken" if len(soup.chosen) < len(members) else ""
        models.append(NewModel(f"soup-{rule}", soup.sparse, provenance, note=note))
    ensemble = PredictionEnsemble([each.model for each in members], setup.objective)
    known = dict(enumerate(members))
    return [
        *models,
        NewModel(
            "ensemble",
            members[0],
            provenance,
            visible=ensemble,
            num_networks=len(members),
            distances=member_distances(known, soups),
        ),
    ]


def _names(files: Sequence[str]) -> list[str]:
    """Ends of the files that tell them apart."""
    parts = [file.rstrip("/").split("/") for file in files]
    for size in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-size:]) for each in parts]
        if len(set(names)) == len(names):
            break
    return names


def _masks(start: Start, model: nn.Module) -> dict[str, Tensor]:
    """Masks of a file, else its zeros."""
    weights, parameters = prunable_weights(model), dict(model.named_parameters())
    stored = read_masks(start.place)
    if stored:
        try:
            check_masks(stored, parameters)
        except InputError as error:
            raise InputError(f"{start.place}: {error}") from error
        return {**full_masks(weights), **stored}
    return {name: weight.detach() != 0 for name, weight in weights.items()}


def _check_scales(setup: Setup, first: Start, start: Start) -> None:
    """Refuse members whose inputs or outputs mean something else than those of the first."""
    for key, name in (("input", "normalization of inputs"), ("output", "scale of outputs"),
                      ("classes", "classes")):  # fmt: skip
        if key == "input" and setup.config.mean:
            continue
        if first.about.get(key) != start.about.get(key):
            raise InputError(
                f"{start.place} and {first.place} do not have the same {name}: their mean has none"
            )


def _check_types(first: Start, start: Start) -> None:
    """Refuse other names and types than those of the first file, and complex numbers."""
    for name in sorted(first.weights.keys() ^ start.weights.keys()):
        has, lacks = (first, start) if name in first.weights else (start, first)
        raise InputError(f"{name} is in {has.place} and not in {lacks.place}")
    for name, tensor in start.weights.items():
        wanted = first.weights[name]
        if tensor.is_complex():
            raise InputError(f"{name} of {start.place} is complex; wanted are real weights")
        if tensor.dtype != wanted.dtype or tensor.shape != wanted.shape:
            raise InputError(
                f"{name} is {_described(wanted)} in {first.place} and {_described(tensor)} in "
                f"{start.place}"
            )


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _check_masks(
    wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], first: Start, start: Start
) -> None:
    """Refuse masks that differ: a mean would be less sparse."""
    for name in wanted.keys() | found.keys():
        if name not in found or name not in wanted or not torch.equal(wanted[name], found[name]):
            counts = [num_kept({name: m[name]}) if name in m else 0 for m in (wanted, found)]
            raise InputError(
                f"{name} is pruned otherwise in {first.place} ({counts[0]} weights left) than in "
                f"{start.place} ({counts[1]}): their mean would be less sparse"
            )
