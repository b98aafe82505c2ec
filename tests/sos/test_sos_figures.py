"""Pictures show the points that they should, and are the same bytes every time."""

import numpy as np
import pytest
from matplotlib.text import Text

from tasks.lattice.polytopes import half_newton_points
from tasks.records import InputError
from tasks.records.pictures import save_figure
from tasks.sos import load_polynomials, parse_polynomial
from tasks.sos._basis_picture import basis_picture, solid
from tasks.sos.bases.monomial_bases import diagonal_consistency
from tasks.sos.figures import (
    MAX_ROWS,
    chosen_rows,
    describe_choice,
    draw_basis,
    draw_sizes,
    full_size,
)

MOTZKIN = parse_polynomial("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")


def polynomial(name):
    return load_polynomials([name])[0].polynomial


def rows_of(points):
    return {tuple(row) for row in points.tolist()}


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def points_of(axes, gid):
    """Points of the marks of a kind."""
    return {
        point
        for line in axes.lines
        if (line.get_gid() or "").startswith(gid)
        for point in zip(*(data.tolist() for data in map(np.asarray, line.get_data())), strict=True)
    }


def test_the_legend_fits_with_many_removed_points():
    """Its longest entry was cut off at the right edge."""
    p = parse_polynomial("x^12*y^12 + x^10*y^12*z^10 + x^12*z^2 + y^10*z^6")
    figure = draw_basis(p, "newton")
    assert len(basis_picture(p, "newton").removed) == 23
    figure.draw_without_rendering()
    assert figure.legends[0].get_window_extent().x1 < 0.98 * figure.bbox.width


# --- what is in a picture -----------------------------------------------------------------------


def test_motzkin_has_four_doubled_monomials_in_its_triangle():
    picture = basis_picture(MOTZKIN, "newton")
    assert rows_of(np.vstack(picture.chosen)) == {(4, 2), (2, 4), (2, 2), (0, 0)}
    assert rows_of(picture.frame) == {(4, 2), (2, 4), (0, 0)}
    assert rows_of(picture.support) == {(4, 2), (2, 4), (2, 2), (0, 0)}
    assert [len(block) for block in picture.chosen] == [1, 1, 1, 1]
    assert len(picture.removed) == len(picture.spare) == 0


@pytest.mark.parametrize("rule", ["even-sqrt", "newton"])
@pytest.mark.parametrize(
    "name", ["motzkin_times_x2+y2", "himmelblau", "six_hump_camel", "parrilo_sturmfels_like_3_6"]
)
def test_chosen_removed_and_spare_points_are_half_the_newton_polytope(name, rule):
    p = polynomial(name)
    picture = basis_picture(p, rule)
    parts = [*picture.chosen, picture.removed, picture.spare]
    half = half_newton_points(p.exponents).points
    assert rows_of(np.vstack(parts) / 2) == rows_of(half)
    assert sum(map(len, parts)) == len(half)
    if rule == "newton":
        kept = diagonal_consistency(half, p.exponents).basis
        assert rows_of(np.vstack(picture.chosen) / 2) == rows_of(kept)


def test_the_full_basis_goes_beyond_the_polytope():
    picture = basis_picture(MOTZKIN, "full")
    assert sum(map(len, picture.chosen)) == 10
    assert picture.all_points.max() == 6


def test_points_removed_by_diagonal_consistency_are_shown():
    p = parse_polynomial("x^4 + x*y^2 + y^4*x^2 + 1")
    picture = basis_picture(p, "newton")
    half = half_newton_points(p.exponents).points
    removed = diagonal_consistency(half, p.exponents).removed
    assert rows_of(picture.removed / 2) == rows_of(removed)


def test_a_form_is_a_triangle_whose_sides_are_its_degree():
    picture = basis_picture(polynomial("robinson_form"), "newton")
    assert picture.is_form
    sides = np.linalg.norm(picture.frame - np.roll(picture.frame, 1, axis=0), axis=1)
    assert picture.support.shape[1] == 2
    assert sides == pytest.approx([6, 6, 6])


@pytest.mark.parametrize(
    ("points", "faces", "edges"),
    [
        ([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], 4, 6),
        ([[i, j, k] for i in (0, 2) for j in (0, 2) for k in (0, 2)], 6, 12),
        ([[2, 0, 0], [0, 2, 0], [0, 0, 2], [2, 2, 0]], 4, 6),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 1, 3),
        ([[0, 0, 0], [2, 2, 2]], 0, 1),
        ([[1, 2, 3]], 0, 1),
    ],
    ids=["simplex", "cube", "tetrahedron", "triangle", "segment", "point"],
)
def test_solids_have_their_faces_and_edges(points, faces, edges):
    found = solid(np.array(points, dtype=float))
    assert tuple(map(len, found)) == (faces, edges)


@pytest.mark.parametrize("text", ["x^2", "x^2 + y^2 + z^2 + w^2", "0*x*y"])
def test_other_numbers_of_variables_are_refused(text):
    with pytest.raises(InputError, match="2 or 3 variables"):
        draw_basis(parse_polynomial(text), "newton")


# --- drawings -----------------------------------------------------------------------------------


def test_the_plane_shows_basis_and_terms():
    figure = draw_basis(MOTZKIN, "newton", name="motzkin", verdict="refuted_sos")
    [axes] = figure.axes
    wanted = {(4.0, 2.0), (2.0, 4.0), (2.0, 2.0), (0.0, 0.0)}
    assert points_of(axes, "block") == wanted
    assert points_of(axes, "support") == wanted
    shown = texts(figure)
    assert {"motzkin", "refuted_sos", "exponent of x", "$x^{2}\\,y$"} <= set(shown)
    assert (
        "2 variables, degree 6  ·  4 terms  ·  basis of 4 (newton) in 4 blocks of at most 1"
        in shown
    )


def test_all_points_lie_within_the_axes():
    for name in ("motzkin_times_x2+y2", "himmelblau", "gen_rosenbrock_2"):
        figure = draw_basis(polynomial(name), "full")
        [axes] = figure.axes
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        inside = [left < x < right and bottom < y < top for x, y in points_of(axes, "block")]
        assert inside
        assert all(inside)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x1^2*x2^2 + 1", "x_{1}"),
        ("x_1^2*y^2 + 1", "x_{1}"),
        ("alpha^2*b^2 + 1", r"\mathrm{alpha}"),
        ("a_b^2*_^2 + 1", r"\mathrm{a\_b}"),
    ],
)
def test_variables_are_written_as_mathematics(text, name, tmp_path):
    figure = draw_basis(parse_polynomial(text), "newton")
    assert any(name in shown for shown in texts(figure))
    save_figure(figure, tmp_path / "a.png")


def test_names_are_no_mathematics(tmp_path):
    figure = draw_basis(MOTZKIN, "newton", name="a $b_ c$ \\nope", verdict="proved")
    save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "text",
    ["x^2*y^2", "x^2 + y^2", "x^2*y^2 + x^2", "x^2*y^2*z^2 + z", "x^2 + y^4 + z^2", "7 + 0*x*y"],
)
def test_degenerate_polytopes_are_drawn_too(text, tmp_path):
    save_figure(draw_basis(parse_polynomial(text), "newton"), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["motzkin", "robinson_form", "cyclic_3_ss"])
def test_the_same_picture_is_the_same_bytes(name, tmp_path):
    for file in ("a.png", "b.png"):
        save_figure(draw_basis(polynomial(name), "newton", name=name), tmp_path / file)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


# --- sizes --------------------------------------------------------------------------------------


def row(name, *, size=4, seconds=0.1, verdict="proved", **more):
    return {
        "name": name,
        "verdict": verdict,
        "num_variables": 2,
        "degree": 6,
        "basis_size": size,
        "block_sizes": [size],
        "stages": {"basis": seconds / 4, "solve": seconds / 2, "check": 5.0},
    } | more


def attempt(name, basis, size):
    return {"name": name, "basis": basis, "basis_size": size}


def test_sizes_are_drawn_by_rule_and_seconds_by_stage():
    rows = [row("a"), row("b", size=7, verdict="refuted_sos", seconds=2.0)]
    tried = [attempt("a", "even-sqrt", 4), attempt("b", "even-sqrt", 3), attempt("b", "newton", 7)]
    figure = draw_sizes(rows, tried)
    sizes, seconds = figure.axes
    assert [sizes.get_gid(), seconds.get_gid()] == ["sizes", "seconds"]
    assert [label.get_text() for label in sizes.get_yticklabels()] == ["a", "b"]
    marked = {
        (line.get_marker(), float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in sizes.lines
        if len(line.get_xdata()) == 1
    }
    assert marked == {
        *(("o", 10.0, y) for y in (0.0, 1.0)),
        *(("D", 4.0, 0.0), ("D", 3.0, 1.0), ("s", 7.0, 1.0)),
        *(("|", 4.0, 0.0), ("|", 7.0, 1.0)),
    }
    totals = [line.get_xdata()[0] for line in seconds.lines if line.get_marker() == "|"]
    assert totals == pytest.approx([0.075, 1.5])
    assert "Sizes and times of 2 polynomials" in texts(figure)


def test_of_many_polynomials_the_slowest_are_shown():
    rows = [row(f"p{i}", seconds=i + 1.0) for i in range(MAX_ROWS + 5)]
    shown = {r["name"] for r in chosen_rows(rows)}
    assert shown == {f"p{i}" for i in range(5, MAX_ROWS + 5)}
    assert describe_choice(1234, 60) == "Sizes and times of the 60 slowest of 1,234 polynomials"
    assert describe_choice(1, 1) == "Sizes and times of 1 polynomial"


def test_the_full_basis_is_a_binomial_coefficient():
    assert full_size({"num_variables": 6, "degree": 20}) == 8008


def test_a_run_without_times_can_be_drawn(tmp_path):
    figure = draw_sizes([row("a", stages={}), row("$x$", size=None)], [])
    save_figure(figure, tmp_path / "a.png")
    assert len(figure.axes[0].get_yticklabels()) == 1


def test_letters_that_the_font_lacks_are_escaped_without_a_warning(tmp_path, recwarn):
    name = "é \u4e2d\u6587\x1b"
    charts = draw_sizes([row(name), row("$b$")], [])
    save_figure(charts, tmp_path / "a.png")
    save_figure(draw_basis(MOTZKIN, "newton", name=name), tmp_path / "b.png")
    shown = charts.axes[0].get_yticklabels()
    assert [label.get_text() for label in shown] == ["$b$", "é \\u4e2d\\u6587\\x1b"]
    assert not any(label.get_parse_math() for label in shown)
    assert not recwarn.list


def test_nothing_to_draw_is_refused():
    with pytest.raises(InputError, match="no polynomial has a basis"):
        draw_sizes([row("a", size=None)], [])
