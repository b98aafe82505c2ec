"""Verification of models of `perp` from their files: what it has to find."""

from pathlib import Path

import pytest
import torch
from language_models import llama, perp, small_config, write_folder_of, write_text
from study_helpers import stored_run

from tasks.nn.files import DamagedFileError
from tasks.pruning.language.items import adapt_items, prune_items
from tasks.pruning.language.making.stored_models import StoredModel
from tasks.pruning.language.making.unfinished_models import UnfinishedModel
from tasks.pruning.language.models.folders import ModelFolder
from tasks.pruning.language.plan import ModelCheck
from tasks.pruning.language.verify import verified
from tasks.records.work import Place

NAME = "model.layers.0.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Config, run, folder of a model that is pruned row by row and retrained."""
    root = tmp_path_factory.mktemp("verify")
    folder = write_folder_of(llama(), root / "small")
    texts = write_text(root / "text"), write_text(root / "other", seed=1)
    config = small_config(folder, *texts, methods=["masklora"], layer_errors=False)
    return config, stored_run(perp(), config, root / "runs"), ModelFolder.open(folder)


def retrained(ran):
    config, stored, source = ran
    [item] = [item for item in adapt_items(config) if item.criterion]
    [row] = [row for row in stored.rows("models") if row["item"] == item.key]
    return item, row, StoredModel(stored.run.path, row["checkpoint"], source)


def judged(ran, change, *, states_its_mask=True):
    """The reason against the retrained model with other tensors or masks, all digests right."""
    item, row, model = retrained(ran)
    tensors = {name: model.own_tensor(name) for name in model.changed()}
    masks = model.masks()
    change(tensors, masks)
    written = UnfinishedModel(model.folder, "changed", "origin")
    written.add("all", tensors, masks)
    changed = StoredModel(model.folder, written.finish({"masked": True}), model.source)
    written.forget()
    mask = changed.header["mask"] if states_its_mask else row["mask"]
    row = {**row, "checkpoint": changed.checkpoint, "mask": mask}
    return verified(ModelCheck(item), Place(model.folder), row)["reason"]


def move_kept(mask, first, second):
    """A weight of one row is kept no more, one of another is."""
    mask[first, mask[first].nonzero()[0]] = False
    mask[second, (~mask[second]).nonzero()[0]] = True


def zeroed(tensors, masks):
    tensors[NAME][~masks[NAME]] = 0.0


def one_weight_comes_back(tensors, masks):
    tensors[NAME][(~masks[NAME]).nonzero(as_tuple=True)] = 1e-30


def a_zero_is_negative(tensors, masks):
    tensors[NAME][~masks[NAME]] = -0.0


def rows_keep_different_numbers(tensors, masks):
    move_kept(masks[NAME], 0, 1)
    zeroed(tensors, masks)


def another_mask_of_the_pattern(tensors, masks):
    move_kept(masks[NAME], 0, 0)
    zeroed(tensors, masks)


def no_mask(tensors, masks):
    del masks[NAME]


def not_finite(tensors, masks):
    tensors[NAME][masks[NAME]] = torch.nan


def another_type(tensors, masks):
    tensors[NAME] = tensors[NAME].half()


def nothing(tensors, masks):
    pass


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (one_weight_comes_back, "512 pruned weights are not zero"),
        (a_zero_is_negative, "512 pruned weights are not zero"),
        (rows_keep_different_numbers, "q_proj does not have the pattern 0.5"),
        (another_mask_of_the_pattern, "its masks are not those of"),
        (no_mask, f"{NAME} has no mask"),
        (not_finite, f"{NAME} is not finite"),
        (another_type, f"{NAME} has another shape or type"),
    ],
)
def test_a_fault_is_named(ran, change, reason):
    assert reason in judged(ran, change)


def test_the_same_model_written_again_has_no_fault(ran):
    assert judged(ran, nothing) == ""


def test_a_mask_that_its_row_does_not_state_is_a_fault(ran):
    reason = judged(ran, another_mask_of_the_pattern, states_its_mask=False)
    assert "do not have the id that its row states" in reason


def test_a_flipped_bit_is_found_in_every_file(ran):
    item, row, model = retrained(ran)
    for path in model.files:
        place = Path(model.folder, path)
        content = place.read_bytes()
        place.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
        with pytest.raises(DamagedFileError):
            verified(ModelCheck(item), Place(model.folder), row)
        place.write_bytes(content)
    assert verified(ModelCheck(item), Place(model.folder), row)["reason"] == ""


def test_rows_may_differ_where_the_matrix_is_compared(ran):
    config, stored, source = ran
    changes = {"criteria": ("sparsegpt",), "methods": ()}
    run = stored_run(perp(), config.model_copy(update=changes), stored.run.path + "-matrix")
    [row] = run.rows("verification")[1:]
    assert row["status"] == "ok"
    [item] = prune_items(config.model_copy(update=changes))
    checkpoint = next(r["checkpoint"] for r in run.rows("models") if r["item"] == item.key)
    mask = StoredModel(run.run.path, checkpoint, source).mask(NAME)
    assert len(set(mask.sum(dim=1).tolist())) > 1
