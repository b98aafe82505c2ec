"""The text beside a pruned model: what it is, and how it is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["model_card"]

_LICENSE = re.compile(r"^(license(?:_name|_link)?): *(\S.*)$", re.MULTILINE)

_PLAIN = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("FOLDER", dtype="auto")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
```

Names, shapes, kinds of numbers and files of the weights are those of the source, so whatever loads
the source loads this folder: transformers, llama.cpp's converter, and vLLM
(`vllm serve FOLDER`). vLLM dropped its kernels for sparse weights in 2026 and computes with the
zeros like with any number: the model takes as much time and memory as its source.

`pruning/masks.safetensors` holds one bit per pruned weight, by name of the parameter; its metadata
hold the shapes. `numpy.unpackbits(bits, bitorder="little", count=rows * width)` gives a mask.
Whoever trains the model further multiplies what is added to the weights with these masks, so that
no zero is lost.
"""

_PACKED = """\
The folder is compressed: `model.packed.safetensors` holds the kept weights and where they lie.

```python
from load_packed import load    # the file in this folder; it needs torch, safetensors, transformers

model = load("FOLDER")          # equal bits as the folder that is not compressed
```

`python load_packed.py FOLDER --to PLAIN` writes a plain folder, which transformers, llama.cpp's
converter and vLLM load. vLLM dropped its kernels for sparse weights in 2026: it runs the model as a
dense one, as fast as its source. Masks: `load_packed.PackedWeights("FOLDER").masks`.
"""


def model_card(about: Mapping[str, Any], source: Path | None, *, compressed: bool) -> str:
    """Text of ``README.md``.

    Parameters
    ----------
    about : mapping
        Content of ``pruning.json``.
    source : Path, optional
        The text beside the source, whose licence is taken over.
    compressed : bool
    """
    counts, facts = about["parameters"], about["provenance"]
    pruned = f"{about['sparsity']:.2%} of the weights of {len(about['layers'])} layers are zero"
    share = f"({counts['pruned']:,} of {counts['all']:,} parameters of the model)"
    rows = [f"| {name} | {_cell(value)} |" for name, value in facts.items()]
    table = ["| | |", "|---|---|", *rows, ""] if rows else []
    lines = [
        *_front_matter(source, is_pruned=bool(about["layers"])),
        "# A pruned language model" if about["layers"] else "# A language model",
        "",
        f"{pruned} {share}." if about["layers"] else "No weight is pruned; it has no masks.",
        "Counts per layer and digests of all files stand in `pruning.json`.",
        "",
        *table,
        "## Loading",
        "",
        _PACKED if compressed else _PLAIN,
    ]
    if source is not None:
        lines += ["What the authors of the source say of it stands in `README.source.md`.", ""]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return " ".join(f"{value}".replace("|", "\\|").split())


def _front_matter(source: Path | None, *, is_pruned: bool) -> list[str]:
    """What a hub reads: the licence of the source, kind and labels."""
    text = source.read_text(encoding="utf-8", errors="replace") if source else ""
    head = text.split("\n---", 1)[0] if text.startswith("---") else ""
    licence = [f"{name}: {value.strip()}" for name, value in _LICENSE.findall(head)]
    labels = ["tags:", "- pruned", "- sparse"] if is_pruned else []
    return ["---", *licence, "library_name: transformers", "pipeline_tag: text-generation",
            *labels, "---", ""]  # fmt: skip
