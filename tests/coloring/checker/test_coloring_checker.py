"""The second checker accepts valid certificates, and runs on a bare Python."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import checker_examples as examples
import pytest

from tasks.coloring.checker import Verdict, check

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tasks" / "coloring" / "checker"
PAGE = ROOT / "docs" / "coloring_certificates.md"


def bare(*arguments, code):
    """The program from the source folder, without site packages and environment."""
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-S", "-m", "tasks.coloring.checker", *map(str, arguments)],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("squares", "4 colors, 0 of 4 cells removed (0.0000 %), 8 offsets"),
        ("one_color", "1 color, 8 of 9 cells removed (88.8889 %), 24 offsets"),
        ("cubes", "1 color, 26 of 27 cells removed (96.2963 %), 124 offsets"),
        ("hexagons", "7 colors, 0.0000 % of the plane removed, 7 tiles, 7 pairs"),
        ("heptagons", "6 colors, 0.0161 % of the plane removed, 9 tiles, 24 pairs"),
        ("bricks", "4 colors, 0.0000 % of the plane removed, 4 tiles, 20 pairs"),
        ("surd_squares", "9 colors, 0.0000 % of the plane removed, 9 tiles, 27 pairs"),
        ("triangular", "7 colors, 0 of 7 cells removed (0.0000 %), 18 offsets"),
        ("coulson", "15 colors, 0 of 15 cells removed (0.0000 %), 64 offsets"),
    ],
)
def test_valid_files_are_accepted_with_their_figures(name, words):
    verdict = check(examples.written(examples.ALL[name]()))
    assert (verdict.state, verdict.reason) == ("valid", words)
    assert str(verdict) == f"valid: {words}"


def test_the_removed_fraction_is_exact():
    # 6197.41 is the published quotient of the plane by what Pritikin's heptagons leave.
    removed = check(examples.written(examples.heptagons())).details["removed"]
    above, below = map(int, removed.split("/"))
    assert abs(below / above - 6197.41) < 0.01


def test_the_program_prints_a_line_per_file_and_tells_by_its_exit_code(tmp_path):
    paths = [tmp_path / name for name in ("valid", "invalid", "refused")]
    wrong = examples.squares() | {"forbidden": [[["1", "1.5"]]] * 4}
    for path, data in zip(
        paths, (examples.written(examples.squares()), examples.written(wrong), b"{"), strict=True
    ):
        path.write_bytes(data)
    valid, invalid, _ = paths
    assert bare(valid, code=0) == "valid: 4 colors, 0 of 4 cells removed (0.0000 %), 8 offsets\n"
    lines = bare(valid, invalid, code=1).splitlines()
    assert lines[0].startswith(f"{valid}: valid: ")
    assert lines[1].startswith(f"{invalid}: invalid: color 0: cells (0, 0) and (0, 0), offset ")
    lines = bare("--json", *paths, tmp_path / "missing", tmp_path, code=2).splitlines()
    answers = [json.loads(line) for line in lines]
    assert [a["state"] for a in answers] == ["valid", "invalid", "refused", "refused", "refused"]
    assert answers[0]["details"]["offsets"] == 8
    assert answers[3]["reason"].startswith("it cannot be read: ")


def test_the_checker_imports_the_standard_library_and_itself_alone():
    allowed = {*sys.stdlib_module_names, "tasks.coloring.checker"}
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module]
            for name in names:
                parts = name.split(".")
                top = ".".join(parts[:3]) if parts[0] == "tasks" else parts[0]
                assert top in allowed, f"{path.name} imports {name}"


def test_a_file_named_by_content_must_have_that_content():
    data = examples.written(examples.squares())
    name = f"coloring-{check(data).details['sha256'][:16]}.json"
    assert check(data, name).state == "valid"
    assert check(data, "coloring-0123456789abcdef.json") == Verdict(
        "refused", f"its name states another content than {name.removesuffix('.json')}"
    )
    noted = examples.squares() | {"about": {"title": "squares", "found": [1.5, None]}}
    assert check(examples.written(noted), name).state == "valid"


def test_the_example_of_the_documentation_is_valid():
    blocks = PAGE.read_text().split("```json\n")[1:]
    assert len(blocks) == 1
    data = blocks[0].split("```")[0].encode()
    assert check(data).state == "valid"
    assert f"coloring-{check(data).details['sha256'][:16]}.json" in PAGE.read_text()
    other = json.loads(data) | {"forbidden": [[["1.000000001", "1.000000001"]]] * 4}
    verdict = check(examples.written(other))
    assert verdict.state == "invalid" and f"`{verdict.reason}`" in PAGE.read_text()


def test_the_documentation_states_every_limit():
    from tasks.coloring.checker import limits

    text = PAGE.read_text().replace(",", "")
    for name, value in vars(limits).items():
        if name.startswith("MAX_"):
            power = f"2^{value.bit_length() - 1}"
            known = {10**100: "10^100", 10**9: "10^9", 2 * 10**7: "2 · 10^7"}
            spelled = known.get(value, power if value > 2000 and value & (value - 1) == 0 else None)
            assert (spelled or str(value)) in text, name
