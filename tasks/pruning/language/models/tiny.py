"""Models of half a million to a million parameters, on bytes: the shapes of three families.

=============  =========================================================================
tiny-gpt2      fused queries, keys and values; weights stored transposed; learned positions
tiny-opt       biases everywhere; learned positions; ReLU
tiny-llama     no biases; rotary positions; two heads of keys and values for four of queries
=============  =========================================================================

Each has 4 blocks of width 128, a tied head and 256 tokens, one for every byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tasks.pruning.language.models.library import quiet
from tasks.pruning.language.texts.byte_tokenizer import save_byte_tokenizer
from tasks.records import InputError

__all__ = ["MAX_CONTEXT", "tiny_config", "tiny_model", "write_model"]

MAX_CONTEXT = 512
_WIDTH, _BLOCKS, _HEADS, _NUM_BYTES = 128, 4, 4, 256


def _gpt2() -> Any:
    from transformers import GPT2Config

    sizes = {"n_positions": MAX_CONTEXT, "n_embd": _WIDTH, "n_layer": _BLOCKS, "n_head": _HEADS}
    no_dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    return GPT2Config(vocab_size=_NUM_BYTES, **sizes, **no_dropout, **_NO_ENDS)


def _opt() -> Any:
    from transformers import OPTConfig

    return OPTConfig(
        vocab_size=_NUM_BYTES,
        hidden_size=_WIDTH,
        word_embed_proj_dim=_WIDTH,
        ffn_dim=4 * _WIDTH,
        num_hidden_layers=_BLOCKS,
        num_attention_heads=_HEADS,
        max_position_embeddings=MAX_CONTEXT,
        dropout=0.0,
        pad_token_id=None,
        **_NO_ENDS,
    )


def _llama() -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=_NUM_BYTES,
        hidden_size=_WIDTH,
        intermediate_size=352,
        num_hidden_layers=_BLOCKS,
        num_attention_heads=_HEADS,
        num_key_value_heads=_HEADS // 2,
        max_position_embeddings=MAX_CONTEXT,
        tie_word_embeddings=True,
        **_NO_ENDS,
    )


_NO_ENDS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None}
_CONFIGS: dict[str, Callable[[], Any]] = {
    "tiny-gpt2": _gpt2,
    "tiny-opt": _opt,
    "tiny-llama": _llama,
}


def tiny_config(name: str) -> Any:
    """Config of a tiny model, as transformers has it."""
    try:
        return _CONFIGS[name]()
    except ImportError as error:
        raise InputError(
            f"{name} needs the extra language: pip install 'latticework[language]'"
        ) from error


def tiny_model(name: str, seed: int) -> nn.Module:
    """Network with random weights, a function of the seed; the caller's random state is kept."""
    from transformers import AutoModelForCausalLM

    config = tiny_config(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).float()


def write_model(model: nn.Module, folder: Path) -> None:
    """A folder as Hugging Face writes it, with the tokenizer of bytes."""
    with quiet():
        model.save_pretrained(folder)  # pyrefly: ignore[not-callable]
    save_byte_tokenizer(folder)
    # Which release wrote it would change the content from machine to machine.
    for path in folder.glob("*config.json"):
        entries = json.loads(path.read_text("utf-8"))
        entries.pop("transformers_version", None)
        path.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", "utf-8")
