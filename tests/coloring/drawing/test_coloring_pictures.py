"""Pictures of stored runs: which are drawn, of what rows, in which files."""

from pathlib import Path

import numpy as np
import pytest
from coloring_runs import HandMade, field_of, nine, problem_for
from html_pages import Page
from PIL import Image
from small_colorings import blocks

from tasks.coloring import CellColoring, score
from tasks.coloring.drawing.conflict_marks import marked_grid
from tasks.coloring.drawing.pictures import gallery, plot
from tasks.coloring.drawing.run_charts import (
    distance_rows,
    interval_rows,
    progress_rows,
    refinement_rows,
    search_rows,
)
from tasks.coloring.drawing.run_figures import coloring_figures, levels, stem_of
from tasks.coloring.fields import Field
from tasks.records import InputError

DISTANCES = ("1", "1.1", "1.2")
ASKED = ("1",) * 8


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Nine colors, the last at three distances: one coloring covers an interval."""
    run = HandMade(tmp_path_factory.mktemp("sweep"), "coloring-sweep")
    for k, d in enumerate(DISTANCES):
        coloring = nine("1.05-1.3" if d == "1.2" else d, removed=2 - k)
        problem = problem_for(coloring, (*ASKED, d))
        run.search(f"search.{k}", problem, [(0, 0.1, 5.0, 0.3), (1, 0.1, 1.0, 0.1 * k)])
        run.add(f"cells.{k}", coloring, asked=problem.distances, valid=None if k else True)
    return run.stored


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """Searches of one problem, and two colorings of the best."""
    run = HandMade(tmp_path_factory.mktemp("single"))
    coloring, problem = nine(removed=1), problem_for(nine())
    members = [(4, 0.1, 10.0, 0.02), (5, 0.2, 2.0, 0.3)]
    run.search("9.l0.1.4-5", problem, members, field=field_of(coloring))
    coarse, fine = nine(removed=3), coloring
    finer = CellColoring.of(fine.grid.repeat(2, 0).repeat(2, 1), fine.lattice, 9)
    run.add("cells.9.l0.1.4", coarse, run="9.l0.1.4")
    run.add("finer-cells.9.l0.1.4", finer, run="9.l0.1.4")
    for k, item in enumerate(("9.l0.1.4-5", "cells.9.l0.1.4", "finer-cells.9.l0.1.4")):
        run.took(f"refine.{item}" if k else item, start=20 * k, seconds=10 * (k + 1))
    return run.stored


# --- what is drawn ------------------------------------------------------------------------------


def test_a_run_of_one_problem_shows_colorings_searches_and_what_time_brought(single):
    paths = [Path(figure.path).stem for figure in coloring_figures(single)]
    assert paths == ["cells-9", "search", "searches", "refinement", "progress"]
    [first, *_] = coloring_figures(single)
    assert first.key == "finer-cells.9.l0.1.4"  # the best one, drawn again if another is better


def test_a_sweep_shows_its_best_colorings_and_the_chart_of_distances(sweep):
    paths = [Path(figure.path).stem for figure in coloring_figures(sweep)]
    assert paths == ["cells-9", "cells-9.8x1_1.1", "cells-9.8x1_1.2", "distances"]


def test_charts_of_refinement_and_progress_have_the_stored_figures(single):
    series = "search 4, penalty 0.1"
    assert refinement_rows(single) == [
        {"series": series, "num_cells": 36, "removed": pytest.approx(1 / 9)},
        {"series": series, "num_cells": 9, "removed": pytest.approx(1 / 3)},
    ]
    found = {row["seconds"]: row["removed"] for row in progress_rows(single)}
    assert found == {30: pytest.approx(1 / 3), 60: pytest.approx(1 / 9)}
    assert {row["series"] for row in progress_rows(single)} == {"cells"}
    dots = search_rows(single.rows("runs"))
    assert [row["series"] for row in dots] == ["penalty 0.1", "penalty 0.2"]
    assert levels(single) == {}


def test_the_chart_of_a_sweep_has_what_is_left_and_what_is_certified(sweep):
    left = {(row["series"], row["distance"]): row["conflict"] for row in distance_rows(sweep)}
    search, certified = "9 colors, best search on its grid", "9 colors, certified"
    assert [left[search, float(d)] for d in DISTANCES] == pytest.approx([0.01, 0.11, 0.21])
    assert [left[certified, float(d)] for d in DISTANCES] == pytest.approx([2 / 9, 1 / 9, 0])
    bars = interval_rows(sweep)
    assert [(bar["low"], bar["high"]) for bar in bars] == [(1, 1), (1.1, 1.1), (1.05, 1.3)]
    assert bars[2]["label"] == "d = 1.2" and bars[2]["removed"] == 0


def test_cells_in_conflict_are_those_of_the_exact_score():
    wrong = nine()
    wrong.grid[1, 2] = wrong.grid[1, 1]
    rows = field_of(wrong).lattice
    found = marked_grid(Field(wrong.grid, rows), problem_for(wrong))
    assert found.marks.tolist() == [[False] * 3, [False, True, True], [False] * 3]
    assert found.marks.mean() == score(wrong.grid, wrong.lattice, num_colors=9).point_rate


def test_what_a_search_found_is_looked_at_on_a_finer_grid():
    found = marked_grid(field_of(blocks()), problem_for(blocks()))
    assert min(found.grid.shape) > 250 and found.marks.shape == found.grid.shape
    assert set(np.unique(found.grid)) == {0, 1, 2, 255}


def test_names_of_files_are_short_and_distinct():
    long = [stem_of(f"cells-{'1_' * 90}{k}") for k in range(2)]
    assert len(set(long)) == 2 and max(map(len, long)) <= 100
    assert stem_of("cells-6.5x1_sqrt(2/9)") == "cells-6.5x1_sqrt_2_9"


# --- files --------------------------------------------------------------------------------------


def test_one_coloring_is_drawn_for_screens_and_papers(single, tmp_path):
    lines = list(plot(single, item="cells.9.l0.1.4", to=str(tmp_path)))
    assert [Path(line).name for line in lines] == [
        f"cells.9.l0.1.4.{s}" for s in ("png", "svg", "pdf")
    ]
    assert Image.open(lines[0]).size == (1600, 1200)
    assert "<svg" in Path(lines[1]).read_text()[:400]
    assert Path(lines[2]).read_bytes().startswith(b"%PDF")


def test_a_sweep_is_animated_at_one_scale(sweep, tmp_path, monkeypatch):
    drawn = []

    def kept(coloring, **how):
        drawn.append((str(coloring.forbidden[8][0]), how.get("height"), how.get("title")))

    monkeypatch.setattr("tasks.coloring.drawing.figures.draw_coloring", kept)
    monkeypatch.setattr("tasks.coloring.drawing.pictures.save_figure", lambda *_: None)
    monkeypatch.setattr("tasks.coloring.drawing.animation.save_figure", lambda *_: None)
    monkeypatch.setattr("tasks.coloring.drawing.animation.write_gif", lambda *_, **__: None)
    monkeypatch.setattr("tasks.coloring.drawing.pictures.coloring_figures", lambda _: ())
    lines = list(plot(sweep, animate=True, to=str(tmp_path)))
    frames = drawn[-3:]
    assert [d for d, _, _ in frames] == list(DISTANCES)  # as asked, not as certified
    assert len({height for _, height, _ in frames}) == 1
    assert frames[1][2] == "9 colors, the last one avoids distance 1.1"
    assert lines[-1].endswith("frames-9/distances.gif") and len(lines) == 3 * 3 + 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"animate": True}, "--animate needs certified colorings for two distances"),
        ({"item": "cells.x"}, "has no coloring 'cells.x'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(single, options, words):
    with pytest.raises(InputError, match=words):
        plot(single, **options)


def test_a_run_without_colorings_has_nothing_to_draw(tmp_path):
    empty = HandMade(tmp_path).stored
    with pytest.raises(InputError, match="has nothing to draw yet"):
        plot(empty)
    with pytest.raises(InputError, match="has no certified coloring yet"):
        list(gallery(empty))


def test_the_gallery_has_a_card_for_every_coloring(sweep):
    [place] = gallery(sweep)
    assert Path(place) == Path(sweep.run.path) / "gallery.html"
    page = Page(Path(place).read_text())
    assert len(page.all("article")) == 3
    texts = [text for _, text in page.texts]
    assert "[1.05, 1.3]" in texts and "all d in" in texts
    assert texts.count("not verified yet") == 2 and texts.count("valid") == 1
    assert f"coloring-sweep {sweep.run.run_id}, code 0.1.0+test" in texts


def test_a_gallery_of_many_says_how_many_it_leaves_out(tmp_path, monkeypatch):
    run = HandMade(tmp_path)
    run.add("cells.a", blocks())
    run.add("cells.b", nine())
    monkeypatch.setattr("tasks.coloring.drawing.pictures._MOST_CARDS", 1)
    place, left_out = gallery(run.stored)
    assert left_out == "shown are the 1 that remove least of 2"
    assert "3 × 3 cells" in Path(place).read_text()
