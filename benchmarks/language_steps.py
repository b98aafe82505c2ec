"""Steps of retraining a language model: seconds and memory of few parameters against all.

A step is the one of `tasks.nn.fit`: forward, backward, clipping, AdamW.  Times are CPU seconds, the
best of some turns, interleaved so that a busy machine slows all of them.

Memory is what a step needs beyond weights and activations, counted in bytes of tensors:

    gradients and moments    of what is trained;
    masks                    where they are needed: frozen weights stay zero without;
    kept for the backward    what autograd keeps from the forward to the backward pass that does not
    pass                     grow with the batch: s(b) bytes for a batch of b, 2 s(b) - s(2b).

The full step is that of a pruned model, whose masks are in force.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.turns import fastest
from tasks.nn import TrainingState, seeded_generator, train_steps
from tasks.nn.sparsity import hold_masks
from tasks.pruning.language.adapters.attaching import attach
from tasks.pruning.language.adapters.retraining import adamw, falling_rate
from tasks.pruning.language.adapters.trainees import (
    Trainees,
    select,
    training_flags,
    without_cache,
)
from tasks.pruning.language.methods import Method, parse_method
from tasks.pruning.language.models.subsets import trained_names

METHODS = ("full", "biases+norms", "masklora")
BARS = {"biases+norms": (0.75, 0.05), "masklora": (1.2, 0.4)}
"""Largest seconds and bytes over those of the full step."""
SECONDS = 60.0
SEQUENCES, LENGTH = 2, 512
RANK, ALPHA = 16, 32.0


@dataclass(frozen=True)
class Cost:
    """Of one step of a method."""

    seconds: float
    extra_bytes: int


def smollm2_part(num_layers: int = 6) -> nn.Module:
    """SmolLM2-135M's blocks, fewer of them, and as large a share of embeddings; random weights."""
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = LlamaConfig(
        vocab_size=49152 * num_layers // 30,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=num_layers,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config)


def half_masks(model: nn.Module) -> dict[str, Tensor]:
    """Masks of half of the weights inside of blocks, at random."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(parameter.shape, generator=generator) < 0.5
        for name, parameter in model.named_parameters()
        if ".layers." in name and parameter.ndim == 2
    }


def next_token_loss(model: nn.Module, tokens: Tensor) -> Tensor:
    """Mean cross entropy of every token but the first."""
    logits = model(input_ids=tokens).logits
    return cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


class Contestant:
    """A model under a method, ready for steps."""

    def __init__(self, model: nn.Module, masks: Mapping[str, Tensor], method: Method) -> None:
        self.model = copy.deepcopy(model)
        flags, attached = training_flags(self.model), []
        names = trained_names(self.model, method)
        if method.adapter:
            generator = torch.Generator().manual_seed(0)
            attached.append(
                attach(self.model, masks, method.adapter, rank=RANK, alpha=ALPHA,
                       generator=generator)
            )  # fmt: skip
        self.trainees: Trainees = select(self.model, names, attached, flags=flags)
        optimizer = adamw(self.trainees, 0.0)
        self.held = dict(masks) if method.alone == "full" else {}
        hold_masks(self.model, self.held, optimizer)
        self.state = TrainingState(
            self.trainees.trainable,
            optimizer,
            falling_rate(1e-4, 0.1, 10**6),
            generator=seeded_generator(0),
        )

    def step(self, tokens: Tensor) -> None:
        """One step on these tokens."""
        batches = islice(iter(lambda: tokens, None), 1)
        with without_cache(self.model):
            train_steps(
                self.state,
                batches,
                lambda trainable, batch: next_token_loss(trainable.model, batch),
                until=self.state.step + 1,
            )

    def extra_bytes(self, tokens: Tensor) -> int:
        """Beyond weights and activations, after a step."""
        trained = list(self.trainees.trainable.trained.values())
        moments = [v for each in self.state.optimizer.state.values() for v in each.values()]
        masks = [layer.mask for a in self.trainees.attached for layer in a.layers.values()]
        masks += list(self.held.values())
        gradients = [p.grad for p in trained]
        found = sum(_size(tensor) for tensor in (*gradients, *moments, *masks))
        once, twice = (self._kept(tokens.repeat(times, 1)) for times in (1, 2))
        return found + max(2 * once - twice, 0)

    def _kept(self, tokens: Tensor) -> int:
        """Bytes that autograd keeps, beside parameters and masks."""
        known = {p.untyped_storage().data_ptr() for p in self.model.parameters()}
        for each in self.trainees.attached:
            known |= {_place(layer.mask) for layer in each.layers.values()}
        kept: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            kept[_place(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        with (
            without_cache(self.model),
            torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        ):
            loss = next_token_loss(self.model, tokens)
        del loss
        return sum(size for place, size in kept.items() if place not in known)


def step_costs(
    model: nn.Module, masks: Mapping[str, Tensor], tokens: Tensor, seconds: float = SECONDS
) -> dict[str, Cost]:
    """Cost of a step of every method.

    Parameters
    ----------
    tokens : int64 Tensor (sequences, length)
    seconds : float
        For all measurements of time together.
    """
    contestants = {name: Contestant(model, masks, parse_method(name)) for name in METHODS}
    calls: dict[str, Callable[[], Any]] = {
        name: lambda each=each: each.step(tokens) for name, each in contestants.items()
    }
    times = fastest(calls, seconds)
    return {name: Cost(times[name], each.extra_bytes(tokens)) for name, each in contestants.items()}


def step_ratios(
    model: nn.Module, masks: Mapping[str, Tensor], tokens: Tensor, seconds: float = SECONDS
) -> dict[str, tuple[float, float]]:
    """Seconds and extra bytes of a step over those of a full step, by method."""
    costs = step_costs(model, masks, tokens, seconds)
    full = costs.pop("full")
    return {
        name: (cost.seconds / full.seconds, cost.extra_bytes / full.extra_bytes)
        for name, cost in costs.items()
    }


def report(ratios: Mapping[str, tuple[float, float]]) -> bool:
    """Print ratios beside their bars; whether all are met."""
    met = True
    for name, found in ratios.items():
        for what, ratio, bar in zip(("seconds", "memory"), found, BARS[name], strict=True):
            verdict = "ok" if ratio <= bar else f"above {bar}"
            print(f"step of {name}: {ratio:.3f}x the {what} of a full one ({verdict})")
            met = met and ratio <= bar
    return met


def steps(full: bool = False) -> bool:
    """Steps on blocks of SmolLM2's shapes, all 30 of them if that is asked for."""
    return report(measured(30 if full else 6, SECONDS))


def measured(num_layers: int, seconds: float) -> dict[str, tuple[float, float]]:
    """Ratios of a model with so many blocks."""
    model = smollm2_part(num_layers)
    tokens = torch.randint(
        model.config.vocab_size,
        (SEQUENCES, LENGTH),
        generator=torch.Generator().manual_seed(0),
    )
    return step_ratios(model, half_masks(model), tokens, seconds)


def _size(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.numel() * tensor.element_size()


def _place(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.untyped_storage().data_ptr()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--layers", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    report(measured(options.layers, options.seconds))


if __name__ == "__main__":
    main()
