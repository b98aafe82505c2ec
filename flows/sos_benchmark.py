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

from flows.study import Recipe, Stage, Study

__all__ = ["STUDY"]

STRUCTURES = ("dense", "sparse", "low_rank", "block_diagonal")
POINTS = ("n4-d3-m20", "n6-d6-m30", "n8-d10-m30", "n6-d10-m60")
CANCELLING = ("binomial_squares", "multiplied", "minimum", "vanishing", "lyapunov", "banded")
LARGE_POINTS = ("n6-d10-m60", "n8-d10-m30", "n6-d20-m40", "n100-d5-m20")
SHIFTED_POINTS = ("n20-d2-m30", "n24-d3-m30", "n6-d14-m30", "n3-d20-m30")
METHODS = (
    "cascade",
    "predicted",
    "autoregressive",
    "autoregressive-1",
    "even-sqrt",
    "vertices",
    "random",
    "newton",
    "term-sparsity",
    "chordal",
    "full",
    "no-repair",
)
LEARNED = ("cascade", "autoregressive", "even-sqrt", "newton")
SMOKE = {
    "cells": ("dense-n3-d2-m5", "binomial_squares-n3-d3-m6"),
    "methods": LEARNED,
    "instances": 1,
}


def _cells(families: tuple[str, ...], *points: str) -> tuple[str, ...]:
    return tuple(f"{family}-{point}" for point in points for family in families)


STUDY = Study(
    name="sos-benchmark",
    summary="Methods for choosing a monomial basis, side by side on the same polynomials.",
    citations=("NSOS", "TSSOS"),
    config="tasks.sos.benchmarking.config:BenchmarkConfig",
    unnamed=("baseline", "scorer"),
    selecting=("cells", "instances", "batch"),
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
    recipes=(
        Recipe(
            "planted",
            "four structures, 500 polynomials each",
            {
                "cells": _cells(STRUCTURES, "n6-d6-m30"),
                "methods": LEARNED,
                "instances": 500,
                "batch": 50,
            },
            SMOKE,
        ),
        Recipe(
            "published",
            "the layout of the paper's Table 1",
            {"cells": _cells(STRUCTURES, *POINTS), "methods": METHODS},
            SMOKE,
        ),
        Recipe(
            "large",
            "the layout of the paper's Table 2",
            {
                "cells": _cells(STRUCTURES, *LARGE_POINTS),
                "methods": (*LEARNED, "term-sparsity", "chordal"),
                "seconds": 120.0,
            },
            SMOKE,
        ),
        Recipe(
            "cancelling",
            "families whose terms cancel, with ablations",
            {
                "cells": _cells(CANCELLING, "n4-d4-m12"),
                "methods": (
                    "cascade",
                    "predicted",
                    "no-repair",
                    "autoregressive",
                    "autoregressive-1",
                    "even-sqrt",
                    "newton",
                ),
                "instances": 500,
                "batch": 50,
            },
            SMOKE,
        ),
        Recipe(
            "shifted",
            "more variables and higher degrees than trained on",
            {
                "cells": _cells(("dense", "sparse"), *SHIFTED_POINTS),
                "methods": LEARNED,
                "instances": 100,
                "batch": 20,
            },
            SMOKE,
        ),
        Recipe(
            "classics",
            "50 classical polynomials by all methods",
            {"cells": ("classics",), "methods": METHODS, "batch": 5},
            SMOKE,
        ),
    ),
)
