"""Small random language models of many families, for the tests."""

import pytest
import torch
from torch import nn

ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SIZES = {"vocab_size": 96, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
GROUPED = SIZES | ENDS | {"intermediate_size": 24, "num_key_value_heads": 2}
SLIDING = GROUPED | {"sliding_window": 4}
OPT = SIZES | ENDS | {"ffn_dim": 24, "max_position_embeddings": 32, "word_embed_proj_dim": 16}
GPT = {"vocab_size": 96, "n_embd": 16, "n_layer": 3, "n_head": 4, "n_positions": 32} | ENDS
NEO = {"vocab_size": 96, "hidden_size": 16, "num_layers": 2, "num_heads": 4, "window_size": 4,
       "max_position_embeddings": 32, "attention_types": [[["global", "local"], 1]]}  # fmt: skip
FAMILIES = {
    "opt": ("OPTConfig", OPT),
    "opt-350m": ("OPTConfig", OPT | {"word_embed_proj_dim": 8, "do_layer_norm_before": False}),
    "gpt2": ("GPT2Config", GPT),
    "llama": ("LlamaConfig", GROUPED),
    "mistral": ("MistralConfig", SLIDING),
    "qwen2": ("Qwen2Config", SLIDING | {"use_sliding_window": True, "max_window_layers": 1}),
    "qwen3": ("Qwen3Config", GROUPED | {"head_dim": 4, "tie_word_embeddings": True}),
    "gemma": ("GemmaConfig", GROUPED | {"head_dim": 8}),
    "gemma2": ("Gemma2Config", SLIDING | {"head_dim": 8}),
    "gemma3": ("Gemma3TextConfig", SLIDING | {"head_dim": 8}),
    "smollm3": ("SmolLM3Config", GROUPED),
    "phi3": ("Phi3Config", GROUPED),
    "gpt-neox": ("GPTNeoXConfig", SIZES | ENDS | {"intermediate_size": 24}),
    "gpt-neo": ("GPTNeoConfig", NEO | ENDS),
    "bloom": ("BloomConfig", {"vocab_size": 96, "hidden_size": 16, "n_layer": 3, "n_head": 4}),
}
ALL = pytest.mark.parametrize("family", FAMILIES)


def config_of(family):
    transformers = pytest.importorskip("transformers")
    name, settings = FAMILIES[family]
    return getattr(transformers, name)(**settings)


def random_model(family, seed=0):
    """Every parameter is drawn, norms and biases too, so that none can be mistaken for another."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config_of(family)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def loaded(folder, dtype=torch.float32):
    """As the library loads it."""
    transformers = pytest.importorskip("transformers")
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def tokens_of(windows=3, length=12):
    return torch.randint(3, 96, (windows, length), generator=torch.Generator().manual_seed(1))


def saved(folder, family, dtype=torch.float32, **options):
    """A folder below with a random model."""
    random_model(family).to(dtype).save_pretrained(folder / family, **options)
    return folder / family
