"""The discovery curve of a hunt, and the oval tree alone."""

import pyarrow as pa
import pytest

from tasks.records import InputError
from tasks.tcurves import Scheme
from tasks.tcurves._discovery import discovery
from tasks.tcurves.figures import draw_discovery, draw_tree, save_figure

PNG = b"\x89PNG\r\n\x1a\n"


def archive(*rows):
    """Rows (candidates, ovals, is_maximal, is_known, is_first)."""
    names = ("candidates", "ovals", "is_maximal", "is_known", "is_first")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


HUNT = archive(
    (1, 5, False, True, True),
    (1, 6, False, True, True),
    (17, 6, False, True, False),  # a smaller certificate, no discovery
    (17, 11, True, True, True),
    (33, 8, False, False, True),
)


def line(figure, name):
    [found] = [line for axes in figure.axes for line in axes.lines if line.get_gid() == name]
    return [list(map(float, data)) for data in found.get_data()]


def texts(figure):
    [legend] = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return [text.get_text() for text in legend.get_texts()]


def test_the_curve_counts_first_finds_known_ones_and_all(tmp_path):
    figure = draw_discovery(HUNT, num_known=10, num_candidates=50)
    places, known = line(figure, "known")
    assert places[1:] == [1, 1, 17, 33, 50]
    assert known == [0, 1, 2, 3, 3, 3]
    assert line(figure, "all")[1] == [0, 1, 2, 3, 4, 4]
    assert line(figure, "all-known")[1] == [10, 10]
    assert texts(figure) == ["known", "known M-curve", "not on the list"]
    heading = figure.texts[0].get_text()
    assert heading == "3 of 10 known schemes  ·  1 not on the list  ·  50 candidates"
    save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_a_hunt_that_found_known_schemes_only_has_one_curve():
    figure = draw_discovery(HUNT.slice(0, 4), num_known=3)
    gids = [line.get_gid() for line in figure.axes[0].lines]
    assert "known" in gids
    assert "all" not in gids
    assert texts(figure) == ["known", "known M-curve"]


def test_without_a_list_nothing_is_called_new():
    figure = draw_discovery(archive((1, 5, False, False, True), (4, 9, False, False, True)))
    gids = [line.get_gid() for line in figure.axes[0].lines]
    assert "all-known" not in gids
    assert line(figure, "known")[1] == [0, 1, 2, 2]
    assert texts(figure) == ["found"]
    assert figure.texts[0].get_text() == "2 schemes  ·  4 candidates"


def test_a_list_of_which_nothing_was_found_is_a_list():
    figure = draw_discovery(
        archive((1, 5, False, False, True), (4, 9, True, False, True)), num_known=3
    )
    assert line(figure, "known")[1] == [0, 0, 0, 0]
    assert line(figure, "all")[1] == [0, 1, 2, 2]
    assert texts(figure) == ["not on the list"]
    heading = figure.texts[0].get_text()
    assert heading == "0 of 3 known schemes  ·  2 not on the list  ·  4 candidates"


def disks(figure):
    """(candidates, ovals, area in disks of one find, color), in the order of drawing."""
    found = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    return [
        (
            int(disk.get_xdata()[0]),
            int(disk.get_ydata()[0]),
            round((disk.get_markersize() / 4.2) ** 2),
            disk.get_markerfacecolor(),
        )
        for disk in found
    ]


def test_no_disk_hides_another_one():
    known, new = (False, True, True), (False, False, True)
    rows = [(1, 5, *known)] * 6 + [(1, 5, *new)] * 2 + [(1, 4, *known)] + [(2, 5, *known)] * 3
    rows += [(2, 6, *new)] * 5 + [(2, 6, *known)] + [(4, 7, *known), (4, 7, *new)]
    drawn = disks(draw_discovery(archive(*rows), num_known=20))
    blue, orange = drawn[0][3], drawn[-1][3]
    assert drawn == [
        (2, 5, 3, blue),
        (1, 4, 1, blue),
        (1, 5, 8, blue),
        (1, 5, 2, orange),
        (2, 6, 6, orange),
        (2, 6, 1, blue),
        (4, 7, 2, blue),
        (4, 7, 1, orange),
    ]
    assert blue != orange


def test_every_first_find_is_in_a_disk_at_its_number_of_ovals():
    figure = draw_discovery(HUNT)
    disks = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    places = sorted((float(d.get_xdata()[0]), int(d.get_ydata()[0])) for d in disks)
    assert places == [(1, 5), (1, 6), (17, 11), (33, 8)]


def test_candidates_after_the_last_find_prolong_the_curve_and_fewer_do_not_cut_it():
    assert discovery(HUNT, 100, num_known=0).num_candidates == 100
    assert discovery(HUNT, 2, num_known=0).num_candidates == 33


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (HUNT.slice(0, 0), "nothing to draw"),
        (HUNT.slice(2, 1), "nothing to draw"),
        (HUNT.drop_columns(["ovals"]), "missing: "),
    ],
)
def test_archives_without_finds_or_columns_are_refused(table, message):
    with pytest.raises(InputError, match=message):
        draw_discovery(table)


@pytest.mark.parametrize("viro", ["<J>", "<Jv1v1<3v1<2>>>", "<18v1<3>>", "<0>"])
def test_the_tree_alone_has_a_node_per_region_and_an_edge_per_oval(viro, tmp_path):
    figure = draw_tree(viro)
    [axes] = figure.axes
    markers = [line.get_marker() for line in axes.lines]
    ovals = Scheme.parse(viro).ovals
    assert markers.count("o") == markers.count("None") == ovals
    assert markers.count("s") == 1
    save_figure(figure, tmp_path / "tree.png")
    save_figure(draw_tree(Scheme.parse(viro)), tmp_path / "same.png")
    assert (tmp_path / "tree.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def test_a_tree_of_no_scheme_is_refused():
    with pytest.raises(InputError, match="not a real scheme"):
        draw_tree("nine ovals")
