"""Structure and block-by-block computation of language models, against transformers."""

import pytest
import torch
from model_families import ALL, config_of, loaded, random_model, saved, tokens_of
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from tasks.pruning.language.methods import parse_method
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.models.estimates import estimate
from tasks.pruning.language.models.folders import ModelFolder
from tasks.pruning.language.models.skeletons import skeleton
from tasks.pruning.language.models.structure import described, find_structure
from tasks.pruning.language.models.subsets import num_parameters, num_trained, subset
from tasks.records import InputError

transformers = pytest.importorskip("transformers")


# --- skeletons ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["opt", "llama", "gemma3", "gpt-neo"])
def test_a_skeleton_has_the_buffers_of_a_model_and_no_weights(family):
    expected = transformers.AutoModelForCausalLM.from_config(config_of(family))
    random = torch.get_rng_state()
    found = skeleton(config_of(family))
    assert torch.equal(torch.get_rng_state(), random) and not found.training
    assert all(parameter.is_meta for parameter in found.parameters())
    buffers = dict(found.named_buffers())
    assert buffers.keys() == dict(expected.named_buffers()).keys()
    for name, buffer in expected.named_buffers():
        torch.testing.assert_close(buffers[name], buffer, rtol=0, atol=0)
    assert {n: p.shape for n, p in found.state_dict().items()} == {
        n: p.shape for n, p in expected.state_dict().items()
    }


# --- structure ----------------------------------------------------------------------------------

OPT = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
       "fc1", "fc2"]  # fmt: skip
GPT2 = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]
LLAMA = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
         "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]  # fmt: skip
PHI3 = ["self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"]
NEOX = ["attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"]
BLOOM = [name.replace("attention.", "self_attention.") for name in NEOX]
STRUCTURES = {
    "opt": ("model.decoder.layers", OPT, ["self_attn", "fc1", "fc2"]),
    "gpt2": ("transformer.h", GPT2, ["attn", "mlp"]),
    "llama": ("model.layers", LLAMA, ["self_attn", "mlp"]),
    "gemma2": ("model.layers", LLAMA, ["self_attn", "mlp"]),
    "phi3": ("model.layers", PHI3, ["self_attn", "mlp"]),
    "gpt-neox": ("gpt_neox.layers", NEOX, ["attention", "mlp"]),
    "bloom": ("transformer.h", BLOOM, ["self_attention", "mlp"]),
}


@pytest.mark.parametrize("family", STRUCTURES)
def test_blocks_layers_and_parts_are_found_in_the_order_of_their_calls(family):
    blocks, layers, parts = STRUCTURES[family]
    found = find_structure(skeleton(config_of(family)))
    assert found.blocks == tuple(f"{blocks}.{i}" for i in range(len(found.blocks)))
    assert [x.name for x in found.of_block(1)] == [f"{blocks}.1.{name}" for name in layers]
    assert [part.name for part in found.parts[1]] == [f"{blocks}.1.{name}" for name in parts]
    assert [part.kind for part in found.parts[1]] == ["attention"] + ["mlp"] * (len(parts) - 1)
    assert sum((part.layers for part in found.parts[1]), ()) == tuple(
        x.name for x in found.of_block(1)
    )
    assert found.returns_tuple == (family == "bloom")
    assert find_structure(random_model(family)) == found


@ALL
def test_layers_map_inputs_to_outputs_and_vectors_are_norms_or_biases(family):
    model = random_model(family)
    found = find_structure(model)
    assert found.is_tied == model.config.tie_word_embeddings
    for layer in found.of_block(1):
        module = model.get_submodule(layer.name)
        assert module(torch.zeros(2, layer.width)).shape == (2, layer.rows)
        assert layer.transposed == (family == "gpt2")
        assert model.get_parameter(layer.weight) is module.weight
    vectors = {name for name, p in model.named_parameters() if p.ndim == 1}
    norms, biases = subset(model, "norms"), subset(model, "biases")
    assert {*norms, *biases} == vectors
    modules = [n for n, m in model.named_modules() if "norm" in type(m).__name__.lower()]
    assert {name.rpartition(".")[0] for name in norms} == {*modules}
    assert found.head == tuple(n for n in model.state_dict() if n.startswith("lm_head"))


def test_one_block_is_a_list_of_equal_blocks():
    config = config_of("llama")
    config.num_hidden_layers = 1
    assert find_structure(skeleton(config)).blocks == ("model.layers.0",)


def test_encoders_experts_and_models_without_blocks_are_refused():
    sizes = {"vocab_size": 96, "hidden_size": 16, "num_attention_heads": 4, "num_hidden_layers": 2}
    encoder = transformers.BertConfig(**sizes, intermediate_size=24)
    with pytest.raises(InputError, match=r"an encoder, it sees later tokens; looked for a decoder"):
        find_structure(skeleton(encoder))
    experts = transformers.MixtralConfig(
        **sizes, intermediate_size=24, num_key_value_heads=2, num_local_experts=3
    )
    with pytest.raises(InputError, match=r"model.layers.0.mlp.experts.gate_up_proj holds experts"):
        find_structure(skeleton(experts))
    with pytest.raises(InputError, match="has no list of blocks; looked for a decoder"):
        find_structure(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    pair = transformers.T5Config(vocab_size=96, d_model=16, num_layers=2, num_heads=4)
    with pytest.raises(InputError, match=r"no causal language model can be made of .* type t5"):
        skeleton(pair)


# --- blocks -------------------------------------------------------------------------------------


@ALL
def test_walking_block_by_block_gives_the_logits_of_the_whole_model(tmp_path, family):
    folder = saved(tmp_path, family)
    model = LanguageModel.open(ModelFolder.open(folder))
    tokens = tokens_of()
    reference = loaded(folder)
    with torch.no_grad():
        expected = [reference(batch).logits for batch in tokens.split(2)]
        whole = [model.load()(batch).logits for batch in tokens.split(2)]
    found = list(model.logits(model.walk(model.hidden(tokens, 2))))
    for each in (whole, found):
        torch.testing.assert_close(each, expected, rtol=0, atol=0)


def test_every_block_gets_its_own_mask(tmp_path):
    """Sliding attention sees 4 tokens, full attention all."""
    model = LanguageModel.open(ModelFolder.open(saved(tmp_path, "gemma2")))
    hidden = model.hidden(tokens_of(length=12), 2)
    masks = [call.named["attention_mask"] for call in hidden.calls[0]]
    assert [int((mask[0, 0, -1] == 0).sum()) for mask in masks] == [4, 12, 4]


def test_batches_of_one_shape_share_what_blocks_are_called_with(tmp_path):
    model = LanguageModel.open(ModelFolder.open(saved(tmp_path, "mistral")))
    hidden = model.hidden(tokens_of(5), 2)
    assert [len(state) for state in hidden.states] == [2, 2, 1]
    assert hidden.calls[0] is hidden.calls[1] and hidden.calls[1] is not hidden.calls[2]


def test_a_block_is_freed_and_has_gradients_while_it_is_there(tmp_path):
    model = LanguageModel.open(ModelFolder.open(saved(tmp_path, "llama")))
    hidden = model.hidden(tokens_of(), 2)
    with model.block(0) as block:
        hidden.output(block, 0).square().sum().backward()
        assert all(bool(p.grad.abs().sum() > 0) for p in block.parameters())
        after = model.run(block, hidden)
    assert all(parameter.is_meta for parameter in block.parameters())
    assert after.block == 1 and not after.states[0].requires_grad
    assert all(parameter.is_meta for parameter in model.skeleton.parameters())


def test_half_precision_is_that_of_the_whole_model_in_half_precision(tmp_path):
    folder = saved(tmp_path, "gemma2", torch.bfloat16)
    model = LanguageModel.open(ModelFolder.open(folder), dtype=torch.bfloat16)
    with torch.no_grad():
        expected = loaded(folder, torch.bfloat16)(tokens_of()).logits
    found = next(model.logits(model.walk(model.hidden(tokens_of(), 3))))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_tokens_that_the_model_cannot_take_are_refused(tmp_path):
    model = LanguageModel.open(ModelFolder.open(saved(tmp_path, "opt")))
    for tokens, size, words in (
        (tokens_of(1, 33), 1, "windows have 33 tokens, the model sees 32; give shorter ones"),
        (torch.tensor([[1, 96]]), 1, "a token is 96, the model knows 0 to 95"),
        (torch.tensor([1, 2]), 1, r"tokens have the shape \[2\]"),
        (torch.tensor([[1, 2]]), 0, "batch_size is 0"),
    ):
        with pytest.raises(InputError, match=words):
            model.hidden(tokens, size)


# --- memory -------------------------------------------------------------------------------------


def peak_bytes(call, mapped):
    """Most bytes that PyTorch had at a time, by its own record; a mapped file is not memory."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        call()
    held = peak = 0
    for event in sorted(record.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]" and abs(event.nbytes()) != mapped:
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def peak_of_a_walk(folder, blocks):
    """Peak of walking through a model of so many blocks, bytes of a block and of the states."""
    config = config_of("llama")
    config.update({"num_hidden_layers": blocks, "hidden_size": 64, "intermediate_size": 128})
    config.update({"head_dim": 16, "vocab_size": 4096})
    made = transformers.AutoModelForCausalLM.from_config(config)
    made.save_pretrained(folder / str(blocks))
    block = 4 * sum(p.numel() for p in made.model.layers[0].parameters())
    model = LanguageModel.open(ModelFolder.open(folder / str(blocks)))
    tokens = torch.randint(0, 4096, (4, 64))
    mapped = (folder / str(blocks) / "model.safetensors").stat().st_size
    peak = peak_bytes(lambda: model.walk(model.hidden(tokens, 1)), mapped)
    return peak, block, 4 * tokens.numel() * 64


def test_memory_is_that_of_a_block_and_does_not_grow_with_their_number(tmp_path):
    """The embedding alone would be 7 blocks; of it only rows are read that occur."""
    few, block, states = peak_of_a_walk(tmp_path, 4)
    many, *_ = peak_of_a_walk(tmp_path, 16)
    assert block + 2 * states < few <= 3 * block + 2 * states
    assert many <= 1.1 * few


# --- estimates ----------------------------------------------------------------------------------

GOLDEN = {
    "opt-125m": (
        "OPTConfig",
        (768, 3072, 12, 12, 50272),
        {"biases+norms": "0.097", "lora": "2.12"},
    ),
    "opt-1.3b": ("OPTConfig", (2048, 8192, 24, 32, 50272), {"biases+norms": "0.049"}),
    "opt-2.7b": ("OPTConfig", (2560, 10240, 32, 32, 50272), {"biases+norms": "0.040"}),
    "opt-6.7b": ("OPTConfig", (4096, 16384, 32, 32, 50272), {"biases+norms": "0.026"}),
    "opt-13b": ("OPTConfig", (5120, 20480, 40, 40, 50272), {"biases+norms": "0.021"}),
    "opt-30b": (
        "OPTConfig",
        (7168, 28672, 48, 56, 50272),
        {"biases+norms": "0.015", "lora": "0.33"},
    ),
    "llama-2-7b": (
        "LlamaConfig",
        (4096, 11008, 32, 32, 32000),
        {"norms": "0.0040", "lora": "0.59"},
    ),
    "mistral-7b": ("MistralConfig", (4096, 14336, 32, 32, 32000), {"norms": "0.0037"}),
    "smollm2-135m": ("LlamaConfig", (576, 1536, 30, 9, 49152), {"norms": "0.026"}),
}
"""Hidden size, width of the MLP, blocks, heads and vocabulary as published; shares in percent."""
OPTIONS = {"mistral-7b": {"num_key_value_heads": 8},
           "smollm2-135m": {"num_key_value_heads": 3, "tie_word_embeddings": True}}  # fmt: skip


def published(name):
    kind, (width, mlp, blocks, heads, vocabulary), _ = GOLDEN[name]
    more = {"ffn_dim": mlp, "word_embed_proj_dim": width, "max_position_embeddings": 2048}
    more = more if kind == "OPTConfig" else {"intermediate_size": mlp}
    return getattr(transformers, kind)(
        hidden_size=width, num_hidden_layers=blocks, num_attention_heads=heads,
        vocab_size=vocabulary, **more, **OPTIONS.get(name, {}),
    )  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_shares_are_those_of_the_paper(name):
    found = described(published(name))
    layers = [layer.weight for layer in found.structure.layers]
    for method, percent in GOLDEN[name][2].items():
        trained = num_trained(found.skeleton, parse_method(method), layers, rank=16)
        share = trained / num_parameters(found.skeleton)
        assert f"{100 * share:.{len(percent) - 2}f}" == percent


def test_thirty_billion_parameters_are_estimated_without_memory():
    found = estimate(published("opt-30b"), windows=128, length=2048, batch_size=1, weight_size=2)
    assert 29.9e9 < found.num_parameters < 30.1e9
    assert found.weight_bytes == 2 * found.num_parameters
    assert found.activation_bytes == 2 * 128 * 2048 * 7168
    assert found.gram_bytes == 8 * (5 * 7168**2 + 28672**2)
    assert found.num_prunable == 48 * 12 * 7168**2
    assert found.block_bytes == 2 * (12 * 7168**2 + 13 * 7168)
    assert found.seconds(10, 1e12) == 10 * found.step_flops / 1e12
    with pytest.raises(InputError, match="measure one above 0"):
        found.seconds(1, 0.0)


@pytest.mark.parametrize("family", ["opt-350m", "gpt2", "llama", "phi3", "gpt-neox"])
def test_operations_are_those_that_are_counted_as_they_run(family):
    """Beside these, angles of rotary positions take T d_head / 2, a few in ten thousand."""
    config = config_of(family)
    found = estimate(config, windows=3, length=10, batch_size=2)
    model = random_model(family)
    model.set_attn_implementation("eager")  # The counter does not know fused attention on the CPU.
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model(tokens_of(3, 10), use_cache=False)
    with FlopCounterMode(display=False) as step:
        model(tokens_of(2, 10), use_cache=False).logits.sum().backward()
    assert forward.get_total_flops() == pytest.approx(found.forward_flops, rel=1e-3)
    assert step.get_total_flops() == pytest.approx(found.step_flops, rel=1e-3)
