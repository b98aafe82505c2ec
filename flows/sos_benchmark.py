"""The study `sos-benchmark`: methods for choosing a basis, side by side on the same polynomials.

*trials* takes one call per batch of polynomials, each decided by every method. A trial that fails
or runs into its limit is a row with a status and counts as a failure; it is not made again. A batch
that fails as a whole is not counted: it has no rows, and running it again makes it like those that
are missing or damaged.

`published` has the layout of Table 1 of arXiv:2510.13444: four structures at four sizes; `large`
has the points of its Table 2. Of the models that come with the package, the scorer was trained on
at most 16 variables and half degree 10, the encoder-decoder on at most 8 and 10. In `shifted` there
are more variables (20, 24) and higher half degrees (14, 20): the encoder-decoder has no place for
more variables than it was built for, there its trials are half Newton; it reads higher degrees
while no exponent is larger than those of its table.
"""

from __future__ import annotations

from flows.study import Stage, Study, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="sos-benchmark",
    summary="Methods for choosing a monomial basis, side by side on the same polynomials.",
    citations=("NSOS", "TSSOS"),
    config="tasks.sos.benchmarking.config:BenchmarkConfig",
    unnamed=("baseline", "scorer"),
    selecting=("cells", "instances", "per_call"),
    inputs="tasks.sos.benchmarking.run:benchmark_inputs",
    tables={"trials": "tasks.sos.benchmarking.schema:TRIALS_SCHEMA"},
    stages=(
        Stage(
            "trials",
            "tasks.sos.benchmarking.run:trial_rows",
            ("trials",),
            items="tasks.sos.benchmarking.run:benchmark_items",
            is_final=True,
        ),
    ),
    report="tasks.sos.benchmarking.report:benchmark_report",
    figures="tasks.sos.benchmarking.report:benchmark_figures",
    subject="trial",
    deployment="sos-benchmark",
    recipes=recipes_of("sos-benchmark"),
)
