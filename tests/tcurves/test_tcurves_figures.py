from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from commands import run_python
from hypothesis import given, settings
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from strategies import signed_triangulations

from tasks.lattice import Triangulation, honeycomb
from tasks.records import InputError, StoreError
from tasks.tcurves import Scheme, harnack_signs, real_scheme
from tasks.tcurves._colors import OVAL_COLORS, oval_color, region_color
from tasks.tcurves._drawing import Component, Drawing, drawing, math_notation, oval_tree
from tasks.tcurves.figures import draw_curve, save_figure

PNG = b"\x89PNG\r\n\x1a\n"
EXAMPLES = settings(max_examples=60, deadline=None)
CURVES = signed_triangulations(min_degree=1, max_degree=9)


def on_boundary(point: np.ndarray, degree: int) -> bool:
    return bool(np.abs(point).sum() == degree)


def glued(point: np.ndarray, degree: int) -> tuple[float, ...]:
    """A name of a point of RP^2: antipodal boundary points have the same one."""
    names = [tuple((point + 0.0).tolist())]
    if on_boundary(point, degree):
        names.append(tuple((-point + 0.0).tolist()))
    return min(names)


def segments(component: Component) -> list[tuple[np.ndarray, np.ndarray]]:
    return [pair for path in component.paths for pair in pairwise(path)]


def circles(component: Component, degree: int) -> int:
    """Number of circles that the segments form on RP^2; asserts that they form circles."""
    root: dict[tuple[float, ...], tuple[float, ...]] = {}

    def find(name):
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    ends: Counter[tuple[float, ...]] = Counter()
    for a, b in segments(component):
        ends.update([glued(a, degree), glued(b, degree)])
        root[find(glued(a, degree))] = find(glued(b, degree))
    assert set(ends.values()) == {2}
    return len({find(name) for name in ends})


def bichromatic_midpoints(triangulation: Triangulation, picture: Drawing) -> set[tuple[float, ...]]:
    n, places, signs = triangulation.num_points, picture.points, picture.signs
    return {
        tuple(((places[e * n + a] + places[e * n + b]) / 2 + 0.0).tolist())
        for e in range(4)
        for a, b in triangulation.edges.tolist()
        if signs[e * n + a] != signs[e * n + b]
    }


def area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def axes_named(figure: Figure, name: str):
    return next(axes for axes in figure.axes if axes.get_gid() == name)


# --- geometry -----------------------------------------------------------------------------------


@EXAMPLES
@given(CURVES)
def test_every_drawn_component_is_one_circle_of_rp2_and_there_are_as_many_as_in_the_scheme(curve):
    triangulation, signs = curve
    picture = drawing(triangulation, signs)
    assert picture.scheme == real_scheme(triangulation, signs)
    assert len(picture.components) == picture.scheme.components
    assert all(circles(c, triangulation.degree) == 1 for c in picture.components)


@EXAMPLES
@given(CURVES)
def test_the_curve_passes_through_the_midpoints_of_all_bichromatic_edges_and_of_no_others(curve):
    triangulation, signs = curve
    picture = drawing(triangulation, signs)
    drawn = [
        {tuple((point + 0.0).tolist()) for path in component.paths for point in path}
        for component in picture.components
    ]
    assert set().union(*drawn) == bichromatic_midpoints(triangulation, picture)
    assert sum(len(points) for points in drawn) == len(set().union(*drawn))  # disjoint


@EXAMPLES
@given(CURVES)
def test_ovals_at_odd_depth_are_the_even_ovals_of_the_scheme(curve):
    picture = drawing(*curve)
    depths = [component.depth for component in picture.components]
    assert sum(depth % 2 == 1 for depth in depths) == picture.scheme.p
    assert sum(depth % 2 == 0 and depth > 0 for depth in depths) == picture.scheme.n
    assert depths.count(0) == picture.scheme.pseudo_line
    assert max(depths) == picture.scheme.depth


@EXAMPLES
@given(CURVES)
def test_only_the_pseudo_line_crosses_the_glued_boundary_an_odd_number_of_times(curve):
    triangulation, signs = curve
    for component in drawing(triangulation, signs).components:
        open_paths = [path for path in component.paths if (path[0] != path[-1]).any()]
        ends = [path[i] for path in open_paths for i in (0, -1)]
        assert all(on_boundary(end, triangulation.degree) for end in ends)
        assert len(open_paths) % 2 == (component.depth == 0)


@EXAMPLES
@given(CURVES)
def test_the_tinted_cells_fill_the_square_and_change_depth_by_one_across_an_oval(curve):
    triangulation, signs = curve
    picture = drawing(triangulation, signs)
    assert sum(area(polygon) for _, polygon in picture.cells) == 2 * triangulation.degree**2
    sides: dict[frozenset[tuple[float, ...]], list[int]] = {}
    for depth, polygon in picture.cells:
        corners = [tuple((corner + 0.0).tolist()) for corner in polygon]
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            sides.setdefault(frozenset([a, b]), []).append(depth)
    for component in picture.components:
        for a, b in segments(component):
            key = frozenset([tuple((a + 0.0).tolist()), tuple((b + 0.0).tolist())])
            inside = component.depth
            assert sorted(sides[key]) == ([inside - 1, inside] if inside else [0, 0])


@EXAMPLES
@given(signed_triangulations(min_degree=2, max_degree=8).filter(lambda c: c[0].degree % 2 == 0))
def test_in_even_degree_the_sign_of_a_point_tells_the_parity_of_its_depth(curve):
    picture = drawing(*curve)
    sign = {
        tuple(p): s for p, s in zip(picture.points.tolist(), picture.signs.tolist(), strict=True)
    }
    parities = {
        (sign[tuple(corner)] + depth) % 2
        for depth, polygon in picture.cells
        for corner in polygon.tolist()
        if tuple(corner) in sign
    }
    assert len(parities) == 1


def test_constant_signs_on_a_honeycomb_give_the_deepest_nest_with_every_depth_once():
    picture = drawing(honeycomb(8), 0)
    assert str(picture.scheme) == "<1<1<1<1>>>>"
    assert [component.depth for component in picture.components] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("notation", "num_leaves"), [("<18v1<3>>", 21), ("<J>", 1), ("<1<1<1>>>", 1)]
)
def test_the_tree_has_a_node_per_region_and_its_leaves_in_a_row(notation, num_leaves):
    scheme = Scheme.parse(notation)
    nodes = oval_tree(scheme.forest)
    assert len(nodes) == scheme.ovals + 1
    assert max(node.depth for node in nodes) == scheme.depth
    assert [node.parent for node in nodes].count(-1) == 1
    assert all(nodes[node.parent].depth == node.depth - 1 for node in nodes[1:])
    leaves = set(range(len(nodes))) - {node.parent for node in nodes}
    assert sorted(nodes[leaf].place for leaf in leaves) == list(range(num_leaves))


def test_the_first_quadrant_shows_the_signs_and_reflections_add_e_times_p():
    signs = harnack_signs(5)
    picture = drawing(honeycomb(5), signs)
    sign = {tuple(p): s for p, s in zip(picture.points.tolist(), picture.signs, strict=True)}
    for (x, y), s in zip(honeycomb(5).points.tolist(), signs.tolist(), strict=True):
        assert sign[x, y] == s
        assert (x == 0) or sign[-x, y] == (s + x) % 2
        assert (y == 0) or sign[x, -y] == (s + y) % 2
        assert (x * y == 0) or sign[-x, -y] == (s + x + y) % 2


# --- the drawn curve ----------------------------------------------------------------------------


@pytest.mark.parametrize("degree", range(1, 10))
def test_a_figure_has_a_patch_per_component_colored_by_its_depth(degree):
    signs = harnack_signs(degree)
    picture = drawing(honeycomb(degree), signs)
    figure = draw_curve(honeycomb(degree), signs)
    patches = [p for p in axes_named(figure, "plane").patches if p.get_gid()]
    assert len(patches) == picture.scheme.components
    assert [to_hex(p.get_edgecolor()).upper() for p in patches] == [
        oval_color(component.depth) for component in picture.components
    ]
    assert [p.get_gid() for p in patches].count("J") == degree % 2
    assert figure.texts[0].get_text() == math_notation(picture.scheme)


def test_pieces_of_one_oval_on_both_sides_of_the_boundary_are_one_patch():
    figure = draw_curve(honeycomb(2), harnack_signs(2))
    [oval] = [p for p in axes_named(figure, "plane").patches if p.get_gid()]
    picture = drawing(honeycomb(2), harnack_signs(2))
    [component] = picture.components
    assert len(component.paths) == 2
    assert len(oval.get_path().vertices) == sum(len(path) for path in component.paths)


def test_the_legend_names_exactly_the_depths_that_occur():
    def labels(degree, signs):
        [legend] = draw_curve(honeycomb(degree), signs).legends
        return [text.get_text() for text in legend.get_texts()]

    assert [label for label in labels(6, 0) if "depth" in label] == [
        "oval of depth 1 (even)",
        "oval of depth 2 (odd)",
        "oval of depth 3 (even)",
    ]
    assert labels(1, 0)[0] == "pseudo-line J"
    assert not any("depth" in label for label in labels(1, 0))


def test_colors_are_distinct_and_repeat_with_the_parity_of_the_depth():
    assert len({oval_color(depth) for depth in range(5)}) == 5
    assert [oval_color(depth) for depth in range(5, 9)] == list(OVAL_COLORS)
    assert len({region_color(depth) for depth in range(5)}) == 5


def test_plus_and_minus_signs_are_drawn_at_all_copies_of_their_points():
    signs = harnack_signs(6)
    lines = {
        line.get_gid(): line for line in axes_named(draw_curve(honeycomb(6), signs), "plane").lines
    }
    drawn = drawing(honeycomb(6), signs).signs
    assert len(lines["plus"].get_xdata()) == int((drawn == 0).sum())
    assert len(lines["minus"].get_xdata()) == int((drawn == 1).sum())


def test_a_title_replaces_the_description_and_is_not_read_as_mathematics(tmp_path):
    figure = draw_curve(honeycomb(3), 0, title="costs 3$ or $\\undefined")
    assert figure.texts[1].get_text() == "costs 3$ or $\\undefined"
    save_figure(figure, tmp_path / "a.png")
    named = draw_curve(honeycomb(3).with_name("a$\\b$"), 0)
    assert named.texts[1].get_text().startswith("a$\\b$  ·  degree 3  ·  1 oval and J  ·  M-curve")
    save_figure(named, tmp_path / "b.png")


def test_wrong_signs_are_refused():
    with pytest.raises(InputError, match="degree 3 needs 10 signs"):
        draw_curve(honeycomb(3), [0, 1])


def test_long_notation_is_cut_in_the_middle():
    nests = Scheme.of((((),),) * 60, pseudo_line=False)
    assert "\\ldots" in math_notation(nests)
    assert math_notation(Scheme.parse("<Jv1v1<3>>")) == (
        r"$\langle J\,\sqcup\,1\,\sqcup\,1\langle 3\rangle \rangle $"
    )


# --- saving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, suffix):
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for path in paths:
        save_figure(draw_curve(honeycomb(4), harnack_signs(4)), path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert suffix != ".png" or (first.startswith(PNG) and b"Software" not in first)


def test_figures_made_in_threads_equal_those_made_one_after_another(tmp_path):
    def write(name):
        save_figure(draw_curve(honeycomb(3), harnack_signs(3)), tmp_path / name)
        return (tmp_path / name).read_bytes()

    expected = write("alone.png")
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, ["0.png", "1.png", "2.png"])) == [expected] * 3


def test_saving_makes_folders_replaces_files_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "curve.png"
    for degree in (1, 2):
        save_figure(draw_curve(honeycomb(degree), 0), path)
    assert path.read_bytes().startswith(PNG)
    assert [entry.name for entry in path.parent.iterdir()] == ["curve.png"]


def test_saving_accepts_names_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_figure(Figure(), "plain.png")
    assert (tmp_path / "plain.png").read_bytes().startswith(PNG)


def test_unknown_formats_and_unwritable_places_are_refused_clearly(tmp_path):
    with pytest.raises(InputError, match=r"must end in \.png or \.pdf"):
        save_figure(Figure(), tmp_path / "curve.jpeg")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"Not a directory|File exists"):
        save_figure(Figure(), tmp_path / "file" / "curve.png")


def test_pyplot_is_never_imported():
    code = "import sys, tasks.tcurves.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    run_python("-c", code)
