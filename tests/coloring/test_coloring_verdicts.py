"""`latticework verify` on colorings: one line that names what is proved or what is wrong."""

import json

import pytest
from small_colorings import blocks, nine_squares

from tasks.coloring import write_certificate
from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.constructions import construction
from tasks.coloring.checker import Verdict as Answer
from tasks.coloring.verdicts import judge
from tasks.records import InputError
from tasks.records.verdicts import CertificateFile


def verdict_on(coloring, folder, **options):
    return judge(CertificateFile.read(str(write_certificate(coloring, folder))), **options)


def conflicting():
    """Nine squares, one of which has the color of its neighbor."""
    proper = nine_squares()
    grid = proper.grid.copy()
    grid[1, 2] = grid[1, 1]
    return CellColoring.of(grid, proper.lattice, 9)


@pytest.mark.parametrize(
    ("coloring", "line"),
    [
        (nine_squares(), "3x3 cells, 24 offsets, removed 0 (0 %)"),
        (blocks(), "removed 3/4 (75 %)"),
        (construction("pritikin6"), "9 closed tiles are a partition, removed 0.0001"),
    ],
    ids=["whole", "removed", "tiles"],
)
def test_a_valid_file_has_what_it_proves_in_one_line_by_both_checkers(coloring, line, tmp_path):
    found = verdict_on(coloring, tmp_path, second=True)
    assert found.valid and found.line.startswith("valid: ") and "\n" not in found.line
    assert line in found.line and found.line.endswith("; second checker: valid")
    assert found.line.startswith(verdict_on(coloring, tmp_path).line)


def test_an_invalid_file_has_its_pair_named_by_both_checkers(tmp_path):
    found = verdict_on(conflicting(), tmp_path, second=True)
    assert not found.valid
    assert found.line.startswith("invalid: color 4: cells (1, 1) and (1, 2), at the offset (0, -2)")
    assert "but 1 is forbidden; second checker: invalid, " in found.line
    assert verdict_on(conflicting(), tmp_path).line == found.line.partition("; second")[0]


def test_verdicts_are_objects_for_programs(tmp_path):
    details = json.loads(json.dumps(verdict_on(conflicting(), tmp_path, second=True).details))
    assert details["valid"] is False and details["second checker"]["state"] == "invalid"
    assert details["conflict"]["first"] == [1, 1] and details["conflict"]["color"] == 4
    tiles = json.loads(json.dumps(verdict_on(construction("hex7"), tmp_path).details))
    assert (tiles["removed"], tiles["form"], tiles["conflict"]) == ("0", "polygons", None)
    assert verdict_on(blocks(), tmp_path).details["removed"] == "3/4"


def test_a_file_is_valid_only_if_both_checkers_say_so(tmp_path, monkeypatch):
    refusal = Answer("refused", "it has more work than is done")
    monkeypatch.setattr("tasks.coloring.verdicts.check", lambda data, name: refusal)
    found = verdict_on(nine_squares(), tmp_path, second=True)
    assert not found.valid and found.details["valid"] is False
    assert found.line.startswith("not valid, the checkers disagree: 9 colors hold no")
    assert found.line.endswith("second checker: refused, it has more work than is done")


def test_a_file_that_is_no_certificate_is_refused_in_one_line(tmp_path):
    path = write_certificate(blocks(), tmp_path)
    record = json.loads(path.read_text())
    for change, words in (
        ({"version": 2}, "the version 2: what is read is"),
        ({"removed": "1/2"}, "removed is stated as 1/2, but the coloring removes 3/4"),
        ({"boundary": "closed"}, "the boundary of cells is half-open"),
        ({"about": {"title": "x"}}, None),
    ):
        other = tmp_path / "other.json"
        other.write_text(json.dumps(record | change))
        file = CertificateFile.read(str(other))
        if words is None:
            assert judge(file).valid
            continue
        with pytest.raises(InputError, match=words) as caught:
            judge(file)
        assert str(caught.value).startswith(f"{other} is no certificate: ")
    path.write_text(json.dumps(record | {"norm": {"p": "3"}}))
    with pytest.raises(InputError, match="the content is not that of its name"):
        judge(CertificateFile.read(str(path)))


def test_other_kinds_are_left_to_others():
    assert judge(CertificateFile("a", b'{"kind": "sos-certificate"}')) is None
    assert judge(CertificateFile("a", b"[1")) is None
