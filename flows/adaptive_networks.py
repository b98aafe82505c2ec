"""The study `adaptive-networks`: Frank-Wolfe methods on networks at equal numbers of gradients.

*train* has two waves: one repetition by which rates are chosen, then the chosen ones. *verify*
reads every model again and computes its gauges from the file.
"""

from __future__ import annotations

from flows.sparse_soup import EXPORT_SWITCHES, PREDICT, UNNAMED
from flows.study import Stage, Study, exporting, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="adaptive-networks",
    summary="Adaptive steps and variance-reduced gradients on networks, at equal gradients.",
    citations=("AdaSFW", "SFW"),
    config="tasks.frankwolfe.adaptive.networks.config:AdaptiveNetworksConfig",
    unnamed=UNNAMED,
    selecting=("seeds", "methods", "rate_factors"),
    inputs="tasks.nn.plan:data_inputs",
    keys="tasks.frankwolfe.adaptive.networks.plan:network_keys",
    check="tasks.frankwolfe.adaptive.networks.plan:check_networks",
    tables={
        "models": "tasks.frankwolfe.adaptive.networks.schema:NETWORKS_SCHEMA",
        "curve": "tasks.frankwolfe.adaptive.networks.schema:NETWORK_CURVE_SCHEMA",
        "verification": "tasks.frankwolfe.schema:VERIFICATION_SCHEMA",
    },
    stages=(
        Stage(
            "train",
            "tasks.frankwolfe.adaptive.networks.run:network_rows",
            ("models", "curve"),
            waves="tasks.frankwolfe.adaptive.networks.plan:network_waves",
            known="tasks.frankwolfe.adaptive.networks.plan:known_of_network",
            placed=True,
            resources="tasks.nn.plan:training_resources",
        ),
        Stage(
            "verify",
            "tasks.frankwolfe.verify:verification_rows",
            ("verification",),
            items="tasks.frankwolfe.adaptive.networks.plan:network_items",
            known="tasks.frankwolfe.plan:known_of_check",
            needs=("models",),
            needs_ok=False,
            placed=True,
        ),
    ),
    report="tasks.frankwolfe.adaptive.networks.report:networks_report",
    figures="tasks.frankwolfe.adaptive.networks.report:networks_figures",
    commands=(
        exporting("tasks.frankwolfe.adaptive.networks.exports:export_networks", *EXPORT_SWITCHES),
    ),
    tools=(PREDICT,),
    subject="training",
    deployment="adaptive-networks",
    recipes=recipes_of("adaptive-networks"),
)
