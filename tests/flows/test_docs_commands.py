"""README and documentation name questions, commands, fields and files that there are."""

import re
import shlex
from pathlib import Path

import pytest

from flows import all_studies, find_study
from flows.configs import build_config, find_recipe, parse_assignments
from flows.options import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "deploy/README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^ *(?:\$ )?(?:\.venv/bin/)?(latticework .*)$", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = sorted(
    {
        found[1]
        for page in PAGES
        for block in BLOCK.findall(page.read_text())
        for found in COMMAND.finditer(block)
        # The questions of this page are its own; test_docs_add_a_question.py follows it.
        if page.name != "add_a_question.md"
    }
)


def test_the_table_of_the_readme_has_every_question_with_a_recipe_of_it():
    rows = re.findall(r"^\| [^|]+ \| `([a-z-]+) --recipe ([\w-]+)` \|", PAGES[0].read_text(), re.M)
    assert [name for name, _ in rows] == list(all_studies())
    for name, recipe in rows:
        find_recipe(find_study(name), recipe)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_pictures_lead_to_files(page):
    places = re.findall(r'(?:src="|\]\()([^")#:]+)["#)]', page.read_text())
    assert [place for place in places if not (page.parent / place).exists()] == []


def test_pictures_are_shown_somewhere_and_small():
    pages = {path: path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
    for picture in (ROOT / "docs" / "images").iterdir():
        shown = {path.name for path, text in pages.items() if f"images/{picture.name}" in text}
        assert shown, picture.name
        most = 60_000 if "README.md" in shown else 120_000
        assert picture.stat().st_size < most, picture.name


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_documentation_are_accepted(command):
    _, *words = shlex.split(command, comments=True)
    options = build_parser("", {}, lambda _: 0).parse_args(words)
    if options.command_name == "run":
        assignments = parse_assignments(options.assignments)
        build_config(find_study(options.flow), recipe=options.recipe, assignments=assignments)
