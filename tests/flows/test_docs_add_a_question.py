"""The page "Add a question", followed to the letter."""

import os
import re
import sys
from pathlib import Path

import pytest
from commands import run_command

PAGE = Path(__file__).parents[2] / "docs/add_a_question.md"


def blocks(kind: str) -> list[tuple[str, str]]:
    """Title and text of the page's blocks of one kind."""
    found = re.findall(rf"```{kind}(?: title=(\S+))?\n(.*?)```", PAGE.read_text(), re.S)
    assert found
    return found


def commands() -> list[tuple[str, list[str]]]:
    """Every command of the page with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for _, text in blocks("console"):
        for line in text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


@pytest.mark.flow
def test_the_page_works_as_it_is_written(tmp_path, prefect_api):
    for title, text in blocks("python"):
        (tmp_path / title).write_text(text)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path, "PREFECT_API_URL": prefect_api}
    for command, shown in commands():
        words = command.split()
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            environment[name] = value
            continue
        script = command.replace("latticework ", f"{sys.executable} -m flows.cli ", 1)
        fails = any(line.startswith("latticework: ") for line in shown)
        done = run_command(["bash", "-c", script], code=int(fails), cwd=tmp_path, env=environment)
        for line in shown:
            assert line == "..." or line in done.stdout + done.stderr, (command, line, done)
