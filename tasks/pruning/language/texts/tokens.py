"""Tokens of a text in its four parts, and the windows of them that models see.

Documents of a part are joined by the token that models were trained to see between texts:
``<|endoftext|>`` if the tokenizer has it, else its token for the end of a sequence, else two ends
of lines.  A window is T tokens in a row; a model predicts all of them but the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from tasks.nn.data import text
from tasks.nn.data.documents import PARTS, Documents
from tasks.records import InputError, derive_seed

__all__ = ["TokenBatches", "Tokens", "calibration_windows", "check_lengths", "windows"]

_END_OF_TEXT = "<|endoftext|>"
_BREAK = "\n\n"
_DOCUMENTS = 64
"""Encoded at a time."""
_UNIT = "tokens"


@dataclass(frozen=True, eq=False)
class Tokens:
    """A text in four parts, as numbers of tokens.

    Attributes
    ----------
    name : str
        Of the text.
    calibration, training, validation, evaluation : int32 Tensor (N,)
    """

    name: str
    calibration: Tensor
    training: Tensor
    validation: Tensor
    evaluation: Tensor

    @classmethod
    def of(cls, documents: Documents, tokenizer: Any) -> Self:
        """Tokens of a text.

        Parameters
        ----------
        documents : Documents
        tokenizer : object
            With ``encode(text, add_special_tokens=False)``, which gives numbers; fast tokenizers of
            transformers encode many documents at a time.
        """
        between = _separator(tokenizer)
        found = documents.parts().items()
        return cls(documents.name, **{n: _joined(tokenizer, part, between) for n, part in found})

    @property
    def parts(self) -> dict[str, Tensor]:
        """Tokens by part."""
        return {part: getattr(self, part) for part in PARTS}

    @property
    def largest(self) -> int:
        """Largest number of a token."""
        return max(int(part.max()) for part in self.parts.values() if len(part))

    def to(self, device: torch.device | str) -> Self:
        """The same tokens on a device."""
        return replace(self, **{name: part.to(device) for name, part in self.parts.items()})

    def digest(self) -> str:
        """SHA-256 of the tokens of all parts."""
        digits = [f"{name} {_digest(part)}" for name, part in self.parts.items()]
        return hashlib.sha256("\n".join(digits).encode()).hexdigest()


@dataclass(frozen=True)
class TokenBatches:
    """Batches of windows of tokens in random order, a function of seed and step alone.

    Epoch e begins at an offset and visits the windows of T tokens in an order that depend on
    (seed, e), as those of `tasks.nn.data.text.TextBatches` do.

    Attributes
    ----------
    tokens : integer Tensor (N,)
        On the device where the batches are wanted.
    batch_size : int
        Windows B per batch.
    context : int
        Tokens T in a window.
    seed : int
    digest : str
        Of the tokens; tells batches of other texts apart.
    """

    tokens: Tensor = field(repr=False, compare=False)
    batch_size: int
    context: int
    seed: int
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(self.tokens))

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches in an epoch.

        Raises
        ------
        InputError
            If not even one batch fits.
        """
        return text.epoch_steps(self.tokens, self.context, self.batch_size, _UNIT)

    def at(self, step: int) -> Generator[Tensor]:
        """Endless batches, int64 (B, T), from a step on."""
        order = text.window_starts(
            self.tokens, self.context, self.batch_size, seed=self.seed, step=step, unit=_UNIT
        )
        for starts in order:
            yield text.windows(self.tokens, starts, self.context)[0]


def windows(tokens: Tensor, context: int) -> Tensor:
    """All windows of tokens (N,) from their beginning, none overlapping: int64 (N // T, T)."""
    number = len(tokens) // context
    return tokens[: number * context].view(number, context).long()


def calibration_windows(tokens: Tensor, context: int, count: int, seed: int) -> Tensor:
    """Random windows of tokens (N,), none overlapping another: int64 (count, T).

    The first ones of a larger count are those of a smaller one.

    Raises
    ------
    InputError
        If there are fewer windows.
    """
    number = len(tokens) // context
    if not 1 <= count <= number:
        raise InputError(
            f"{count} windows of {context} tokens from {len(tokens):,} tokens: take 1..{number}"
        )
    generator = torch.Generator().manual_seed(derive_seed(seed, "calibration"))
    offset = int(torch.randint(len(tokens) - number * context + 1, (), generator=generator))
    rows = torch.randperm(number, generator=generator)[:count]
    return windows(tokens[offset:], context)[rows.to(tokens.device)]


def check_lengths(
    tokens: Tokens,
    context: int,
    *,
    num_calibration: int,
    batch_size: int = 1,
    longest: int | None = None,
    vocabulary: int | None = None,
) -> None:
    """Refuse a text that is too short, and a model that is too small for it.

    Parameters
    ----------
    tokens : Tokens
    context : int
        Tokens T in a window.
    num_calibration, batch_size : int
        Windows that are needed at once to calibrate and to train; one is to evaluate.
    longest, vocabulary : int, optional
        Positions and tokens of the model.

    Raises
    ------
    InputError
        Says what there is and what is needed.
    """
    if context < 2:
        raise InputError(f"a context of {context} tokens predicts nothing; take at least 2")
    if longest is not None and context > longest:
        raise InputError(
            f"a context of {context:,} tokens is longer than the model, which has {longest:,} "
            f"positions; take at most {longest:,}"
        )
    # Epochs begin at an offset of less than a window.
    needed = {"calibration": num_calibration * context, "training": (batch_size + 1) * context,
              "validation": context, "evaluation": context}  # fmt: skip
    if any(len(part) < needed[name] for name, part in tokens.parts.items()):
        raise InputError(
            f"{tokens.name} has {_numbers({n: len(p) for n, p in tokens.parts.items()})} tokens; "
            f"{_numbers(needed)} are needed for {num_calibration} windows of calibration, "
            f"{batch_size} at a time of training and 1 of the rest, {context:,} tokens each: take "
            "a longer text, a shorter context or fewer windows"
        )
    if vocabulary is not None and tokens.largest >= vocabulary:
        raise InputError(
            f"the tokenizer gives token {tokens.largest:,} and the model has {vocabulary:,}: "
            "they are not of one model"
        )


def _numbers(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} ({name})" for name, count in counts.items())


def _separator(tokenizer: Any) -> list[int]:
    """Tokens between two documents."""
    known = getattr(tokenizer, "get_vocab", dict)()
    end = known.get(_END_OF_TEXT, getattr(tokenizer, "eos_token_id", None))
    return tokenizer.encode(_BREAK, add_special_tokens=False) if end is None else [end]


def _joined(tokenizer: Any, documents: Sequence[str], between: list[int]) -> Tensor:
    separator = torch.tensor(between, dtype=torch.int32)
    parts = []
    for numbers in _encoded(tokenizer, documents):
        parts += [torch.tensor(numbers, dtype=torch.int32), separator]
    return torch.cat(parts[:-1]) if parts else separator[:0]


def _encoded(tokenizer: Any, documents: Sequence[str]) -> Iterator[list[int]]:
    if not getattr(tokenizer, "is_fast", False):
        for document in documents:
            yield tokenizer.encode(document, add_special_tokens=False)
        return
    for start in range(0, len(documents), _DOCUMENTS):
        some = list(documents[start : start + _DOCUMENTS])
        # Not verbose: documents are longer than the model, whose windows are cut afterwards.
        yield from tokenizer(
            some, add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]


def _digest(tokens: Tensor) -> str:
    return hashlib.sha256(tokens.to("cpu", torch.int32).contiguous().numpy().data).hexdigest()
