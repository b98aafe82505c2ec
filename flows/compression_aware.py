"""The study `compression-aware`: networks trained once, then compressed without retraining.

*train* has two waves: one repetition by which settings are chosen, then the chosen ones.
*compress* takes every network to every ratio; only the baseline that prunes and retrains trains
there. *verify* makes every compressed model again from the file of its network.
"""

from __future__ import annotations

from flows.sparse_soup import EXPORT_SWITCHES, PREDICT, UNNAMED
from flows.study import Stage, Study, exporting, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="compression-aware",
    summary="Networks trained once and compressed to every ratio, without retraining.",
    citations=("SFW", "COMPRESSION"),
    config="tasks.frankwolfe.compression.config:CompressionConfig",
    unnamed=UNNAMED,
    selecting=(
        "seeds",
        "regions",
        "plain",
        "rivals",
        "kinds",
        "widths",
        "shares",
        "penalties",
        "weight_decays",
        "rate_factors",
    ),
    inputs="tasks.nn.plan:data_inputs",
    keys="tasks.frankwolfe.compression.plan:item_keys",
    check="tasks.frankwolfe.compression.plan:check_compression",
    tables={
        "models": "tasks.frankwolfe.compression.schema:MODELS_SCHEMA",
        "curve": "tasks.frankwolfe.compression.schema:CURVE_SCHEMA",
        "layers": "tasks.frankwolfe.compression.schema:LAYERS_SCHEMA",
        "compressed": "tasks.frankwolfe.compression.schema:COMPRESSED_SCHEMA",
        "verification": "tasks.frankwolfe.compression.schema:VERIFICATION_SCHEMA",
    },
    stages=(
        Stage(
            "train",
            "tasks.frankwolfe.compression.run:training_rows",
            ("models", "curve", "layers"),
            waves="tasks.frankwolfe.compression.plan:training_waves",
            known="tasks.frankwolfe.compression.plan:known_of_trial",
            placed=True,
            resources="tasks.nn.plan:training_resources",
        ),
        Stage(
            "compress",
            "tasks.frankwolfe.compression.run:compressed_rows",
            ("compressed",),
            waves="tasks.frankwolfe.compression.plan:compression_waves",
            known="tasks.frankwolfe.compression.plan:known_of_compression",
            needs=("models",),
            placed=True,
            resources="tasks.nn.plan:training_resources",
        ),
        Stage(
            "verify",
            "tasks.frankwolfe.compression.verify:verification_rows",
            ("verification",),
            waves="tasks.frankwolfe.compression.plan:verification_waves",
            known="tasks.frankwolfe.compression.plan:known_of_check",
            needs=("compressed",),
            needs_ok=False,
            placed=True,
        ),
    ),
    report="tasks.frankwolfe.compression.report:compression_report",
    figures="tasks.frankwolfe.compression.report:compression_figures",
    commands=(exporting("tasks.frankwolfe.compression.exports:export_models", *EXPORT_SWITCHES),),
    tools=(PREDICT,),
    subject="item",
    deployment="compression-aware",
    recipes=recipes_of("compression-aware"),
)
