"""Models that several items start from may travel with the calls instead of being read there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_runs import run_items, small_config, stage_call

from tasks.pruning import (
    CheckpointBytes,
    ImpConfig,
    checkpoint_path,
    imp_items,
    link,
    shared_checkpoints,
    soup_items,
)
from tasks.records import StoreError


@pytest.fixture
def begun(tmp_path):
    """A soup up to its first pruning: the items that follow, their call, and their start."""
    config = small_config(phases=1, baselines=())
    waves = soup_items(config)
    first, second, third, *_ = waves
    rows = run_items(config, tmp_path, waves=(first, second))["models"]
    items = [link(item, rows) for item in waves[third]]
    [name] = {parent.checkpoint for item in items for parent in item.parents}
    path = tmp_path / checkpoint_path(name)
    shared = CheckpointBytes(name, np.fromfile(path, dtype=np.uint8))
    call = stage_call(config, tmp_path)
    return items, lambda *given: call((items[0],), *given).tables, shared, path


def test_a_shared_model_is_not_read_and_gives_the_same_rows(begun):
    _, call, shared, path = begun
    read = call()
    path.unlink()
    assert all(call(shared)[name].equals(read[name]) for name in read)


def test_a_model_that_is_not_among_the_shared_ones_is_read(begun):
    _, call, shared, _ = begun
    other = replace(shared, checkpoint="0" * 16, content=np.zeros(3, dtype=np.uint8))
    assert call(other)["models"].num_rows == 1


def test_shared_bytes_that_are_damaged_are_refused_by_name(begun):
    _, call, shared, path = begun
    content = shared.content.copy()
    content[-1] ^= 1
    with pytest.raises(StoreError, match=f"{Path(path).name}: is damaged"):
        call(replace(shared, content=content))


def test_shared_is_what_several_items_start_from(begun):
    items, _, shared, _ = begun
    assert shared_checkpoints(items) == {item.key: (shared.checkpoint,) for item in items}
    assert shared_checkpoints(items[:1]) == {}


def test_soups_of_several_models_share_none_and_items_without_parents_neither(tmp_path):
    config = small_config(phases=1, baselines=("reprune",))
    rows, waves = run_items(config, tmp_path)["models"], soup_items(config)
    merge = [link(item, rows) for item in waves["merge 1"]]
    assert len({item.parents for item in merge}) == 1
    assert shared_checkpoints(merge) == shared_checkpoints(waves["pretrain"]) == {}


def test_cells_of_a_comparison_share_the_dense_network_of_their_repetition():
    config = small_config(
        ImpConfig, schedules=("llr", "allr"), methods=("imp", "gmp"), sparsities=(0.5,),
        retrain_epochs=(1.0,), seeds=2,
    )  # fmt: skip
    dense = [
        {"method": "dense", "phase": 0, "member": 0, "replicate": r, "status": "ok",
         "checkpoint": f"dense{r}"}
        for r in range(2)
    ]  # fmt: skip
    found = shared_checkpoints([link(item, dense) for item in imp_items(config)["compare"]])
    assert set(found.values()) == {("dense0",), ("dense1",)}
    assert len(found) == 4 and all(key.startswith("imp-") for key in found)
