"""Small runs: a config of drawn images, and a plan executed without Prefect or Ray."""

import copy
from dataclasses import replace

from tasks.nn.sparsity import apply_masks
from tasks.pruning import SoupConfig, link, plan_soup, run_pruning_item
from tasks.pruning.criteria import Pruning, all_weights, prune
from tasks.pruning.sparse_models import SparseModel


def small_config(kind=SoupConfig, **changes):
    """Two phases, two members, six steps an epoch."""
    values = {
        "dataset": "synthetic", "batch": 60, "epochs": 2, "recalibration_images": 100,
        "ood_images": 10, "ood_severities": (3,), "seeds": 1,
    }  # fmt: skip
    if kind is SoupConfig:
        values |= {"retrain_epochs": 1, "sparsity": 0.8, "phases": 2, "members": 2}
    return kind(**(values | changes))


def run_plan(plan, folder, call=run_pruning_item):
    """Rows of models, curve and distances of all items, one after the other."""
    tables = {"models": [], "curve": [], "distances": []}
    for items in plan.stages.values():
        for item in items:
            linked = replace(link(item, tables["models"]), folder=str(folder))
            for name, table in call(linked).items():
                tables[name] += table.to_pylist()
    return tables


def run_soup(folder, call=run_pruning_item, **changes):
    """Rows of models of a small soup."""
    return run_plan(plan_soup(small_config(**changes)), folder, call)["models"]


def pruned_network(bench, sparsity=0.8):
    """A network that was not trained, pruned."""
    model = bench.new_model(0)
    masks = prune(model, sparsity, Pruning())
    apply_masks(model, masks)
    return SparseModel(model, masks)


def dense_network(bench, replicate=0):
    model = bench.new_model(replicate)
    return SparseModel(model, all_weights(model))


def copied(sparse):
    return SparseModel(copy.deepcopy(sparse.model), sparse.masks)


def same_weights(first, second):
    a, b = first.model.state_dict(), second.model.state_dict()
    return a.keys() == b.keys() and all(bool((a[n] == b[n]).all()) for n in a)
