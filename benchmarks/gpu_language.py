"""Pruned language models on one GPU: `python -m benchmarks.gpu_language`.

Weights are drawn on the device, so that no file travels.  Needs neither Ray nor Prefect, pydantic
nor transformers; `--device cpu --small` tries it on a CPU.  No figure has been taken yet.

    sparse     2:4 layers of 4096 x 4096 and 11008 x 4096, float16, 1 to 8192 rows, beside dense
    recipe     SmolLM2's shapes: Wanda, least squares, reconstruction, retraining, as functions
    large      OPT-30B's shapes in bfloat16: a step on biases and norms with checkpointing, and a
               block with MaskLoRA
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention, silu
from torch.utils.checkpoint import checkpoint

from benchmarks.calibration import calibrate
from tasks.pruning.language.adapters.reconstruction import Reconstruction, reconstruct_block
from tasks.pruning.language.adapters.retraining import Retraining, retrain
from tasks.pruning.language.files.semi_structured import semi_structured_speed
from tasks.pruning.language.layers.gram import gram_of
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.pruning import LayerPruning, prune_layer

SHAPES = ((4096, 4096), (11008, 4096))
ROWS = (1, 16, 256, 2048, 8192)
EXTRAPOLATED = 1000
"""Steps that a published retraining takes."""


@dataclass(frozen=True)
class Sizes:
    """Of a decoder."""

    width: int
    between: int
    heads: int
    blocks: int
    words: int
    gated: bool = True


SMOLLM2 = Sizes(576, 1536, 9, 30, 49152)
OPT_30B = Sizes(7168, 28672, 56, 48, 50272, gated=False)
SMALL = Sizes(64, 96, 4, 2, 128)


class Attention(nn.Module):
    """Causal, without positions, which change neither shapes nor costs that matter here."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, bias = sizes.width, not sizes.gated
        self.heads = sizes.heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=bias) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        parts = [each(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                 for each in (self.q, self.k, self.v)]  # fmt: skip
        return self.o(
            scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(2)
        )


class Perceptron(nn.Module):
    """Gated as Llama's, or with a ReLU as OPT's."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        bias = not sizes.gated
        self.up = nn.Linear(sizes.width, sizes.between, bias=bias)
        self.gate = nn.Linear(sizes.width, sizes.between, bias=bias) if sizes.gated else None
        self.down = nn.Linear(sizes.between, sizes.width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.up(x).relu() if self.gate is None else silu(self.gate(x)) * self.up(x)
        return self.down(inner)


class Block(nn.Module):
    """Attention and MLP with norms before them."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        norm = nn.RMSNorm if sizes.gated else nn.LayerNorm
        self.before, self.after = norm(sizes.width), norm(sizes.width)
        self.attention, self.mlp = Attention(sizes), Perceptron(sizes)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.before(x))
        return x + self.mlp(self.after(x))


class Decoder(nn.Module):
    """Embedding, blocks, norm, tied head."""

    def __init__(self, sizes: Sizes, *, recompute: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(sizes.words, sizes.width)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.blocks))
        self.norm = (nn.RMSNorm if sizes.gated else nn.LayerNorm)(sizes.width)
        self.recompute = recompute

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.recompute else block(x)
        return self.norm(x) @ self.embedding.weight.T


@dataclass(frozen=True)
class Batches:
    """Drawn tokens, equal for equal steps."""

    shape: tuple[int, int]
    words: int
    device: str

    def at(self, step: int) -> Iterator[Tensor]:
        """Endless batches."""
        while True:
            generator = torch.Generator().manual_seed(step)
            yield torch.randint(self.words, self.shape, generator=generator).to(self.device)
            step += 1


def next_token_loss(model: nn.Module, tokens: Tensor) -> Tensor:
    """Mean over all predicted tokens."""
    logits = model(tokens)[:, :-1].flatten(0, 1).float()
    return cross_entropy(logits, tokens[:, 1:].flatten())


def drawn(sizes: Sizes, device: str, dtype: torch.dtype, **options: Any) -> Decoder:
    """A decoder whose weights are made on the device."""
    torch.manual_seed(0)
    with torch.device(device):
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            return Decoder(sizes, **options)
        finally:
            torch.set_default_dtype(before)


@contextmanager
def measured(what: str, device: str) -> Iterator[Callable[[], float]]:
    """Print seconds, and the peak of the device's memory."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    yield lambda: time.perf_counter() - began
    if device == "cuda":
        torch.cuda.synchronize()
    memory = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device == "cuda" else ""
    print(f"  {what}: {time.perf_counter() - began:.2f} s{memory}", flush=True)


def sparse(device: str, small: bool) -> None:
    """Dense against 2:4 products; on a CPU there is nothing to compare."""
    if device != "cuda":
        print("  2:4 products need CUDA")
        return
    for row in semi_structured_speed(SHAPES, ROWS[:2] if small else ROWS, device):
        print(f"  {row}")


def recipe(device: str, small: bool) -> None:
    """Everything that `perp` does to a model, on drawn tokens."""
    sizes = SMALL if small else SMOLLM2
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model = drawn(sizes, device, dtype)
    shape, steps = ((2, 32), 2) if small else ((8, 512), 100)
    batches = Batches(shape, sizes.words, device)
    tokens = next(batches.at(0))
    with measured("Wanda, least squares for every layer", device):
        masks = pruned(model, tokens)
    with measured("attention and MLP of one block reconstructed, 50 steps each", device):
        rebuilt(model, masks, tokens, 2 if small else 50)
    for method in ("norms", "masklora", "full"):
        with measured(f"{steps} steps of {method}", device):
            plan = Retraining(steps, 1e-3, rank=4 if small else 16)
            found = retrain(model, masks, method, batches, plan, loss=next_token_loss)
        lost = sum(int((model.get_parameter(n)[~mask] != 0).sum()) for n, mask in masks.items())
        print(f"    {found.trained:,} trained, {lost} zeros lost, {found.fit.status}")


@torch.no_grad()
def pruned(model: Decoder, tokens: Tensor) -> dict[str, Tensor]:
    """Masks of all layers by Wanda, the best weights for them, block by block."""
    how = LayerPruning("wanda", Pattern.parse("0.5"), weights="least-squares")
    masks, x = {}, model.embedding(tokens)
    for number, block in enumerate(model.blocks):
        inputs = inputs_of(block, x)
        for name, layer in block.named_modules():
            if isinstance(layer, nn.Linear):
                found = prune_layer(layer.weight, gram_of(inputs[name]), how)
                layer.weight.copy_(found.weight)
                masks[f"blocks.{number}.{name}.weight"] = found.mask
        x = block(x)
    return masks


def inputs_of(block: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Inputs of the layers of a block."""
    found: dict[str, Tensor] = {}
    handles = [
        layer.register_forward_pre_hook(
            lambda _, given, name=name: found.__setitem__(name, given[0])
        )
        for name, layer in block.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    block(x)
    for handle in handles:
        handle.remove()
    return found


def rebuilt(model: Decoder, masks: dict[str, Tensor], tokens: Tensor, steps: int) -> None:
    """The first block fitted to a dense one."""
    block = model.blocks[0]
    dense = type(block)(SMALL if tokens.shape[1] < 100 else SMOLLM2).to(tokens.device)
    dense.to(block.before.weight.dtype).load_state_dict(block.state_dict())
    own = {
        name.removeprefix("blocks.0."): mask
        for name, mask in masks.items()
        if name.startswith("blocks.0.")
    }
    with torch.no_grad():
        for name in own:
            dense.get_parameter(name).add_(torch.randn_like(dense.get_parameter(name)) / 100)
        hidden = [model.embedding(tokens)]
    how = Reconstruction(num_steps=steps, rank=4 if steps < 10 else 16)
    found = reconstruct_block(dense, block, own, hidden, {}, ("attention", "mlp"), how)
    print(f"    loss of the block {found.loss_before:.3g} -> {found.loss_after:.3g}")


def large(device: str, small: bool) -> None:
    """Thirty billion parameters; steps beyond those taken are extrapolated, and called so."""
    sizes = SMALL if small else OPT_30B
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    steps, shape = 3, ((1, 32) if small else (1, 2048))
    with measured("weights drawn", device):
        model = drawn(sizes, device, dtype, recompute=True)
    print(f"  {sum(p.numel() for p in model.parameters()) / 1e9:.2f} billion parameters")
    batches = Batches(shape, sizes.words, device)
    plan = Retraining(steps, 1e-3, rank=4 if small else 16)
    began = time.perf_counter()
    with measured(f"{steps} steps on biases and norms", device):
        retrain(model, {}, "biases+norms", batches, plan, loss=next_token_loss)
    each = (time.perf_counter() - began) / steps
    print(f"  extrapolated: {EXTRAPOLATED} steps in {EXTRAPOLATED * each / 60:.0f} min")
    masks = masks_of_block(model, 0)
    with measured(f"{steps} steps of MaskLoRA on one block", device):
        retrain(model, masks, "masklora", batches, plan, loss=next_token_loss)


def masks_of_block(model: Decoder, number: int) -> dict[str, Tensor]:
    """Half of every row, by magnitude."""
    prefix = f"blocks.{number}."
    layers = {
        f"{prefix}{name}.weight": layer.weight
        for name, layer in model.blocks[number].named_modules()
        if isinstance(layer, nn.Linear)
    }
    return {name: Pattern(0.5).largest(w.detach().abs().float()) for name, w in layers.items()}


PARTS = {"sparse": sparse, "recipe": recipe, "large": large}


def main() -> int:
    """All parts, or some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", choices=PARTS, default=None)
    options = parser.parse_args()
    print(calibrate())
    for name, part in PARTS.items():
        if options.only in (None, name):
            print(f"{name}:", flush=True)
            part(options.device, options.small)
    return 0


if __name__ == "__main__":
    sys.exit(main())
