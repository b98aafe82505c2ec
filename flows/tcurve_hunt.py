"""The study `tcurve-hunt`: schemes of a degree from a few triangulations, by search.

*hunt* goes through rounds: the archive proposes candidates, the workers certify and count them, the
archive learns. Every candidate is stored as it comes back, and every improvement of the archive at
the end of its round. Running the hunt again replays what is stored, which takes seconds, and goes
on with the round that was interrupted.
"""

from __future__ import annotations

from flows.study import Stage, Study, recipes_of
from flows.tcurve_census import CERTIFICATES, CERTIFY, EXPORT, GALLERY

__all__ = ["STUDY"]

STUDY = Study(
    name="tcurve-hunt",
    summary="Search for real schemes of T-curves of one degree, each with a certificate.",
    citations=("FIC", "LCP"),
    config="tasks.tcurves.hunt:HuntConfig",
    unnamed=("seconds", "stop_at", "known"),
    inputs="tasks.tcurves.hunt:hunt_inputs",
    tables={
        "candidates": "tasks.tcurves.hunt:CANDIDATES_SCHEMA",
        "archive": "tasks.tcurves.hunt:ARCHIVE_SCHEMA",
        "known": "tasks.tcurves.hunt:KNOWN_SCHEMA",
    },
    stages=(
        Stage(
            "hunt",
            "tasks.tcurves.hunt_rounds:hunt_rows",
            ("candidates",),
            waves="tasks.tcurves.hunt_rounds:hunt_waves",
            known="tasks.tcurves.hunt_rounds:known_of_candidates",
            is_final=True,
            prepare="tasks.tcurves.kernels:compile_hunt",
            tally="tasks.tcurves.reports.hunt:HuntTally",
        ),
    ),
    report="tasks.tcurves.reports.hunt:hunt_report",
    figures="tasks.tcurves.reports.hunt:hunt_figures",
    subject="candidate",
    deployment="hunt",
    commands=(CERTIFY, EXPORT, GALLERY),
    verifiers=(CERTIFICATES,),
    recipes=recipes_of("tcurve-hunt"),
)
