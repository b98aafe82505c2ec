"""Pruning with retraining, within budgets, and during training."""

import pytest
import torch
from small_runs import dense_network, pruned_network, run_items, small_config

from tasks.nn import FitStatus, pruning_distance
from tasks.nn.retraining import RETRAININGS
from tasks.nn.sparsity import prunable_weights, total_kept
from tasks.pruning import Cycle, ImpConfig, SoupConfig, imp_items
from tasks.pruning import config as config_module
from tasks.pruning.cycles import plan_course
from tasks.pruning.dynamic import masked_loss
from tasks.pruning.imp import cycle_rates, imp_course, prune_phase, run_course
from tasks.pruning.sparse_models import num_stray

SMALL = {"sparsities": (0.8,), "schedules": ("llr", "allr"), "retrain_epochs": (1.0,), "updates": 3}


def test_names_in_the_config_are_those_of_the_libraries():
    assert config_module.Retraining.__args__ == RETRAININGS


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    return run_items(small_config(ImpConfig, **SMALL), tmp_path_factory.mktemp("imp"))["models"]


def test_all_methods_take_the_same_steps_and_end_at_the_sparsity(compared):
    cells = [row for row in compared if row["budget"] is not None]
    assert [row["method"] for row in cells] == ["imp-llr", "imp-allr", "bimp", "gmp", "dpf"]
    assert {row["total_steps"] for row in cells} == {12 + 6}
    assert {row["kept"] for row in cells} == {total_kept(32656, 0.8)}
    assert {row["status"] for row in compared} == {"ok"}


def test_schedules_start_from_the_same_mask_and_gradual_pruning_finds_another(compared):
    masks = {row["method"]: row["mask"] for row in compared}
    assert masks["imp-llr"] == masks["imp-allr"]
    assert len({masks[m] for m in ("imp-llr", "bimp", "gmp", "dpf")}) == 4


def test_a_phase_prunes_in_place_and_measures_the_distance(setup):
    sparse = dense_network(setup)
    weights = {n: w.detach().clone() for n, w in prunable_weights(sparse.model).items()}
    first = prune_phase(setup, sparse, Cycle(1, 0.5, 0, 1), replicate=0)
    assert num_stray(first.sparse) == 0
    assert first.distance == pytest.approx(pruning_distance(weights, first.sparse.masks))
    assert 0.3 < first.distance < 0.45  # Gaussian weights of unlike layers; 0.378 if alike


def test_the_adaptive_rates_of_a_cycle_are_those_of_its_distance(setup):
    course = plan_course("imp", 0.5, 1, dense_steps=100, cycle_steps=20)
    rates = cycle_rates(setup, course, course.cycles[0], "allr", 0.6)
    top = max(rates.schedule(20).at(t) for t in range(20))
    assert top == pytest.approx(0.6 * setup.config.learning_rate)
    short = cycle_rates(setup, course, course.cycles[0], "allr", 0.01)
    assert max(short.schedule(20).at(t) for t in range(20)) == pytest.approx(0.2 * 0.1)


def test_bimp_takes_the_dense_training_of_its_budget_as_the_original_one(setup):
    course = plan_course("bimp", 0.5, 2, dense_steps=100, cycle_steps=20, dense_share=0.5)
    assert cycle_rates(setup, course, course.cycles[0], "allr", 0.5).original_steps == 70


@pytest.mark.parametrize("method", ["gmp", "dpf"])
def test_gradual_pruning_ends_with_masks_in_force(setup, method):
    config = small_config(ImpConfig, **SMALL)
    course = imp_course(config, setup, method, 1.0, 0.8)
    assert len(course.cycles) == 3 and course.num_steps == 18
    sparse, outcome = run_course(setup, course, None, retraining="allr", replicate=0)
    assert outcome.status == FitStatus.FINISHED
    assert num_stray(sparse) == 0
    assert sparse.num_kept == total_kept(32656, 0.8)


def test_feedback_reaches_pruned_weights_by_the_gradient_at_the_masked_ones(setup):
    sparse = pruned_network(setup)
    dense = dense_network(setup)
    images = setup.dataset.normalized(setup.dataset.train.inputs[:20])
    batch = images, setup.dataset.train.targets[:20]
    masked_loss(sparse.masks, feedback=True)(dense.model, batch).backward()
    torch.nn.functional.cross_entropy(sparse.model(batch[0]), batch[1]).backward()
    hidden = prunable_weights(dense.model)["4.weight"].grad
    seen = prunable_weights(sparse.model)["4.weight"].grad
    torch.testing.assert_close(hidden, seen)
    assert bool(hidden[~sparse.masks["4.weight"]].any())


@pytest.mark.parametrize(
    "changes",
    [{"sparsities": (0.5, 1.0)}, {"retrain_epochs": (0.0,)}, {"schedules": ("warp",)}],
    ids=str,
)
def test_configs_out_of_range_are_refused(changes):
    with pytest.raises(ValueError):
        small_config(ImpConfig, **changes)


@pytest.mark.parametrize("epochs", [0.0, 10_001.0, 1e300])
def test_lengths_of_retraining_are_bounded(epochs):
    with pytest.raises(ValueError, match=r"retrain_epochs .* must lie in \(0, 10000\]"):
        small_config(ImpConfig, retrain_epochs=(1.0, epochs))


@pytest.mark.parametrize("kind", [ImpConfig, SoupConfig])
def test_filters_have_no_allocation(kind):
    with pytest.raises(ValueError, match="granularity filters prunes the same share of every"):
        small_config(kind, granularity="filters", allocation="erk")


def test_cells_have_keys_of_their_own_however_close_their_settings_are():
    close = {"sparsities": (0.9, 0.98, 0.9000001), "retrain_epochs": (1.0, 2.5, 1.0000001)}
    config = small_config(ImpConfig, **{**SMALL, **close}, methods=("gmp",))
    keys = [item.key for item in imp_items(config)["compare"]]
    assert len(set(keys)) == 9
    assert {"gmp.e1.t0.9.s0", "gmp.e2.5.t0.98.s0", "gmp.e1.t0.9000001.s0"} <= set(keys)
