"""Small language models in folders, with masks, for tests of files."""

import torch

HALF_MASKED = {
    "llama": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "opt": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    "gpt2": ("c_attn", "c_proj", "c_fc"),
}
"""Ends of the names of layers."""


def config_of(kind, *, tied=True):
    """Two layers of width 32, 256 tokens."""
    import transformers

    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    same = {"vocab_size": 256, "tie_word_embeddings": tied, **ends}
    if kind == "gpt2":
        return transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64, **same)
    same |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    same |= {"max_position_embeddings": 64}
    if kind == "opt":
        return transformers.OPTConfig(ffn_dim=64, word_embed_proj_dim=32, **same)
    return transformers.LlamaConfig(intermediate_size=64, num_key_value_heads=2, **same)


def new_model(kind, *, dtype=torch.float32, tied=True, seed=0):
    """A network with weights that are drawn."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config_of(kind, tied=tied)).to(dtype).eval()


def save(model, folder, *, shard="1GB"):
    """A folder as transformers saves it, and a tokenizer that only has to be copied."""
    model.save_pretrained(folder, max_shard_size=shard)
    (folder / "tokenizer.json").write_text('{"version": "1.0"}\n')
    (folder / "LICENSE").write_text("as it pleases\n")
    return folder


def layer_names(model):
    """Weights of the layers in the blocks."""
    ends = HALF_MASKED[model.config.model_type]
    named = model.state_dict().items()
    return [n for n, w in named if w.ndim == 2 and n.removesuffix(".weight").endswith(ends)]


def half_masks(model, seed=1):
    """Masks that keep half of all weights of each row of each layer."""
    state, generator = model.state_dict(), torch.Generator().manual_seed(seed)
    return {name: drawn_mask(state[name].shape, generator) for name in layer_names(model)}


def drawn_mask(shape, generator, kept=0.5):
    """A mask that keeps this share of every row."""
    order = torch.rand(shape, generator=generator).argsort(dim=1)
    return order < round(kept * shape[1])


def groups_mask(shape, kept=2, group=4, seed=1):
    """A mask n:m along the second axis."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(-(-shape[0] * shape[1] // group), group, generator=generator).argsort(dim=1)
    return (order < kept).view(shape)


def logits(model, seed=2):
    """Of drawn tokens."""
    tokens = torch.randint(256, (2, 16), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return model(tokens).logits


def load(folder):
    """The model that transformers makes of a folder."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto", local_files_only=True).eval()
