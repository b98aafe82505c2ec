"""The study `tcurve-census`: triangulations in, real schemes of all their T-curves out.

*census* takes one call per triangulation: an exact histogram of the schemes of all sign classes,
with a witness of each. *verify* derives every witness again by an independent algorithm. A
triangulation that fails, or would exceed its budget, is a row with a status; the others continue.
"""

from __future__ import annotations

from flows.study import Argument, Command, Stage, Study, Verifier, certifying, exporting, recipes_of

__all__ = ["CERTIFICATES", "CERTIFY", "EXPORT", "GALLERY", "STUDY"]

CERTIFY = certifying(
    "tasks.tcurves.exports:write_certificates",
    Argument("scheme", "only this scheme: '<9v1<1>>'", "VIRO"),
    Argument("polynomial", "and integer polynomials of the curves"),
)
EXPORT = exporting("tasks.tcurves.exports:export")
GALLERY = Command(
    "gallery",
    "write a page with a picture of every scheme found",
    "tasks.tcurves.exports:write_galleries",
)
CERTIFICATES = Verifier("regular T-curve", "tasks.tcurves.verdicts:judge")


STUDY = Study(
    name="tcurve-census",
    summary="Exact census of the real schemes of all T-curves on given triangulations.",
    citations=("FIC", "LCP"),
    config="tasks.tcurves.config:CensusConfig",
    unnamed=("memory_gib",),
    selecting=("triangulations",),
    inputs="tasks.tcurves.run:census_inputs",
    tables={
        "histogram": "tasks.tcurves.schema:HISTOGRAM_SCHEMA",
        "summary": "tasks.tcurves.schema:SUMMARY_SCHEMA",
        "verification": "tasks.tcurves.schema:VERIFICATION_SCHEMA",
    },
    stages=(
        Stage(
            "census",
            "tasks.tcurves.run:census_rows",
            ("summary", "histogram"),
            items="tasks.tcurves.run:census_items",
            known="tasks.tcurves.run:known_of_census",
            prepare="tasks.tcurves.kernels:compile_census",
        ),
        Stage(
            "verify",
            "tasks.tcurves.verify:verification_rows",
            ("verification",),
            items="tasks.tcurves.run:census_items",
            needs=("histogram",),
            prepare="tasks.tcurves.kernels:compile_census",
        ),
    ),
    report="tasks.tcurves.reports.census:census_report",
    figures="tasks.tcurves.reports.census:census_figures",
    label="triangulation",
    subject="triangulation",
    deployment="census",
    commands=(CERTIFY, EXPORT, GALLERY),
    verifiers=(CERTIFICATES,),
    recipes=recipes_of("tcurve-census"),
)
