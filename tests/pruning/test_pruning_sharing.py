"""Models that several items start from may travel with the calls instead of being read there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_runs import run_plan, small_config

from tasks.pruning import (
    CheckpointBytes,
    ImpConfig,
    checkpoint_path,
    link,
    plan_imp,
    plan_soup,
    run_pruning_item,
    shared_checkpoints,
)
from tasks.records import StoreError


@pytest.fixture
def begun(tmp_path):
    """A soup up to its first pruning: the items that follow, and the bytes of their start."""
    plan = plan_soup(small_config(phases=1, baselines=()))
    stages = list(plan.stages)
    first = replace(plan, stages={name: plan.stages[name] for name in stages[:2]})
    rows = run_plan(first, tmp_path)["models"]
    items = [replace(link(i, rows), folder=str(tmp_path)) for i in plan.stages[stages[2]]]
    [name] = {need.checkpoint for item in items for need in item.needs}
    path = tmp_path / checkpoint_path(name)
    return items, CheckpointBytes(name, np.fromfile(path, dtype=np.uint8)), path


def test_a_shared_model_is_not_read_and_gives_the_same_rows(begun):
    items, shared, path = begun
    read = run_pruning_item(items[0])
    path.unlink()
    assert all(run_pruning_item(items[0], shared)[name].equals(read[name]) for name in read)


def test_a_model_that_is_not_among_the_shared_ones_is_read(begun):
    items, shared, _ = begun
    other = replace(shared, checkpoint="0" * 16, content=np.zeros(3, dtype=np.uint8))
    assert run_pruning_item(items[0], other)["models"].num_rows == 1


def test_shared_bytes_that_are_damaged_are_refused_by_name(begun):
    items, shared, path = begun
    content = shared.content.copy()
    content[-1] ^= 1
    with pytest.raises(StoreError, match=f"{Path(path).name}: is damaged"):
        run_pruning_item(items[0], replace(shared, content=content))


def test_shared_is_what_several_items_start_from(begun):
    items, shared, _ = begun
    assert shared_checkpoints(items) == {item.key: (shared.checkpoint,) for item in items}
    assert shared_checkpoints(items[:1]) == {}


def test_soups_of_several_models_share_none_and_items_without_needs_neither(tmp_path):
    plan = plan_soup(small_config(phases=1, baselines=("reprune",)))
    rows = run_plan(plan, tmp_path)["models"]
    merge = [link(item, rows) for item in plan.stages["merge 1"]]
    assert len({item.needs for item in merge}) == 1
    assert shared_checkpoints(merge) == shared_checkpoints(plan.stages["pretrain"]) == {}


def test_cells_of_a_comparison_share_the_dense_network_of_their_repetition():
    config = small_config(
        ImpConfig, schedules=("llr", "allr"), methods=("imp", "gmp"), sparsities=(0.5,),
        retrain_epochs=(1.0,), seeds=2,
    )  # fmt: skip
    plan = plan_imp(config)
    dense = [
        {"method": "dense", "phase": 0, "member": 0, "replicate": r, "status": "ok",
         "checkpoint": f"dense{r}"}
        for r in range(2)
    ]  # fmt: skip
    found = shared_checkpoints([link(item, dense) for item in plan.stages["compare"]])
    assert set(found.values()) == {("dense0",), ("dense1",)}
    assert len(found) == 4 and all(key.startswith("imp-") for key in found)
