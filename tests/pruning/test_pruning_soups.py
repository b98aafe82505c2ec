"""Whole soups from items: lineage, exact sparsity, survivors, variations and methods."""

import pytest
import torch
from small_runs import done, planned, run_items, run_soup, small_config

from tasks.nn import load_tensors
from tasks.nn.data import sources
from tasks.pruning import CHECKPOINTS, check_pruning, link, soup_items
from tasks.pruning.config import ImpConfig, SoupConfig
from tasks.records import InputError

WAVES = ["pretrain", "prune 1", "retrain 1", "merge 1", "prune 2", "retrain 2", "merge 2"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return run_soup(tmp_path_factory.mktemp("soup"))


def of(rows, method, phase=None):
    return [r for r in rows if r["method"] == method and phase in (None, r["phase"])]


def test_one_plan_replaces_all_the_runs_that_were_ordered_by_hand():
    """The published way is 1 + n (m + 1) runs; here 19 for n = 3 and m = 5."""
    config = small_config(phases=3, members=5, seeds=1, baselines=())
    items = [item for wave in soup_items(config).values() for item in wave]
    trainings = [i for i in items if i.step in ("pretrain", "branch", "merge")]
    assert len(trainings) == 1 + 3 * (5 + 1)
    assert len({item.key for item in items}) == len(items)
    assert list(soup_items(small_config())) == WAVES


def test_sparsity_and_mask_are_those_of_the_phase_for_all_models(rows):
    for phase, kept in ((1, 14604), (2, 6531)):
        found = [r for r in rows if r["phase"] == phase]
        assert {r["kept"] for r in found} == {kept}
        soup = [r for r in found if r["method"] in ("pruned", "member", "soup")]
        assert len({r["mask"] for r in soup}) == 1
    assert of(rows, "soup", 2)[0]["sparsity"] == pytest.approx(0.8, abs=1 / 32656)


def test_rows_carry_their_parents_from_the_dense_network_on(rows):
    by_id = {r["checkpoint"]: r for r in rows if r["checkpoint"]}
    row, line = of(rows, "soup", 2)[0], []
    while row["parents"]:
        line.append(row["method"])
        row = by_id[row["parents"][0]]
    assert line == ["soup", "member", "pruned", "soup", "member", "pruned"]
    assert row["method"] == "dense"
    members = {r["checkpoint"] for r in of(rows, "member", 2)}
    assert set(of(rows, "soup", 2)[0]["parents"]) == members
    assert set(of(rows, "ensemble", 2)[0]["parents"]) == members


def test_soup_long_line_and_repruned_mean_have_seen_the_same_number_of_steps(rows):
    for phase in (1, 2):
        costs = {of(rows, m, phase)[0]["total_steps"] for m in ("soup", "long", "reprune")}
        assert costs == {12 + phase * 2 * 6}
    assert of(rows, "imp", 2)[0]["total_steps"] == 12 + 2 * 6


def test_the_repruned_mean_of_one_mask_is_the_soup(rows):
    soup, reprune = of(rows, "soup", 1)[0], of(rows, "reprune", 1)[0]
    assert (soup["accuracy"], soup["loss"]) == (reprune["accuracy"], reprune["loss"])
    assert len({r["mask"] for r in of(rows, "imp", 2)}) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"vary": "weight_decay", "merge": "greedy"},
        {"vary": "retrain_length", "merge": "learned", "method": "gmp"},
        {"vary": "lr", "method": "dpf"},
        {"method": "bimp", "phases": 1, "baselines": ()},
        {"granularity": "filters", "sparsity": 0.5, "phases": 1},
        {"branches": "stacked", "phases": 1},
        {"criterion": "random", "allocation": "erk", "phases": 1, "baselines": ("imp",)},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_variation_and_host_ends_at_its_sparsity(changes, tmp_path):
    found = run_soup(tmp_path, **changes)
    assert {r["status"] for r in found} == {"ok"}
    last = small_config(**changes).phases
    [soup] = of(found, "soup", last)
    assert soup["target"] == small_config(**changes).sparsity
    assert abs(soup["sparsity"] - soup["target"]) < (0.01 if "granularity" in changes else 1e-4)
    assert 0.2 < soup["accuracy"] <= 1
    if changes.get("method") in ("gmp", "dpf") and changes["vary"] == "lr":
        assert soup["total_steps"] == of(found, "long", last)[0]["total_steps"]


def test_stacked_members_end_where_separate_ones_do(rows, tmp_path):
    stacked = run_soup(tmp_path, branches="stacked")
    for mine, theirs in zip(of(stacked, "member"), of(rows, "member"), strict=True):
        assert (mine["mask"], mine["member"]) == (theirs["mask"], theirs["member"])
        # Six or twelve steps in float32: rounding may turn a few of the 200 test images.
        assert abs(mine["accuracy"] - theirs["accuracy"]) < 0.05


def failing(*keys):
    def call(item, folder):
        return done(link(item, []) if item.key in keys else item, folder)

    return call


def test_a_soup_goes_on_with_the_survivors_and_says_so(tmp_path):
    found = run_soup(tmp_path, failing("branch.s0.p1.m1"), members=3, baselines=())
    [lost] = [r for r in found if r["status"] != "ok"]
    assert lost["item"] == "branch.s0.p1.m1"
    first, second = of(found, "soup")
    assert first["note"] == "2 of 3 members: without member 1 of phase 1"
    assert (len(first["parents"]), len(second["parents"]), second["note"]) == (2, 3, "")


def test_a_soup_with_too_few_members_fails_and_names_what_is_missing(tmp_path):
    found = run_soup(tmp_path, failing("branch.s0.p1.m1"), baselines=())
    merge = next(r for r in found if r["item"] == "merge.s0.p1")
    assert (merge["status"], merge["reason"]) == (
        "failed",
        "member 1 of phase 1 failed or is missing",
    )
    assert of(found, "prune", 2)[0]["reason"] == "soup 0 of phase 1 failed or is missing"
    assert of(found, "soup") == []


def test_a_training_that_diverges_is_a_row_and_keeps_the_last_good_checkpoint(
    tmp_path, monkeypatch
):
    config = small_config(baselines=())
    monkeypatch.setattr("tasks.pruning.setups.Setup.dense_schedule", lambda *_: Wild())
    found = run_items(config, tmp_path)["models"]
    dense = found[0]
    assert dense["status"] == "failed" and "at learning rate" in dense["reason"]
    file = tmp_path / CHECKPOINTS / f"{dense['checkpoint']}.safetensors"
    assert all(bool(tensor.isfinite().all()) for tensor in load_tensors(file).tensors.values())
    assert dense["accuracy"] is None
    assert {r["status"] for r in found} == {"failed"}


class Wild:
    def __init__(self, after=3):
        self.after = after

    def at(self, step):
        return 1e30 if step > self.after else 0.01


def test_a_training_that_explodes_in_its_last_step_failed(tmp_path, monkeypatch):
    """Its last loss was still finite; that of the model is not."""
    config, last = small_config(baselines=(), phases=1, clip=1e9), Wild(after=10)
    monkeypatch.setattr("tasks.pruning.setups.Setup.dense_schedule", lambda *_: last)
    dense, *rest = run_items(config, tmp_path)["models"]
    assert dense["status"] == "failed" and "not finite" in dense["reason"]
    assert dense["checkpoint"] is None and dense["accuracy"] is None
    assert {row["status"] for row in rest} == {"failed"}


def test_files_of_trainings_in_progress_are_removed(tmp_path):
    run_soup(tmp_path, phases=1, checkpoint_steps=2, baselines=())
    names = {path.name for path in (tmp_path / CHECKPOINTS).iterdir()}
    assert len(names) == 5 and not [n for n in names if n.startswith("running")]


def test_rows_do_not_depend_on_the_number_of_threads(rows, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert run_soup(tmp_path) == rows
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_device_and_the_place_of_the_files_do_not_name_a_run(tmp_path):
    ids = {
        planned(small_config(**changes)).identity.run_id
        for changes in ({}, {"device": "cuda"}, {"data_folder": str(tmp_path)})
    }
    assert len(ids) == 1
    assert planned(small_config(learning_rate=0.05)).identity.run_id not in ids


def test_missing_files_are_named_with_the_way_to_get_them(tmp_path):
    config = SoupConfig(dataset="fashion-mnist", data_folder=str(tmp_path))
    with pytest.raises(InputError) as caught:
        check_pruning(config)
    assert str(tmp_path) in str(caught.value)
    assert sources._REMEDIES["fashion-mnist"] in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "vgg16-bn"}, "at least 32 x 32 pixels"),
        ({"batch_size": 1000}, "batches of 1000 from 360 images"),
        ({"method": "gmp", "epochs": 0.2, "retrain_epochs": 0.2, "phases": 9}, "give more steps"),
        ({"vary": "retrain_length", "retrain_epochs": 0.2, "members": 3}, "more epochs"),
        # Only the last cycle of a budget is long enough.
        (
            {
                "method": "bimp",
                "vary": "retrain_length",
                "batch_size": 300,
                "epochs": 8,
                "phases": 3,
                "members": 3,
            },
            "member 2 would train 0.5 steps",
        ),
        ({"sparsity": 0.99999}, "a layer would be empty"),
        ({"sparsity": 0.998, "allocation": "uniform+"}, "take a lower sparsity"),
        ({"kind": ImpConfig, "updates": 3, "sparsities": (0.5, 0.99999)}, "a layer would be empty"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_starts(changes, reason):
    with pytest.raises(InputError) as caught:
        check_pruning(small_config(**changes))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"sparsity": 1.0},
        {"sparsity": -0.1},
        {"members": 2, "min_branches": 3},
        {"dataset": "mnist"},
        {"model": "transformer"},
        {"ood_severities": (6,)},
        {"branches": "stacked", "method": "dpf"},
        {"granularity": "filters", "method": "gmp"},
    ],
    ids=str,
)
def test_configs_out_of_range_are_refused(changes):
    with pytest.raises(ValueError):
        small_config(**changes)
