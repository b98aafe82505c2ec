"""Pictures of colorings show what they are given, in files that are small and always the same."""

import re
from itertools import pairwise

import numpy as np
import pytest
from html_pages import Page
from matplotlib.colors import to_hex
from PIL import Image
from small_colorings import blocks, cubes, four_squares, nine_squares

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.constructions import construction
from tasks.coloring.drawing._colors import NUM_PLAIN, fill_of, ink_of, mixed
from tasks.coloring.drawing.animation import write_frames, write_gif
from tasks.coloring.drawing.figures import (
    draw_coloring,
    draw_grid,
    draw_intervals,
    draw_penalties,
    draw_progress,
    draw_searches,
    draw_slices,
    draw_tiles,
    save_figure,
)
from tasks.coloring.drawing.gallery import card_of, gallery_page
from tasks.records import InputError

LATTICE = np.array([[1.5, 0.2], [-0.4, 1.1]])


def speckled(m=12):
    grid = np.arange(m * m).reshape(m, m) // 20 % 3
    grid[3, 3] = 255
    return grid


def axes_named(figure, name):
    return [axes for axes in figure.axes if axes.get_gid() == name]


def collections(axes):
    return {collection.get_gid(): collection for collection in axes.collections}


def texts(axes):
    return [text.get_text() for text in axes.texts]


# --- the plane ----------------------------------------------------------------------------------


def test_a_grid_has_one_area_of_each_color_and_units_as_long_in_both_directions():
    figure = draw_grid(speckled(), LATTICE, ["0.1", "0.1", "0.2"])
    [plane] = axes_named(figure, "plane")
    found = collections(plane)
    assert set(found) == {"color-0", "color-1", "color-2", "removed", "boundaries"}
    for color in range(3):
        assert to_hex(found[f"color-{color}"].get_facecolor()[0]).upper() == fill_of(color)
    assert plane.get_aspect() == 1 and not plane.axison
    width, height = (np.ptp(plane.get_xlim()), np.ptp(plane.get_ylim()))
    box = plane.get_position()
    size = figure.get_size_inches()
    assert width / height == pytest.approx(box.width * size[0] / (box.height * size[1]))
    lines = [line.get_gid() for line in plane.lines]
    assert (lines.count("center"), lines.count("distance"), lines.count("period")) == (2, 4, 2)
    assert "12 × 12 cells  ·  0.6944 % removed" in [text.get_text() for text in figure.texts]


def test_circles_have_the_radius_of_the_forbidden_distances_and_the_bar_length_one():
    figure = draw_grid(speckled(), LATTICE, "0.2-0.3", height=5.0)
    [plane] = axes_named(figure, "plane")
    radii = [np.ptp(x.get_xdata()) / 2 for x in plane.lines if x.get_gid() == "distance"]
    assert sorted(set(np.round(radii, 6))) == [0.2, 0.3]
    [key] = axes_named(figure, "key")
    [bar] = [line for line in key.lines if line.get_gid() == "bar"]
    figure.canvas.draw()
    units = np.ptp(plane.transData.transform([(0, 0), (1, 0)]), axis=0)[0]
    drawn = np.ptp(key.transData.transform(bar.get_xydata()), axis=0)[0]
    assert drawn == pytest.approx(units, rel=1e-3) and "1" in texts(key)


def test_conflicts_are_marked_and_counted():
    mask = np.zeros((12, 12), bool)
    mask[5, 5:8] = True
    figure = draw_grid(speckled(), LATTICE, "0.1", conflicts=mask)
    assert "conflicts" in collections(axes_named(figure, "plane")[0])
    assert "in conflict, 2.0833 %" in texts(axes_named(figure, "key")[0])
    with pytest.raises(InputError, match=r"shape \(3,\), the grid \(12, 12\)"):
        draw_grid(speckled(), LATTICE, "0.1", conflicts=[True] * 3)


def test_an_svg_file_holds_each_color_once_and_moves_it_by_periods(tmp_path):
    figure = draw_grid(speckled(), LATTICE, "0.1")
    save_figure(figure, tmp_path / "a.svg")
    save_figure(draw_grid(speckled(), LATTICE, "0.1"), tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text() and "<dc:date>" not in text
    moves = re.findall(
        rf'<use [^>]*x="([^"]+)" y="([^"]+)" style="fill: {fill_of(0).lower()}', text
    )
    [plane] = axes_named(figure, "plane")
    scale = 72 * figure.get_size_inches()[0] * plane.get_position().width / np.ptp(plane.get_xlim())
    steps = np.diff(np.array(moves, float), axis=0) / (scale, -scale) @ np.linalg.inv(LATTICE)
    assert len(moves) > 3 and steps == pytest.approx(np.rint(steps), abs=1e-4)


def test_fine_grids_make_small_files(tmp_path):
    rng = np.random.default_rng(3)
    waves = [rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5)) for _ in range(4)]
    grid = np.argmax([np.fft.ifft2(wave, (300, 300)).real for wave in waves], axis=0)
    grid[rng.random(grid.shape) < 0.01] = 255
    save_figure(draw_grid(grid, LATTICE, "0.1"), tmp_path / "a.svg")
    save_figure(draw_grid(grid[::3, ::3], LATTICE, "0.1", exact=True), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").stat().st_size < 2_000_000
    assert (tmp_path / "b.svg").stat().st_size > 100_000


def test_tiles_have_their_vertices_and_what_is_not_covered_is_removed():
    coloring = construction("pritikin6")
    figure = draw_coloring(coloring)
    [plane] = axes_named(figure, "plane")
    assert [line.get_gid() for line in plane.lines].count("vertices") == 1
    assert any("9 tiles  ·  0.0161 % removed" in text.get_text() for text in figure.texts)
    square = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]
    half = draw_tiles([(0, square)], [[1, 0], [0, 1]], "0.1", title="a $ b")
    assert "removed, 50 %" in texts(axes_named(half, "key")[0])
    assert half.texts[0].get_text() == "a $ b"


def test_other_norms_show_their_unit_balls_as_circles():
    [plane] = axes_named(draw_coloring(four_squares()), "plane")
    [_, line] = [line for line in plane.lines if line.get_gid() == "distance"]
    assert np.ptp(line.get_xydata(), axis=0).tolist() == [2, 2] and len(line.get_xydata()) == 5


def test_many_colors_are_numbered_in_legible_ink():
    [plane] = axes_named(draw_coloring(nine_squares()), "plane")
    assert set(texts(plane)) == {str(color) for color in range(9)}
    assert {ink_of(fill_of(color)) for color in range(21)} == {"#FFFFFF", "#22262B"}
    assert len({fill_of(color) for color in range(21)}) == 21 and NUM_PLAIN == 7
    assert mixed("#000000", "#FFFFFF", 0.5) == "#808080"


@pytest.mark.parametrize("num_colors", [9, 128, 200])
def test_the_key_shows_all_colors_or_says_how_many_more_there_are(num_colors):
    nine = nine_squares()
    many = CellColoring.of(nine.grid, nine.lattice, num_colors)
    [key] = axes_named(draw_coloring(many), "key")
    shown = sum(text.isdigit() for text in texts(key)) - 1  # the length of the bar
    more = [text for text in texts(key) if text.endswith("more")]
    assert more == ([f"and {num_colors - shown} more"] if shown < num_colors else [])
    assert f"{num_colors} colors avoid distance 1" in texts(key)


def test_space_is_drawn_in_slices_with_those_of_the_sphere():
    for coloring in (construction("coulson15"), cubes()):
        figure = draw_coloring(coloring)
        planes = axes_named(figure, "plane")
        radii = [
            np.ptp(next(x for x in plane.lines if x.get_gid() == "distance").get_xdata()) / 2
            for plane in planes
        ]
        first = float(coloring.forbidden.smallest)
        expected = [first * np.sqrt(1 - (k / 3) ** 2) for k in range(3)]
        assert radii == pytest.approx(expected)
    with pytest.raises(InputError, match="of the plane by cells only"):
        draw_coloring(coloring, conflicts=coloring.grid > 3)
    with pytest.raises(InputError, match="one of each class"):
        draw_slices(np.eye(3), np.eye(3, dtype=int) * 2, [(0, (0, 0, 0))])


# --- charts -------------------------------------------------------------------------------------

CURVE = [
    {"series": "a", "distance": d, "conflict": c} for d, c in ((0.5, 0.1), (0.4, 0), (0.3, 1e-3))
]
BAR = {"label": "x", "low": 0.35, "high": 0.45, "removed": 0.0}


def test_intervals_are_bars_below_the_curve_over_the_same_distances():
    figure = draw_intervals(CURVE, [BAR, BAR | {"low": 0.2, "removed": 0.012}])
    [curves], [bars] = axes_named(figure, "conflicts"), axes_named(figure, "certified")
    assert curves.get_xlim() == bars.get_xlim()
    ends = [bound for bar in bars.patches for bound in (bar.get_x(), bar.get_width())]
    assert ends == pytest.approx([0.35, 0.1, 0.2, 0.25])
    assert texts(bars) == ["x: nothing removed", "x: 1.2 % removed"]
    x, y = curves.lines[0].get_data()
    assert list(x) == [0.3, 0.4, 0.5] and y[1] < y[0] < y[2] == 10
    assert next(label.get_text() for label in curves.get_yticklabels()) == "0"
    assert [axes.get_gid() for axes in draw_intervals([], [BAR]).axes] == ["certified"]


def test_progress_never_rises_and_records_are_levels():
    rows = [
        {"series": s, "seconds": t, "removed": r}
        for s, t, r in (("a", 9, 0.05), ("a", 1, 0.2), ("a", 4, 0.3), ("b", 2, 0.1))
    ]
    [axes] = draw_progress(rows, records={"published": 0.037}).axes
    steps = axes.lines[0]
    assert list(steps.get_xdata()) == [1, 4, 9, 9] and list(steps.get_ydata()) == [20, 20, 5, 5]
    assert list(axes.lines[2].get_xdata()) == [2, 9]  # every line reaches the end
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "5", "10"]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["a", "b", "published, 3.7 %"]


def test_what_is_zero_is_drawn_on_the_lower_edge_even_if_nothing_else_differs():
    rows = [{"series": "a", "distance": d, "conflict": c} for d, c in ((0.3, 0.0), (0.4, 0.0035))]
    [axes] = draw_intervals(rows, []).axes
    place = axes.lines[0].get_ydata()[0]
    labels = dict(zip(axes.get_yticks(), axes.get_yticklabels(), strict=True))
    assert [labels[y].get_text() for y in sorted(labels)] == ["0", "0.35"] and place == min(labels)


def test_searches_are_dots_and_published_fractions_upright_lines():
    rows = [{"series": f"penalty {p}", "removed": p, "conflict": 0.1} for p in (0.01, 0.02)]
    [axes] = draw_searches(rows, records={"published": 0.037}).axes
    assert [line.get_xdata()[0] for line in axes.lines] == pytest.approx([1, 2, 3.7])
    assert axes.lines[2].get_xdata()[1] == pytest.approx(3.7)


def test_penalties_are_sorted_by_the_number_of_cells():
    rows = [{"series": "a", "num_cells": n, "removed": 0.04 + 10 / n} for n in (4096, 256, 1024)]
    [axes] = draw_penalties(rows).axes
    assert list(axes.lines[0].get_xdata()) == [256, 1024, 4096]
    assert all(a > b for a, b in pairwise(axes.lines[0].get_ydata()))


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: draw_intervals([], []), "needs one row or more"),
        (lambda: draw_progress([]), "needs one row or more"),
        (lambda: draw_penalties([{"series": "a"}]), "missing: num_cells, removed"),
        (lambda: draw_intervals(CURVE, [{"label": "x"}]), "missing: high, low, removed"),
    ],
)
def test_charts_without_rows_or_columns_are_refused(draw, words):
    with pytest.raises(InputError, match=words):
        draw()


# --- animations ---------------------------------------------------------------------------------


def test_frames_are_numbered_and_make_one_moving_picture(tmp_path):
    distances = ("0.1", "0.2")
    names = write_frames((draw_grid(speckled(), LATTICE, d) for d in distances), tmp_path)
    assert names == ["frame-0000.png", "frame-0001.png"]
    write_gif(tmp_path, names, "a.gif", seconds=0.5, width=200)
    with Image.open(tmp_path / "a.gif") as moving:
        assert (moving.n_frames, moving.size, moving.info["duration"]) == (2, (200, 150), 500)
    with pytest.raises(InputError, match="one frame or more"):
        write_frames([], tmp_path)
    with pytest.raises(InputError, match=r"a name in \.gif"):
        write_gif(tmp_path, names, "a.mp4")


# --- gallery ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gallery():
    named = [construction(name) for name in ("pritikin6", "mundinger_second_six", "coulson15")]
    colorings = [blocks(), four_squares(), *named]
    cards = [card_of(c, verdict="valid", file_name=f"{k}.json") for k, c in enumerate(colorings)]
    cards.append(card_of(blocks(), verdict="invalid: <a>", file_name="bad.json"))
    return gallery_page(cards, title="A & B", source="run <1>")


def test_the_gallery_shows_every_certificate_with_what_is_known(gallery):
    page = Page(gallery)
    assert len(page.all("article")) == len(page.all("svg", role="img")) == 6
    names = [text for tag, text in page.texts if tag == "code"]
    assert sorted(names) == ["0.json", "1.json", "2.json", "3.json", "4.json", "bad.json"]
    values = [text for tag, text in page.texts if tag == "dd"]
    assert "0.0161 %" in values and "6 × 6 cells" in values and "15 Voronoi cells" in values
    assert [a["class"] for a in page.all("article")].count("card valid full") == 3
    headings = [text for tag, text in page.texts if tag == "h2"]
    assert "15 colors, none with two points at distance √(5/4), in space" in headings
    assert "6 colorings, 5 certified." in [text for tag, text in page.texts if tag == "p"]
    assert "invalid: &lt;a&gt;" in gallery and "run &lt;1&gt;" in gallery


def test_the_gallery_needs_nothing_else(gallery):
    page = Page(gallery)
    assert not page.all("script") and not page.all("link") and "url(" not in gallery
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    inner = [a["href"] for _, a in page.elements if "href" in a]
    assert inner and {reference.removeprefix("#") for reference in inner} <= set(ids)


def test_pictures_of_the_gallery_cover_their_squares(gallery):
    """Blocks fill the square: the copies of a period lie around it on all sides."""
    picture = re.search(r'<svg class="plane".*?</svg>', gallery).group()
    moves = [tuple(map(int, m)) for m in re.findall(r'<use [^>]*x="(-?\d+)" y="(-?\d+)"', picture)]
    assert len(moves) > 3 and (0, 0) in moves
    assert min(x for x, _ in moves) < 0 < max(x for x, _ in moves)
    assert min(y for _, y in moves) < 0 < max(y for _, y in moves)


def test_a_gallery_of_nothing_is_refused():
    with pytest.raises(InputError, match="one coloring or more"):
        gallery_page([])
