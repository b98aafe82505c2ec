"""Folders, structure and block-by-block computation of language models, against transformers."""

import json
import shutil

import pytest
import torch
from torch import nn

transformers = pytest.importorskip("transformers")

from tasks.pruning.language.models.blocks import LanguageModel  # noqa: E402
from tasks.pruning.language.models.folders import ModelFolder, names_not_finite  # noqa: E402
from tasks.pruning.language.models.skeletons import skeleton  # noqa: E402
from tasks.pruning.language.models.structure import find_structure  # noqa: E402
from tasks.records import InputError  # noqa: E402

ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SIZES = {"vocab_size": 96, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
GROUPED = SIZES | ENDS | {"intermediate_size": 24, "num_key_value_heads": 2}
SLIDING = GROUPED | {"sliding_window": 4}
OPT = SIZES | ENDS | {"ffn_dim": 24, "max_position_embeddings": 32, "word_embed_proj_dim": 16}
GPT = {"vocab_size": 96, "n_embd": 16, "n_layer": 3, "n_head": 4, "n_positions": 32} | ENDS
NEO = {
    "num_layers": 2,
    "hidden_size": 16,
    "vocab_size": 96,
    "max_position_embeddings": 32,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 1]],
}
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
    "gpt-neo": ("GPTNeoConfig", ENDS | NEO | {"window_size": 4}),
    "bloom": (
        "BloomConfig",
        {"vocab_size": 96, "hidden_size": 16, "n_layer": 3, "n_head": 4} | ENDS,
    ),
}
ALL = pytest.mark.parametrize("family", FAMILIES)
FEW = pytest.mark.parametrize("family", ["opt", "gpt2", "llama"])


def config_of(family):
    name, settings = FAMILIES[family]
    return getattr(transformers, name)(**settings)


def random_model(family, seed=0):
    """Every parameter is drawn, norms and biases too, so that none can be mistaken for another."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config_of(family)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture
def saved(tmp_path):
    """A function that saves a random model of a family; gives the folder."""

    def save(family, dtype=torch.float32, **options):
        folder = tmp_path / family
        random_model(family).to(dtype).save_pretrained(folder, **options)
        return folder

    return save


def tokens_of(windows=3, length=12):
    return torch.randint(3, 96, (windows, length), generator=torch.Generator().manual_seed(1))


def loaded(folder, dtype=torch.float32):
    found = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    return found.eval()


@ALL
def test_walking_block_by_block_gives_the_logits_of_the_whole_model(saved, family):
    folder = saved(family)
    model = LanguageModel.open(ModelFolder.open(folder))
    tokens = tokens_of()
    with torch.no_grad():
        expected = loaded(folder)(tokens).logits
        whole = model.load()(tokens).logits
    found = torch.cat(list(model.logits(model.walk(model.hidden(tokens, 2)))))
    torch.testing.assert_close(whole, expected, rtol=0, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
