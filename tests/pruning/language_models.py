"""Small language models in folders, texts in files, and runs of `perp` on them."""

from pathlib import Path

import torch

from flows import find_study
from tasks.pruning.language.config import PerpConfig
from tasks.pruning.language.texts.byte_tokenizer import save_byte_tokenizer

WORDS = (
    "the mask of a layer keeps what the inputs need and no weight comes back again".split()  # noqa: SIM905
)
WIDTH = 32


def write_text(folder: Path, seed: int = 0, documents: int = 30) -> Path:
    """Documents of drawn words, a file each."""
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    for number in range(documents):
        drawn = torch.randint(len(WORDS), (120,), generator=generator).tolist()
        text = f"document {number} of {seed}: " + " ".join(WORDS[word] for word in drawn)
        (folder / f"{number:02d}.txt").write_text(text, "utf-8")
    return folder


def llama(**changes):
    from transformers import LlamaConfig

    return LlamaConfig(**{
        "vocab_size": 256, "hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
        "bos_token_id": None, "eos_token_id": None, **changes,
    })  # fmt: skip


def gpt2(**changes):
    from transformers import GPT2Config

    return GPT2Config(**{
        "vocab_size": 256, "n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": 64,
        "bos_token_id": None, "eos_token_id": None, **changes,
    })  # fmt: skip


def opt(**changes):
    from transformers import OPTConfig

    return OPTConfig(**{
        "vocab_size": 256, "hidden_size": WIDTH, "word_embed_proj_dim": WIDTH, "ffn_dim": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64,
        "pad_token_id": None, "bos_token_id": None, "eos_token_id": None, **changes,
    })  # fmt: skip


def write_folder_of(config, folder: Path, dtype=torch.float32, seed: int = 0) -> Path:
    """A folder as Hugging Face writes it."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    save_byte_tokenizer(folder)
    return folder


def small_config(folder, training_text, other, **changes) -> PerpConfig:
    """A run of a few seconds."""
    values = {
        "model": folder if isinstance(folder, list) else str(folder),
        "text": str(training_text), "other_text": str(other), "context": 16,
        "calibration": 6, "batch_size": 4, "steps": 4, "rank": 2, "seeds": 1,
        "evaluation_sequences": 6, "checkpoint_steps": 2, "reconstruction_epochs": 2,
        "methods": ("norms",),
    }  # fmt: skip
    return PerpConfig(**(values | changes))


def perp():
    return find_study("perp")
