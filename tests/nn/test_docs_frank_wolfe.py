"""The page on constrained training, followed to the letter."""

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs/frank_wolfe.md"


def test_the_page_works_as_it_is_written(capsys):
    parts = re.findall(r"```python\n(.*?)```\n(?:```\n(.*?)```)?", PAGE.read_text(), re.S)
    assert len(parts) >= 6
    names: dict = {}
    with torch.random.fork_rng():
        for code, shown in parts:
            exec(compile(code, str(PAGE), "exec"), names)
            assert capsys.readouterr().out == shown
