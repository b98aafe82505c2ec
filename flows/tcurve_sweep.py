"""The study `tcurve-sweep`: triangulations and sign vectors in, real schemes out, one by one.

*sweep* takes one call per shard: sign vectors evaluated on a CPU or a GPU. *verify* merges the
shards of each triangulation to a histogram, derives every witness again by an independent
algorithm, and holds the schemes against the classification. A shard that fails is a row with a
status; the others continue.

The exhaustive sweeps of degree 6 evaluate each of the 2^25 sign classes on its own and must give
the histograms of the census. The balls of degree 8 look at the curves near a maximal one, where
random signs never come.
"""

from __future__ import annotations

from flows.study import Stage, Study, recipes_of
from flows.tcurve_census import CERTIFICATES, CERTIFY, EXPORT, GALLERY

__all__ = ["STUDY"]

STUDY = Study(
    name="tcurve-sweep",
    summary="Real schemes of chosen sign vectors of many triangulations, on CPUs or GPUs.",
    citations=("FIC",),
    config="tasks.tcurves.sweep_plan:SweepConfig",
    unnamed=("device",),
    selecting=("triangulations",),
    inputs="tasks.tcurves.sweep_plan:sweep_inputs",
    check="tasks.tcurves.sweep_plan:check_sweep_device",
    tables={
        "sweep": "tasks.tcurves.schema:SWEEP_SCHEMA",
        "shards": "tasks.tcurves.schema:SHARD_SCHEMA",
        "histogram": "tasks.tcurves.schema:HISTOGRAM_SCHEMA",
        "summary": "tasks.tcurves.schema:SWEEP_SUMMARY_SCHEMA",
        "verification": "tasks.tcurves.schema:VERIFICATION_SCHEMA",
    },
    stages=(
        Stage(
            "sweep",
            "tasks.tcurves.sweeps:sweep_rows",
            ("shards", "sweep"),
            items="tasks.tcurves.sweep_plan:sweep_items",
            known="tasks.tcurves.sweeps:known_of_shard",
            prepare="tasks.tcurves.kernels:compile_sweep",
            resources="tasks.tcurves.sweep_plan:sweep_resources",
            tally="tasks.tcurves.reports.sweep:SweepTally",
        ),
        Stage(
            "verify",
            "tasks.tcurves.sweep_summary:sweep_summary_rows",
            ("summary", "histogram", "verification"),
            items="tasks.tcurves.sweep_plan:sweep_summary_items",
            needs=("sweep", "shards"),
            prepare="tasks.tcurves.kernels:compile_census",
        ),
    ),
    report="tasks.tcurves.reports.sweep:sweep_report",
    figures="tasks.tcurves.reports.census:census_figures",
    subject="shard",
    deployment="sweep",
    commands=(CERTIFY, EXPORT, GALLERY),
    verifiers=(CERTIFICATES,),
    recipes=recipes_of("tcurve-sweep"),
)
