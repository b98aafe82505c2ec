"""The page on networks of one's own, followed to the letter."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import main

pytestmark = pytest.mark.flow
PAGE = Path(__file__).parents[2] / "docs/own_networks.md"


def run_script(name, folder):
    """Standard output of a script in a folder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, name]
    found = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_page_works_as_it_is_written(prefect_api, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    printed = {}
    for kind, text in re.findall(r"```(python|bash)\n(.*?)```", PAGE.read_text(), re.S):
        if kind == "python":
            name = re.match(r"# (\w+\.py)\n", text)[1]
            (tmp_path / name).write_text(text)
            printed[name] = run_script(name, tmp_path)
            continue
        for line in text.splitlines():
            words = [w for word in shlex.split(line) for w in expanded(word, tmp_path)]
            assert words[0] == "latticework"
            here = ["--address", "serial"] if words[1] in ("run", "soup") else []
            out = [] if words[1] == "predict" else ["--out", "results"]
            assert main([*words[1:], *here, *out]) == 0
            printed[words[1]] = capsys.readouterr().out
    assert re.fullmatch(r"accuracy 0\.9\d+, as promised: True, zeros \d+\n", printed["use.py"]), (
        printed["use.py"]
    )
    assert printed["python_only.py"] == "0.50 pruned, accuracy above 0.8: True\n"
    assert re.match(r"digits.npz\[0\]: \d [\d.]+ %, \d [\d.]+ %, \d [\d.]+ %\n", printed["predict"])
    assert "soup-uniform: accuracy" in printed["soup"]
    assert "best model by validation data" in printed["run"]
    shutil.rmtree(tmp_path / "results")


def expanded(word, folder):
    """As a shell does it."""
    return [str(path.relative_to(folder)) for path in folder.glob(word)] if "*" in word else [word]
