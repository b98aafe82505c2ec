"""The pages on constrained training and on compression, followed to the letter."""

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("page", "least"), [("frank_wolfe.md", 6), ("compression.md", 1)])
def test_the_page_works_as_it_is_written(capsys, page, least):
    text = (DOCS / page).read_text()
    parts = re.findall(r"```python\n(.*?)```\n(?:```\n(.*?)```)?", text, re.S)
    assert len(parts) >= least
    names: dict = {}
    with torch.random.fork_rng():
        for code, shown in parts:
            exec(compile(code, page, "exec"), names)
            assert capsys.readouterr().out == shown
