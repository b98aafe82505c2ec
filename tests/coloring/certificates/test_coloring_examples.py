"""Certificates in the folder of examples."""

from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest

from flows.study import recipes_of
from tasks.coloring import read_certificate, verify_certificate
from tasks.coloring.certificates.distances import Interval
from tasks.coloring.checker import check

FOLDER = Path(__file__).parents[3] / "examples" / "colorings"
FIVE = FOLDER / "coloring-a4e6205c4348f795.json"
SIX = FOLDER / "coloring-d03fefdfeaa2c96b.json"
BOXES = {
    FOLDER / "coloring-7605c48fe974f6f3.json": (("0.484", "0.616"), ("0.8712", "1.1088")),
    FOLDER / "coloring-f89c44fba8468d4f.json": (("0.414", "0.486"), ("0.828", "1.1217")),
}
OF_SIXTH = sorted(set(FOLDER.glob("coloring-*.json")) - {FIVE, SIX, *BOXES})
FIVE_PUBLISHED = Fraction(142342, 1945 * 1970)
"""The least removed fraction with five colors that is published: 3.714901 %."""
SIX_PUBLISHED = 1 - Fraction("0.99985698")
"""With six colors (arXiv 2010.12668)."""


def test_five_colors_remove_less_than_the_published_grid():
    found = verify_certificate(read_certificate(FIVE))
    assert found.valid and found.removed < Fraction("0.034715") < FIVE_PUBLISHED


def test_six_colors_remove_less_than_half_of_what_is_published():
    found = verify_certificate(read_certificate(SIX))
    assert found.valid and found.removed < Fraction("0.0000629") < SIX_PUBLISHED / 2
    assert check(SIX.read_bytes(), SIX.name).state == "valid"


def test_six_colors_leave_nothing_out_for_all_distances_of_the_sixth_from_0_3136_to_0_68():
    intervals = []
    for path in OF_SIXTH:
        coloring = read_certificate(path)
        assert verify_certificate(coloring).valid and coloring.removed == 0
        assert check(path.read_bytes(), path.name).state == "valid"
        *five, (own,) = coloring.forbidden.intervals
        assert five == [(Interval.of(1),)] * 5
        intervals.append(own)
    intervals.sort(key=lambda own: own.low)
    assert intervals[0].low <= Interval.of("0.3136").low
    reached = intervals[0].high
    for own in intervals[1:]:
        assert own.low <= reached  # no gap
        reached = max(reached, own.high)
    assert reached >= Interval.of("0.68").low


@pytest.mark.parametrize("path", BOXES, ids=lambda path: path.stem)
def test_one_coloring_has_a_box_of_distances_for_two_of_its_six_colors(path):
    coloring = read_certificate(path)
    assert verify_certificate(coloring).valid and coloring.removed == 0
    assert check(path.read_bytes(), path.name).state == "valid"
    *four, (fifth,), (sixth,) = coloring.forbidden.intervals
    assert four == [(Interval.of(1),)] * 4
    for own, (low, high) in zip((fifth, sixth), BOXES[path], strict=True):
        assert own.low <= Interval.of(low).low and own.high >= Interval.of(high).high


def test_hunts_are_recorded_as_their_certificates_are_and_go_on_behind_them():
    with pa.memory_map(str(FOLDER / "hunts.arrow")) as source:
        rows = pa.ipc.open_file(source).read_all().to_pylist()
    starts = {int(row["item"].rpartition(".")[2]) for row in rows}
    [recipe] = [each for each in recipes_of("coloring-sweep") if each.name == "records"]
    assert max(starts) < recipe.settings["first_seed"]
    files = {path.stem: path for path in FOLDER.glob("coloring-*.json")}
    found = [row for row in rows if row["certificate"] in files]
    assert len(found) >= 3
    for row in found:
        coloring = read_certificate(files[row["certificate"]])
        assert row["verified"] and row["removed_percent"] == float(100 * coloring.removed)
        shown = tuple(tuple(map(Interval.parse, each.split(","))) for each in row["allowed"])
        assert shown == tuple(map(tuple, coloring.forbidden.intervals))


@pytest.mark.slow
def test_the_second_checker_agrees():
    assert check(FIVE.read_bytes()).state == "valid"
