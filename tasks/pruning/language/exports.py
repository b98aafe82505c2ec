"""Models of the study `perp` as folders that `from_pretrained` and what builds on it load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tasks.nn.exports import refuse_item
from tasks.pruning.language.config import PerpConfig
from tasks.pruning.language.files.checking import check_folder
from tasks.pruning.language.files.writing import check_target, write_folder
from tasks.pruning.language.items import PerpItem
from tasks.pruning.language.making.stored_models import StoredModel
from tasks.pruning.language.making.subjects import Subject
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.models.folders import ModelFolder
from tasks.pruning.language.models.skeletons import tied_names
from tasks.pruning.language.models.structure import described
from tasks.pruning.language.plan import all_items, input_name, perp_inputs
from tasks.pruning.language.results import best_sparse
from tasks.records import InputError, LatticeworkError, Status, Stored
from tasks.records.roots import is_uri
from tasks.records.work import Plan

__all__ = ["export_model"]


def export_model(
    stored: Stored, *, item: str = "", compressed: bool = False, to: str = ""
) -> Iterator[str]:
    """Write a model of a run as a folder, and check it from its files; their places.

    Parameters
    ----------
    stored : Stored
    item : str
        Key of the item; by default the sparse model with the least loss.
    compressed : bool
        Kept values and bits in place of zeros, with a loader.
    to : str
        A new local folder.

    Raises
    ------
    InputError
        For a folder that is not empty, an unknown item or one without a model, or if the model that
        it comes from is not found.
    LatticeworkError
        If what was written is not what it should be.
    """
    if not to:
        raise InputError("export needs a folder: give --to FOLDER")
    if is_uri(to):
        raise InputError(f"--to {to}: models are written to local folders; copy them from there")
    check_target(Path(to))
    row = _chosen(stored, item)
    made = _item_of(stored, row)
    subject = Subject.of(made, stored.run.path)
    model = StoredModel(stored.run.path, row["checkpoint"] or "", subject.folder)
    naming = _naming(subject.folder)
    masks = _Masks(model) if model.has_masks else {}
    changed = set(model.changed())
    files = write_folder(
        subject.folder.path,
        Path(to),
        changed=lambda name: model.read([name])[name] if name in changed else None,
        masks=masks,
        provenance=_provenance(stored, row, subject.folder),
        compressed=compressed,
        **naming,
    )
    layers = LanguageModel.open(model, "cpu").structure.layers
    transposed = {layer.weight for layer in layers if layer.transposed}
    reasons = check_folder(Path(to), subject.folder.path, transposed=transposed, **naming)
    if reasons:
        raise LatticeworkError(f"{row['item']} in {to}: {reasons[0]}")
    yield from map(str, files)


def _chosen(stored: Stored, item: str) -> Mapping[str, Any]:
    """Row of the model that is asked for."""
    rows = [row for row in stored.rows("models") if row["status"] == Status.OK]
    if not item:
        best = best_sparse(stored)
        if best is None:
            raise InputError(f"run {stored.run.run_id} has no sparse model; give --item KEY")
        return best
    for row in rows:
        if row["item"] == item:
            return row
    raise refuse_item(stored, item)


def _item_of(stored: Stored, row: Mapping[str, Any]) -> PerpItem:
    """The item of a row, with the model where it was when the run last ran."""
    places = dict(stored.places)
    seed = {"seed": stored.run.identity.seed}
    config = PerpConfig.model_validate({**stored.settings, **places, **seed})
    inputs = perp_inputs(config)
    known = dict(stored.run.identity.inputs)
    label = row["model"]
    if inputs.contents.get(input_name(label)) != known.get(input_name(label)):
        raise InputError(f"model {label} has other files now than the run had: bring those back")
    found = {each.key: each for each in all_items(Plan(config, inputs.value))}
    return found[row["item"]]


def _naming(folder: ModelFolder) -> dict[str, Any]:
    """Keys in the files where they differ from names, and tied parameters."""
    keys = {name: place.key for name, place in folder.places.items() if place.key != name}
    groups = tied_names(described(folder.config).skeleton)
    return {"keys": keys, "tied": {name: group[0] for group in groups for name in group[1:]}}


def _provenance(stored: Stored, row: Mapping[str, Any], folder: ModelFolder) -> dict[str, Any]:
    names = ("model", "criterion", "pattern", "method", "replicate", "trained", "steps", "tokens")
    facts = {name: row[name] for name in names if row[name] not in (None, "")}
    return {
        "source": folder.digest(),
        **facts,
        "checkpoint": row["checkpoint"] or "",
        "run": stored.run.run_id,
        "code version": stored.run.identity.code_version,
    }


@dataclass(frozen=True, eq=False)
class _Masks(Mapping[str, Tensor]):
    """Masks of a model, read when they are asked for."""

    model: StoredModel

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.model.masked:
            raise KeyError(name)
        return self.model.mask(name)

    def __contains__(self, name: object) -> bool:
        return name in self.model.masked

    def __iter__(self) -> Iterator[str]:
        return iter(self.model.masked)

    def __len__(self) -> int:
        return len(self.model.masked)
