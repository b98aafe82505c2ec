"""The study `sos-train`: families of polynomials in, a network that predicts bases out.

*train* takes one call: training, calibration, comparison with the rule even-sqrt on held-out
polynomials, the model file. It saves its state every so many steps in the folder of the run:
running it again resumes there, and on the CPU ends with the same weights to the last bit.

The models that come with the package were trained by `train-shipped` (the scorer of bases) and
`train-baseline-shipped` (the published encoder-decoder, small).
"""

from __future__ import annotations

from flows.study import Stage, Study, recipes_of

__all__ = ["STUDY"]

STUDY = Study(
    name="sos-train",
    summary="Train a network that predicts the monomial bases of sums of squares.",
    citations=("NSOS",),
    config="tasks.sos.prediction.config:PredictorConfig",
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
    recipes=recipes_of("sos-train"),
)
