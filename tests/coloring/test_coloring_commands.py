"""The command `latticework` on stored runs of colorings and on their certificates."""

from pathlib import Path

import pytest
from coloring_runs import HandMade, nine, problem_for

from flows.cli import main
from tasks.records import RunIdentity, Store


@pytest.fixture
def run(tmp_path):
    made = HandMade(tmp_path)
    made.search("search", problem_for(nine()), [(0, 0.1, 1.0, 0.1)])
    made.add("cells.a", nine())
    return made.run


def command(capsys, run, *words):
    """(code, lines of stdout, lines of stderr) of a command on a run."""
    store = str(Path(run.path).parents[1])
    code = main([words[0], run.run_id, "--out", store, *map(str, words[1:])])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err.splitlines()


def test_what_is_exported_is_verified_by_both_checkers(run, tmp_path, capsys):
    code, lines, _ = command(capsys, run, "export", "--to", tmp_path / "to")
    assert code == 0 and all(Path(line).is_file() for line in lines) and len(lines) == 6
    assert main(["verify", "--second", lines[0]]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{lines[0]}: valid: 9 colors") and "second checker: valid" in said


def test_a_run_is_shown_drawn_and_made_a_page_of(run, tmp_path, capsys):
    code, lines, _ = command(capsys, run, "results")
    assert code == 0 and any("nothing removed by 9 cells, proved by both" in line for line in lines)
    code, lines, _ = command(capsys, run, "plot", "--item", "cells.a", "--to", tmp_path / "to")
    assert code == 0 and [Path(line).suffix for line in lines] == [".png", ".svg", ".pdf"]
    assert command(capsys, run, "gallery")[:2] == (0, [f"{run.path}/gallery.html"])


def test_plot_has_options_for_colorings_that_other_runs_refuse(run, tmp_path, capsys):
    code, _, [line] = command(capsys, run, "plot", "--animate")
    assert code == 2 and "--animate needs certified colorings for two distances" in line
    other = RunIdentity("tcurve-census", "{}", (), "0.1.0+test")
    census = Store.open(tmp_path).open_run(other, ["histogram", "summary", "verification"])
    code, _, [line] = command(capsys, census, "plot", "--animate")
    assert (code, line) == (2, "latticework: --animate is not for runs of tcurve-census")
