"""The study `sparse-soup`: sparse model soups beside everything that takes as much compute.

*train* goes through waves: the dense networks; then per phase the pruning, the retraining (members
of the soup, lines of plain pruning, a line with m times the retraining, all in parallel) and the
merging (soup, ensemble, means that are pruned again). All repetitions go through a wave together.
*verify* reads every stored model again, from its file alone. A member that fails is a row with a
status; the soup is made without it if enough are left, and says so.
"""

from __future__ import annotations

from flows.study import Argument, Shortcut, Stage, Study, Tool, exporting, recipes_of

__all__ = ["EXPORT_SWITCHES", "PREDICT", "STUDY", "UNNAMED", "pruning_stages"]

TABLES = {
    "models": "tasks.pruning.schema:MODELS_SCHEMA",
    "curve": "tasks.pruning.schema:CURVE_SCHEMA",
    "distances": "tasks.pruning.schema:DISTANCES_SCHEMA",
    "verification": "tasks.pruning.schema:VERIFICATION_SCHEMA",
}
UNNAMED = ("device", "data_folder", "image_cache")
EXPORT_SWITCHES = (
    Argument("best", "the model that is best on validation data"),
    Argument("onnx", "model.onnx, too (pip install 'latticework[onnx]')"),
)
PREDICT = Tool(
    "predict",
    "predictions of an exported model for pictures and arrays",
    "tasks.nn.prediction:predict",
    (
        Argument("folder", "that `export` wrote, with model.json", "FOLDER"),
        Argument("files", "pictures; arrays of examples, .npy, or x of .npz", "FILE"),
    ),
    (
        Argument("json", "one JSON object per example"),
        Argument("model", "makes the network where a folder has no program", "NAME"),
    ),
)


def pruning_stages(call: str) -> tuple[Stage, ...]:
    """Training by a call, and verification."""
    return (
        Stage(
            "train",
            call,
            ("models", "curve", "distances"),
            waves="tasks.pruning.plan:pruning_waves",
            known="tasks.pruning.plan:known_of_model",
            placed=True,
            resources="tasks.nn.plan:training_resources",
            share="tasks.pruning.plan:shared_model",
        ),
        Stage(
            "verify",
            "tasks.pruning.verify:verification_rows",
            ("verification",),
            items="tasks.pruning.plan:verification_items",
            known="tasks.pruning.verify:known_of_verification",
            needs=("models",),
            needs_ok=False,
            placed=True,
        ),
    )


STUDY = Study(
    name="sparse-soup",
    summary="Sparse model soups, and what else can be done with as much compute.",
    citations=("SMS", "BIMP"),
    config="tasks.pruning.config:SoupConfig",
    unnamed=UNNAMED,
    selecting=("seeds",),
    inputs="tasks.nn.plan:data_inputs",
    keys="tasks.pruning.plan:item_keys",
    check="tasks.pruning.plan:check_pruning",
    tables=TABLES,
    stages=pruning_stages("tasks.pruning.run:soup_rows"),
    report="tasks.pruning.report:soup_report",
    figures="tasks.pruning.report:soup_figures",
    deployment="sparse-soup",
    commands=(exporting("tasks.pruning.exports:export_models", *EXPORT_SWITCHES),),
    tools=(PREDICT,),
    shortcuts=(Shortcut("soup", "merge given checkpoints of one network", "checkpoints"),),
    recipes=recipes_of("sparse-soup"),
)
