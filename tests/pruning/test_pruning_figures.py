"""Pictures of runs: every method has a look of its own, the same in all panels."""

import pytest
from matplotlib.colors import to_hex

from tasks.pruning.figures import draw_imp

SCHEDULES = ("ft", "lrw", "slr", "clr", "llr", "allr")
METHODS = (*(f"imp-{schedule}" for schedule in SCHEDULES), "bimp", "gmp", "dpf")


def cells(methods=METHODS, targets=(0.9, 0.98), budgets=(1.0, 2.0)):
    return [
        {"status": "ok", "method": method, "replicate": r, "target": target, "budget": budget}
        | {"accuracy": 0.5 + 0.01 * k + 0.001 * r}
        for k, method in enumerate(methods)
        for target in targets
        for budget in budgets
        for r in range(2)
    ]


def looks(axes):
    """Label -> (color, marker)."""
    lines = {c.get_label(): c.lines[0] for c in axes.containers}
    return {name: (to_hex(line.get_color()), line.get_marker()) for name, line in lines.items()}


def test_nine_methods_have_nine_looks():
    """Two pairs of them looked alike."""
    found = looks(draw_imp(cells()).axes[0])
    assert set(found) == set(METHODS) and len(set(found.values())) == len(METHODS)


def test_a_method_looks_the_same_in_all_panels_and_is_in_the_legend_once():
    rows = [row for row in cells() if (row["method"], row["target"]) != ("imp-ft", 0.9)]
    figure = draw_imp(rows)
    first, second, *_ = (looks(axes) for axes in figure.axes)
    assert "imp-ft" not in first and second.items() >= first.items()
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(METHODS)


def test_several_sparsities_add_accuracy_against_sparsity():
    titles = [axes.get_title(loc="left") for axes in draw_imp(cells()).axes]
    assert titles == [
        "accuracy at sparsity 0.9",
        "accuracy at sparsity 0.98",
        "accuracy after 1 epoch of retraining",
        "accuracy after 2 epochs of retraining",
    ]
    axes = draw_imp(cells()).axes[-1]
    assert axes.get_xlabel() == "percent of weights left" and axes.xaxis_inverted()
    assert axes.get_xticks().tolist() == pytest.approx([2, 10])
    for container in axes.containers:
        assert sorted(container.lines[0].get_xdata()) == pytest.approx([2, 10], rel=0.2)


def test_one_sparsity_has_one_panel():
    assert len(draw_imp(cells(targets=(0.9,))).axes) == 1


def test_a_run_without_results_has_an_empty_panel():
    assert [len(axes.containers) for axes in draw_imp([]).axes] == [0]


def test_many_sparsities_and_budgets_fit_on_a_page():
    figure = draw_imp(cells(("gmp",), [k / 74 for k in range(74)], (1.0,)))
    assert len(figure.axes) == 75
    assert max(figure.get_size_inches()) * figure.dpi < 2**16  # what the renderer can draw
