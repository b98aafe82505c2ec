"""Stored models, read again: files, masks, zeros, lineage."""

import pyarrow as pa
import pytest
import torch
from small_runs import pruned_network, run_soup, small_config, stage_call

from tasks.nn import load_tensors, save_tensors
from tasks.pruning import CHECKPOINTS
from tasks.pruning.items import ModelCheck
from tasks.pruning.sparse_models import (
    SparseModel,
    load_sparse,
    mask_id,
    store_sparse,
)
from tasks.records import InputError, StoreError


def verified(folder, checkpoint, method="member"):
    config = small_config()
    models = pa.Table.from_pylist([{"checkpoint": checkpoint, "method": method}])
    call = stage_call(config, folder, stage=1)
    [row] = call((ModelCheck("item", config), models)).tables["verification"].to_pylist()
    return row


def test_a_stored_model_comes_back_with_its_masks(setup, tmp_path):
    sparse = pruned_network(setup)
    name = store_sparse(str(tmp_path), sparse, extra={"target": 0.8})
    again, stored = load_sparse(str(tmp_path), name, setup.new_model(1))
    assert all(torch.equal(again.masks[n], m) for n, m in sparse.masks.items())
    assert stored.extra["mask"] == mask_id(sparse.masks)
    assert verified(tmp_path, name)["status"] == "ok"
    assert store_sparse(str(tmp_path), sparse, extra={"target": 0.8}) == name


def test_equal_masks_have_equal_ids_and_others_do_not(setup):
    masks = dict(pruned_network(setup).masks)
    assert mask_id(masks) == mask_id({n: m.clone() for n, m in reversed(masks.items())})
    flipped = masks | {"17.weight": ~masks["17.weight"]}
    assert mask_id(flipped) != mask_id(masks)


def test_all_models_of_a_soup_pass(tmp_path):
    rows = run_soup(tmp_path, phases=1)
    for row in rows:
        if row["checkpoint"]:
            found = verified(tmp_path, row["checkpoint"], row["method"])
            assert (found["status"], found["stray"]) == ("ok", 0), found["reason"]
            assert found["kept"] == row["kept"]


def test_a_weight_outside_the_mask_is_found(setup, tmp_path):
    sparse = pruned_network(setup)
    with torch.no_grad():
        weight = sparse.model.get_parameter("4.weight")
        weight[~sparse.masks["4.weight"]] = 1e-9
    name = store_sparse(str(tmp_path), sparse, extra={"target": 0.8})
    row = verified(tmp_path, name)
    assert row["status"] == "failed" and "are not zero" in row["reason"]
    assert row["stray"] > 0


def test_a_sparsity_that_is_off_by_one_weight_is_found(setup, tmp_path):
    sparse = pruned_network(setup)
    masks = {n: m.clone() for n, m in sparse.masks.items()}
    row, column = (~masks["17.weight"]).nonzero()[0]
    masks["17.weight"][row, column] = True
    store = store_sparse(str(tmp_path), SparseModel(sparse.model, masks), extra={"target": 0.8})
    assert "6532 of 32656 weights are kept, 6531 were wanted" in verified(tmp_path, store)["reason"]


def test_a_soup_with_another_mask_than_its_members_is_found(setup, tmp_path):
    member = store_sparse(str(tmp_path), pruned_network(setup, 0.7), extra={"target": 0.7})
    soup = store_sparse(
        str(tmp_path), pruned_network(setup), parents=[member], extra={"target": 0.8}
    )
    assert f"its member {member}" in verified(tmp_path, soup, "soup")["reason"]


def test_damaged_and_foreign_files_are_refused(setup, tmp_path):
    name = store_sparse(str(tmp_path), pruned_network(setup), extra={"target": 0.8})
    path = tmp_path / CHECKPOINTS / f"{name}.safetensors"
    stored = load_tensors(path)
    save_tensors(path, stored.tensors, stored.extra | {"target": 0.5})
    assert "id that names it" in verified(tmp_path, name)["reason"]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        load_sparse(str(tmp_path), name, setup.new_model(0))
    with pytest.raises(StoreError):
        load_sparse(str(tmp_path), "0" * 16, setup.new_model(0))


def test_a_model_without_masks_is_refused(setup, tmp_path):
    sparse = pruned_network(setup)
    masks = {n: m for n, m in sparse.masks.items() if n != "0.weight"}
    name = store_sparse(str(tmp_path), SparseModel(sparse.model, masks))
    with pytest.raises(InputError, match=r"no mask of 0\.weight"):
        load_sparse(str(tmp_path), name, setup.new_model(0))
