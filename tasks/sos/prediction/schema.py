"""Arrow schemas of the study `sos-train`."""

from __future__ import annotations

import pyarrow as pa

from tasks.records.schema import column, science_schema

LEVEL = 0.05
"""Of the sign test that tells the prediction and the rule apart."""

_MEANS = (
    column("precision", pa.float64(), "mean share of predicted monomials that are in the basis"),
    column("ratio", pa.float64(), "mean size of the repaired prediction over that of the basis"),
    column("repair", pa.float64(), "mean number of monomials that the repair added"),
)

CURVE_SCHEMA = science_schema(
    column("item", pa.string(), "key of the training"),
    column("step", pa.int64(), "steps taken"),
    column("loss", pa.float64(), "mean loss since the last row"),
    column("rate", pa.float64(), "learning rate of the last step"),
    column("gradient_norm", pa.float64(), "mean norm of the gradient before clipping"),
    column("validation_loss", pa.float64(), "loss on held-out examples"),
    column("coverage", pa.float64(), "share of held-out bases within the repaired prediction"),
    *_MEANS,
)
"""One row per checkpoint; predictions are the candidates of probability 1/2 and more."""

SCORES_SCHEMA = science_schema(
    column("item", pa.string(), "key of the training"),
    column("family", pa.string(), "family of the examples, or all"),
    column("method", pa.string(), "predicted or even-sqrt, both with complete repair"),
    column("count", pa.int64(), "held-out polynomials"),
    column("coverage", pa.float64(), "share whose known basis is within the repaired one"),
    column("coverage_low", pa.float64(), "lower end of its 95 percent interval"),
    column("coverage_high", pa.float64(), "upper end of its 95 percent interval"),
    column("covered_alone", pa.int64(), "polynomials that this method covers and the other not"),
    column("sign_test", pa.float64(), "two-sided p-value of the sign test on these, exact"),
    *_MEANS,
    column("ratio_error", pa.float64(), "half width of the 95 percent interval of the ratio"),
    column("size", pa.float64(), "mean size of the repaired basis"),
    column("candidates", pa.float64(), "share whose known basis is within the candidates"),
)
"""One row per family and method, on polynomials that neither training nor calibration saw."""

MODELS_SCHEMA = science_schema(
    column("item", pa.string(), "key of the training"),
    column("reason", pa.string(), "why there is no model; empty if there is one"),
    column("digest", pa.string(), "SHA-256 of the content of the model file"),
    column("parameters", pa.int64(), "number of weights"),
    column("steps", pa.int64(), "steps taken"),
    column("temperature", pa.float64(), "divides the logits"),
    column("threshold", pa.float64(), "least probability of a predicted monomial"),
    column(
        "alpha", pa.float64(), "bound on the share of bases that are not covered; null without one"
    ),
    column("calibration_error", pa.float64(), "of the probabilities, on the test examples"),
)
"""One row per model."""
