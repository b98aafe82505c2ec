"""The report of `perp` on rows that are written down: what is won back, claims, pictures."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pyarrow as pa
import pytest

from tasks.pruning.language.figures import draw_layers, draw_recovery
from tasks.pruning.language.report import perp_report
from tasks.pruning.language.results import Case, Results

CASE = Case("m", "magnitude", "0.5")
DENSE, USED, PRUNED = 3.0, 2.9, 4.0


class Rows:
    """Stored rows of models with the losses that are given for every repetition."""

    def __init__(self, methods, *, seeds=3, lost=(), layers=(), used=USED):
        losses = {("", "dense"): [DENSE], ("", "full"): [used] * seeds}
        losses |= {("magnitude", "pruned"): [PRUNED] * seeds}
        losses |= {("magnitude", name): values for name, values in methods.items()}
        self.tables = {"models": [], "perplexities": [], "verification": [], "layers": [*layers]}
        for (criterion, method), values in losses.items():
            for replicate, nll in enumerate(values):
                self._add(criterion, method, replicate, nll, lost=7 if method in lost else 0)
        self.settings = {"seeds": seeds, "members": 1}
        self.run = SimpleNamespace(run_id="r", read=self._execution)

    def _add(self, criterion, method, replicate, nll, *, lost):
        row = {"item": f"{criterion}-{method}-{replicate}", "model": "m", "status": "ok",
               "criterion": criterion, "pattern": "0.5" if criterion else "", "method": method,
               "replicate": replicate, "reason": "", "note": "", "zeros_lost": lost, "tokens": 10,
               "trained_share": {"full": 1.0, "norms": 2e-4}.get(method)}  # fmt: skip
        self.tables["models"].append(row)
        for trained_on in (True, False):
            read = {"item": row["item"], "status": "ok", "nll": nll, "is_trained_on": trained_on}
            self.tables["perplexities"].append(read)

    def rows(self, name):
        return self.tables[name]

    def _execution(self, _):
        now = datetime.now(UTC)
        rows = [{"item": f"cpu.{row['item']}", "started_at": now, "seconds": 0.25,
                 "peak_rss_bytes": 0} for row in self.tables["models"]]  # fmt: skip
        return pa.Table.from_pylist(rows)


def notes_with(word, rows):
    return [note for note in perp_report(rows).notes if word in note]


def test_what_is_won_back_exceeds_the_gain_of_the_dense_model():
    found = Results.of(Rows({"norms": [3.4, 3.5, 3.6]}))
    # Of 1.0 that is lost 0.6, 0.5, 0.4 come back; 0.1 of that is getting used to the text.
    assert found.won_back(CASE, "norms") == pytest.approx({0: 0.5, 1: 0.4, 2: 0.3})


def test_a_dense_model_that_retraining_makes_worse_gives_nothing_away():
    found = Results.of(Rows({"norms": [3.5]}, seeds=1, used=3.2))
    assert found.won_back(CASE, "norms") == pytest.approx({0: 0.5})


def test_a_repetition_without_its_own_retrained_dense_model_has_no_share():
    rows = Rows({"norms": [3.4, 3.5]}, seeds=2)
    gone = "-full-1"
    rows.tables["perplexities"] = [
        row for row in rows.rows("perplexities") if row["item"] != gone
    ]  # fmt: skip
    assert Results.of(rows).won_back(CASE, "norms") == pytest.approx({0: 0.5})


@pytest.mark.parametrize(
    ("norms", "verdict"),
    [
        ([3.11, 3.10, 3.12], "holds"),
        ([3.50, 3.51, 3.52], "does not hold"),
        ([3.0, 3.9, 3.2], "not settled"),
        ([3.11], "not settled"),
    ],
)
def test_that_norms_match_full_retraining_has_a_verdict(norms, verdict):
    rows = Rows({"norms": norms, "full": [3.1] * len(norms)}, seeds=len(norms))
    [note] = notes_with("norms matches full", rows)
    assert f"-> {verdict}," in note


@pytest.mark.parametrize(
    ("fitted", "verdict"),
    [([3.5, 3.6, 3.7], "holds"), ([4.1, 4.11, 4.12], "does not hold"), ([3.5], "not settled")],
)
def test_that_reconstruction_improves_has_a_verdict(fitted, verdict):
    rows = Rows({"reconstruct": fitted}, seeds=len(fitted))
    [note] = notes_with("reconstruction improves", rows)
    assert f"-> {verdict}," in note


def test_the_finding_names_the_best_method_that_keeps_the_zeros():
    rows = Rows({"lora": [3.1], "full": [3.3]}, seeds=1, lost=("lora",))
    [finding] = perp_report(rows).findings
    assert "by full with 100 % of the parameters, 60 % of the loss won back" in finding
    assert "lora" not in finding


def test_costs_below_a_second_are_not_rounded_to_nothing():
    _, costs, *_ = perp_report(Rows({"norms": [3.5]}, seeds=1)).tables
    place = list(costs.headings).index("CPU s")
    assert {row[place] for row in costs.rows} == {"0.25"}


def test_the_picture_of_layers_shows_the_mask_alone_and_names_what_any_panel_has():
    def layer(criterion, bound):
        return {"model": "m", "criterion": criterion, "pattern": "2:4", "method": "pruned",
                "replicate": 0, "before": 0.5, "error": 0.2, "best_error": 0.1,
                "lower_bound": bound}  # fmt: skip

    layers = [layer("sparsegpt", None), layer("wanda", 0.05)]
    figure = draw_layers(Rows({}, layers=layers))
    points = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert points == {"mask": [0.5], "mask, best weights": [0.1]}
    [legend] = figure.legends
    assert "lower bound of all masks" in {text.get_text() for text in legend.get_texts()}


def test_no_name_in_the_picture_of_recovery_is_over_another():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rows = Rows({"norms": [3.99], "biases": [3.99], "biases+norms": [3.991]}, seeds=1, used=3.001)
    for row in rows.rows("models"):
        row["trained_share"] = row["trained_share"] or (2e-4 if "s-" in row["item"] else None)
    figure = draw_recovery(rows)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    names = figure.axes[0].texts
    assert {"dense", "dense retrained", "norms", "biases"} <= {name.get_text() for name in names}
    boxes = [name.get_window_extent(canvas.get_renderer()) for name in names]
    assert not [1 for k, box in enumerate(boxes) for other in boxes[:k] if box.overlaps(other)]
