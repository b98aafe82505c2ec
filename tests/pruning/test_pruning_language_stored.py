"""Stored models: parts, masks, and what is refused; verification of damaged ones."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from language_models import llama, perp, small_config, write_folder_of, write_text
from study_helpers import stored_run

from tasks.pruning.language.items import prune_items
from tasks.pruning.language.making.stored_models import (
    CHECKPOINTS,
    StoredModel,
    mask_ids,
    store_part,
    stray,
)
from tasks.pruning.language.making.unfinished_models import UnfinishedModel
from tasks.pruning.language.plan import ModelCheck
from tasks.pruning.language.verify import verified
from tasks.records import Place, StoreError

SHAPE = (3, 5)


@dataclass(frozen=True)
class Fives:
    """A source whose tensors are fives."""

    config: object = None

    def read(self, names):
        return {name: torch.full(SHAPE, 5.0) for name in names}


def made(folder, *parts, header=None, parent=None):
    """A model of parts (changed, masks)."""
    unfinished = UnfinishedModel(str(folder), "key", "origin", parent)
    for number, (changed, masks) in enumerate(parts):
        unfinished.add(f"{number}", changed, masks)
    checkpoint = unfinished.finish(header or {})
    unfinished.forget()
    return StoredModel(str(folder), checkpoint, Fives())


def drawn_mask(seed=0):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) > 0.5


def test_masks_are_in_force_and_what_has_no_part_is_the_sources(tmp_path):
    mask = drawn_mask()
    model = made(tmp_path, ({}, {"a": mask}), ({"b": torch.ones(SHAPE)}, {}))
    found = model.read(["a", "b", "c"])
    assert torch.equal(found["a"], torch.where(mask, 5.0, 0.0))
    assert torch.equal(found["b"], torch.ones(SHAPE))
    assert torch.equal(found["c"], torch.full(SHAPE, 5.0))
    assert torch.equal(model.masks()["a"], mask)


def test_later_parts_win_and_a_childs_parts_follow_its_parents(tmp_path):
    parent = made(tmp_path, ({"a": torch.ones(SHAPE)}, {"a": drawn_mask()}))
    child = made(tmp_path, ({"a": 2 * torch.ones(SHAPE)}, {}), parent=parent)
    assert float(child.read(["a"])["a"].max()) == 2.0
    assert child.header["mask"] == parent.header["mask"]
    assert {part.file for part in parent.parts} < {part.file for part in child.parts}


def test_a_model_whose_zeros_are_lost_says_so_and_counts_them(tmp_path):
    mask = drawn_mask()
    model = made(tmp_path, ({"a": torch.ones(SHAPE)}, {"a": mask}), header={"masked": False})
    assert not model.has_masks
    assert torch.equal(model.read(["a"])["a"], torch.ones(SHAPE))
    assert model.num_lost("a") == int((~mask).sum())


def test_equal_masks_have_equal_ids_whatever_the_weights(tmp_path):
    parts = [
        store_part(str(tmp_path), {"a": weight}, {"a": drawn_mask(seed)})
        for weight, seed in (
            (torch.ones(SHAPE), 0),
            (torch.zeros(SHAPE), 0),
            (torch.ones(SHAPE), 1),
        )
    ]
    ids = [mask_ids([part]) for part in parts]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("value", [1e-30, -0.0])
def test_a_pruned_weight_that_is_not_plus_zero_is_counted(tmp_path, value):
    mask = drawn_mask()
    weight = torch.where(mask, 1.0, 0.0)
    place = tuple(int(each) for each in (~mask).nonzero()[0])
    weight[place] = value
    assert stray(made(tmp_path, ({"a": weight}, {"a": mask})), "a") == 1


def test_blocks_of_another_origin_are_made_again(tmp_path):
    unfinished = UnfinishedModel(str(tmp_path), "key", "origin")
    unfinished.add("0", {"a": torch.ones(SHAPE)}, {}, [{"layer": "x"}])
    again = UnfinishedModel(str(tmp_path), "key", "origin").done("0")
    assert again is not None and again[1] == [{"layer": "x"}]
    assert UnfinishedModel(str(tmp_path), "key", "another").done("0") is None


def test_a_block_whose_file_was_damaged_is_made_again(tmp_path):
    part = UnfinishedModel(str(tmp_path), "key", "o").add("0", {"a": torch.ones(SHAPE)}, {})
    flip(tmp_path / part.path)
    assert UnfinishedModel(str(tmp_path), "key", "o").done("0") is None


def flip(path: Path, place: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_damaged_and_missing_files_are_refused_by_name(tmp_path):
    model = made(tmp_path, ({"a": torch.ones(SHAPE)}, {}))
    part = tmp_path / model.parts[0].path
    index = tmp_path / CHECKPOINTS / f"{model.checkpoint}.json"
    flip(index, 20)
    with pytest.raises(StoreError, match="is damaged"):
        StoredModel(str(tmp_path), model.checkpoint, Fives())
    flip(index, 20)
    flip(part)
    with pytest.raises(StoreError, match="is damaged"):
        StoredModel(str(tmp_path), model.checkpoint, Fives()).read(["a"])
    part.unlink()
    with pytest.raises(StoreError):
        StoredModel(str(tmp_path), model.checkpoint, Fives()).read(["a"])


# --- verification -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """A pruned model: what to check, where, and its row."""
    root = tmp_path_factory.mktemp("verified")
    folder = write_folder_of(llama(num_hidden_layers=1), root / "small")
    texts = write_text(root / "text"), write_text(root / "other", seed=1)
    config = small_config(folder, *texts, methods=(), layer_errors=False)
    stored = stored_run(perp(), config, root / "runs")
    row = next(row for row in stored.rows("models") if row["criterion"])
    return ModelCheck(prune_items(config)[0]), Place(stored.run.path), row


def changed_row(pruned, folder, change):
    """Row of the pruned model with another part behind its own."""
    work, place, row = pruned
    shutil.copytree(place.folder, folder, dirs_exist_ok=True)
    parent = StoredModel(str(folder), row["checkpoint"], Fives())
    unfinished = UnfinishedModel(str(folder), "other", "o", parent)
    name = parent.masked[0]
    unfinished.add("0", *change(name, parent.mask(name)))
    row = {**row, "checkpoint": unfinished.finish({})}
    return verified(work, Place(str(folder)), row)


def test_a_sound_model_passes(pruned):
    work, place, row = pruned
    found = verified(work, place, row)
    assert (found["status"], found["reason"], found["stray"]) == ("ok", "", 0)
    assert found["kept"] == row["kept"]


def test_a_pruned_weight_that_came_back_fails(pruned, tmp_path):
    found = changed_row(pruned, tmp_path, lambda n, m: ({n: torch.ones(m.shape)}, {}))
    assert found["status"] == "failed"
    assert "pruned weights are not zero" in found["reason"]


def test_a_mask_of_another_pattern_fails(pruned, tmp_path):
    def emptier(name, mask):
        mask = mask.clone()
        mask[0] = False
        return {}, {name: mask}

    found = changed_row(pruned, tmp_path, emptier)
    assert found["status"] == "failed"
    assert "does not have the pattern" in found["reason"]


def test_a_parameter_of_another_type_or_name_fails(pruned, tmp_path):
    found = changed_row(
        pruned, tmp_path, lambda n, m: ({n: torch.zeros(m.shape).half(), "x": torch.ones(1)}, {})
    )
    assert "another shape or type" in found["reason"]
    assert "x is not a parameter" in found["reason"]
