"""The study `sos-train`: families of polynomials in, a network that predicts bases out.

*train* takes one call: training, calibration, comparison with the rule even-sqrt on held-out
polynomials, the model file. It saves its state every so many steps in the folder of the run:
running it again goes on from there, and on the CPU ends with the same weights to the last bit.

The models that come with the package were trained by `train-shipped` (the scorer of bases) and
`train-baseline-shipped` (the published encoder-decoder, small).
"""

from __future__ import annotations

from flows.study import Recipe, Stage, Study

__all__ = ["STUDY"]

BASELINE = {
    "model": "autoregressive",
    "families": ("dense", "sparse", "low_rank", "block_diagonal"),
    "width": 256,
    "heads": 8,
    "rounds": 4,
    "steps": 20_000,
    "batch": 64,
    "rate": 3e-4,
    "every": 500,
    "max_variables": 8,
    "test": 2000,
    "mixed_precision": True,
}
SHIPPED_BASELINE = {
    **BASELINE,
    "width": 128,
    "heads": 4,
    "rounds": 2,
    "steps": 5000,
    "batch": 16,
    "rate": 2e-3,
    "max_size": 30,
    "validation": 40,
    "calibration": 20,
    "mixed_precision": False,
}
SMOKE = {
    "width": 8,
    "rounds": 1,
    "steps": 4,
    "batch": 6,
    "every": 2,
    "max_variables": 3,
    "max_half_degree": 3,
    "max_size": 6,
    "validation": 12,
    "calibration": 24,
    "test": 12,
    "alpha": 0.1,
}
BASELINE_SMOKE = {**SMOKE, "model": "autoregressive", "heads": 2}

STUDY = Study(
    name="sos-train",
    summary="Train a network that predicts the monomial bases of sums of squares.",
    citations=("NSOS",),
    config="tasks.sos.prediction.config:TrainConfig",
    unnamed=("device", "processes", "loaders", "shards"),
    inputs="tasks.sos.prediction.plan:train_inputs",
    tables={
        "curve": "tasks.sos.prediction.schema:CURVE_SCHEMA",
        "scores": "tasks.sos.prediction.schema:SCORES_SCHEMA",
        "models": "tasks.sos.prediction.schema:MODELS_SCHEMA",
    },
    stages=(
        Stage(
            "train",
            "tasks.sos.prediction.plan:train_rows",
            ("models", "curve", "scores"),
            items="tasks.sos.prediction.plan:train_items",
            known="tasks.sos.prediction.plan:known_of_training",
            placed=True,
            resources="tasks.sos.prediction.plan:train_resources",
        ),
    ),
    report="tasks.sos.prediction.report:train_report",
    figures="tasks.sos.prediction.report:train_figures",
    subject="training",
    deployment="sos-train",
    recipes=(
        Recipe(
            "train-small",
            "a scorer of bases in two minutes on one core",
            {"steps": 400, "every": 50, "max_variables": 10, "max_half_degree": 8, "max_size": 40},
            SMOKE,
        ),
        Recipe(
            "train-shipped",
            "the scorer that comes with the package, seed 0",
            {"steps": 3000, "every": 250, "calibration": 12_000, "test": 6000},
            SMOKE,
        ),
        Recipe(
            "train-baseline", "the published encoder-decoder, for a GPU", BASELINE, BASELINE_SMOKE
        ),
        Recipe(
            "train-baseline-shipped",
            "the encoder-decoder that comes with the package, seed 0",
            SHIPPED_BASELINE,
            BASELINE_SMOKE,
        ),
        Recipe(
            "train-large",
            "a larger scorer, for a GPU",
            {
                "width": 128,
                "rounds": 6,
                "steps": 20_000,
                "batch": 128,
                "rate": 1e-3,
                "every": 500,
                "max_variables": 30,
                "max_size": 100,
                "calibration": 12_000,
                "test": 12_000,
                "mixed_precision": True,
            },
            SMOKE,
        ),
    ),
)
