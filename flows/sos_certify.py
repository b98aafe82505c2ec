"""The study `sos-certify`: polynomials in, exact proofs and refutations out.

*certify* takes one call per batch of polynomials, each within its limits of time and memory.
*verify* checks every certificate again by code that shares nothing with what made it. A polynomial
that cannot be read, fails or exceeds its limits is a row with a status; the others continue.

The classics are 50 polynomials of the literature with known status: 33 sums of squares, 17 others.
"""

from __future__ import annotations

from flows.study import Argument, Stage, Study, Verifier, certifying, exporting, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="sos-certify",
    summary="Sums of squares: an exact proof or refutation of every given polynomial.",
    citations=("NSOS", "PP08", "Reznick78", "TSSOS"),
    config="tasks.sos.config:CertifyConfig",
    unnamed=("seconds", "memory_gib"),
    selecting=("polynomials", "per_call"),
    inputs="tasks.sos.run:certify_inputs",
    tables={
        "certificates": "tasks.sos.schema:CERTIFICATES_SCHEMA",
        "attempts": "tasks.sos.schema:ATTEMPTS_SCHEMA",
        "verification": "tasks.sos.schema:CERTIFICATE_CHECKS_SCHEMA",
    },
    stages=(
        Stage(
            "certify",
            "tasks.sos.run:certify_rows",
            ("certificates", "attempts"),
            items="tasks.sos.run:certify_items",
            known="tasks.sos.run:known_of_batch",
            prepare="tasks.sos._jobs:warm_up",
            tally="tasks.sos.report:CertifyTally",
        ),
        Stage(
            "verify",
            "tasks.sos.run:check_rows",
            ("verification",),
            items="tasks.sos.run:certify_items",
            needs=("certificates",),
            needs_ok=False,
        ),
    ),
    report="tasks.sos.report:certify_report",
    figures="tasks.sos.report:certify_figures",
    label="name",
    subject="polynomial",
    deployment="sos",
    commands=(
        certifying(
            "tasks.sos.exports:write_certificates", Argument("name", "only this polynomial", "NAME")
        ),
        exporting("tasks.sos.exports:export"),
    ),
    verifiers=(
        Verifier(
            "sos-certificate",
            "tasks.sos.verdicts:judge",
            (Argument("squares", "write out the squares of valid sums of squares"),),
        ),
    ),
    recipes=recipes_of("sos-certify"),
)
