"""How well a language model predicts windows of tokens.

With p the model and x a window of T tokens,

    NLL(x)      = - sum over t = 2..T of log p(x_t | x_1..x_(t-1)),
    perplexity  = exp(sum of NLL over windows that do not overlap / number of predicted tokens).

Logarithms are those of float32 logits and sums are float64.  A model is a module that gives logits
(B, T, V) for tokens (B, T), or an output of transformers that has them.  Logits that are not finite
give a perplexity that is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tasks.nn.evaluation import evaluating
from tasks.records import InputError

__all__ = ["Perplexity", "nll_of_logits", "nll_of_windows", "perplexity", "token_loss"]

_LOGIT_BYTES = 2**27
"""Of the logits of a batch, which is smaller if they would be more, but at least a window."""
_CHUNK = 2**23
"""Logits that are made float32 at a time: 32 MiB, and as much for their logarithms."""
_NOT_PREDICTED = -100


@dataclass(frozen=True)
class Perplexity:
    """Negative log-likelihood of tokens.

    Attributes
    ----------
    nll : float
        Sum over the tokens, in nats.
    num_tokens : int
        Predicted.
    """

    nll: float
    num_tokens: int

    @classmethod
    def of(cls, nll: Tensor, context: int) -> Self:
        """Perplexity of the negative log-likelihoods (N,) of windows of T tokens."""
        return cls(float(nll.double().sum()), len(nll) * (context - 1))

    @property
    def log_value(self) -> float:
        """Mean per token, in nats."""
        return self.nll / self.num_tokens

    @property
    def value(self) -> float:
        """The perplexity: infinite or not a number if the logits were."""
        try:
            return math.exp(self.log_value)
        except OverflowError:
            return math.inf


def perplexity(model: nn.Module, windows: Tensor, *, batch_size: int) -> Perplexity:
    """Perplexity of a model on windows (N, T), in evaluation mode.

    Parameters
    ----------
    model : nn.Module
    windows : integer Tensor (N, T)
    batch_size : int
        Windows at a time, at most; fewer if their logits would take more than 128 MiB.

    Raises
    ------
    InputError
        Without windows, or if they have fewer than two tokens.
    """
    nll = nll_of_windows(model, windows, batch_size=batch_size)
    return Perplexity.of(nll, windows.shape[1])


def nll_of_windows(model: nn.Module, windows: Tensor, *, batch_size: int) -> Tensor:
    """Negative log-likelihood of each of the windows (N, T): float64 (N,), on the CPU.

    Differences between models on the same windows are paired.
    """
    if windows.ndim != 2 or not len(windows) or windows.shape[1] < 2 or batch_size < 1:
        raise InputError(
            f"windows of shape {tuple(windows.shape)} in batches of {batch_size}: wanted are at "
            "least 1 window of at least 2 tokens in batches of at least 1"
        )
    with evaluating(model), torch.inference_mode():
        return torch.cat(list(_nll_of_batches(model, windows, batch_size)))


def _nll_of_batches(model: nn.Module, windows: Tensor, batch_size: int) -> Iterator[Tensor]:
    first = next(model.parameters(), windows)
    # The first window alone tells how large logits are.
    start, size = 0, 1
    while start < len(windows):
        batch = windows[start : start + size].to(first.device, torch.int64)
        logits = _logits(model, batch)
        yield nll_of_logits(logits, batch).cpu()
        start += size
        size = max(min(batch_size, _LOGIT_BYTES // (logits[0].numel() * logits.itemsize)), 1)


def nll_of_logits(logits: Tensor, windows: Tensor) -> Tensor:
    """Negative log-likelihood of windows (B, T) by the logits (B, T, V) of their tokens: (B,).

    Each logit predicts the token after its own; float64.
    """
    size = max(_CHUNK // logits.shape[-1], 1)
    return torch.stack([
        torch.stack([
            cross_entropy(some.float(), following, reduction="none").double().sum()
            for some, following in zip(row[:-1].split(size), window[1:].split(size), strict=True)
        ]).sum()
        for row, window in zip(logits, windows, strict=True)
    ])  # fmt: skip


def token_loss(model: nn.Module, batch: Tensor) -> Tensor:
    """Mean negative log-likelihood per predicted token of windows (B, T), to train on: ()."""
    following = batch.roll(-1, dims=1)
    following[:, -1] = _NOT_PREDICTED
    logits = _logits(model, batch).flatten(0, 1).float()
    return cross_entropy(logits, following.flatten(), ignore_index=_NOT_PREDICTED)


def _logits(model: nn.Module, tokens: Tensor) -> Tensor:
    """Logits (B, T, V), without the cache that models of transformers keep to generate text."""
    settings: dict[str, Any] = {"use_cache": False} if hasattr(model, "config") else {}
    found = model(tokens, **settings)
    return found if isinstance(found, Tensor) else found.logits
