"""Small runs: a config of drawn images, and its items done without Prefect or Ray."""

import copy

from flows import find_study
from flows.planning import plan_run
from tasks.nn.sparsity import apply_masks
from tasks.pruning.config import SoupConfig
from tasks.pruning.criteria import Pruning, all_weights, prune
from tasks.pruning.items import planned_items
from tasks.pruning.plan import known_of_model, link
from tasks.pruning.sparse_models import SparseModel
from tasks.records import LatticeworkError, Place, Status, lay_out
from tasks.records.rows import failed_rows
from workers.stage_call import StageCall


def small_config(kind=SoupConfig, **changes):
    """Two phases, two members, six steps an epoch."""
    values = {
        "dataset": "synthetic", "batch_size": 60, "epochs": 2, "recalibration_images": 100,
        "ood_images": 10, "ood_severities": (3,), "seeds": 1,
    }  # fmt: skip
    if kind is SoupConfig:
        values |= {"retrain_epochs": 1, "sparsity": 0.8, "phases": 2, "members": 2}
    return kind(**(values | changes))


def planned(config):
    return plan_run(find_study("sparse-soup" if isinstance(config, SoupConfig) else "imp"), config)


def stage_call(config, folder, stage=0):
    """The call of a stage, as a worker makes it in a folder."""
    run = planned(config)
    chosen = run.study.stages[stage]
    schemas = {table: run.schemas[table] for table in chosen.tables}
    return StageCall(chosen.call, "", schemas, run.identity, Place(str(folder)))


def done(item, folder, *shared):
    """Tables of a linked item; of one that fails, as the engine lays them out."""
    call = stage_call(item.config, folder)
    try:
        return call((item,), *shared).tables
    except LatticeworkError as error:
        rows = failed_rows(known_of_model(item), Status.FAILED, str(error))
        return lay_out(call.schemas, {"models": rows}, call.identity)


def run_items(config, folder, call=done, waves=None):
    """Rows of models, curve and distances of all items, one after the other."""
    tables = {"models": [], "curve": [], "distances": []}
    for title, items in planned_items(config).items():
        for item in items if waves is None or title in waves else ():
            for name, table in call(link(item, tables["models"]), folder).items():
                tables[name] += table.to_pylist()
    return tables


def run_soup(folder, call=done, **changes):
    """Rows of models of a small soup."""
    return run_items(small_config(**changes), folder, call)["models"]


def pruned_network(setup, sparsity=0.8):
    """A network that was not trained, pruned."""
    model = setup.new_model(0)
    masks = prune(model, sparsity, Pruning())
    apply_masks(model, masks)
    return SparseModel(model, masks)


def dense_network(setup, replicate=0):
    model = setup.new_model(replicate)
    return SparseModel(model, all_weights(model))


def copied(sparse):
    return SparseModel(copy.deepcopy(sparse.model), sparse.masks)


def same_weights(first, second):
    a, b = first.model.state_dict(), second.model.state_dict()
    return a.keys() == b.keys() and all(bool((a[n] == b[n]).all()) for n in a)
