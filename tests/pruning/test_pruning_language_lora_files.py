"""Adapters in the files of peft: read, merged under masks, written."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from language_folders import drawn_mask, layer_names, logits, new_model, save
from safetensors.torch import load_file, save_file

from tasks.pruning.language.files.lora_files import Factors, LoraFile, merge, write_lora
from tasks.records import InputError

UP, DOWN = "model.layers.0.mlp.up_proj", "model.layers.1.mlp.down_proj"
CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "somebody/small",
    "r": 4,
    "lora_alpha": 6,
    "lora_dropout": 0.05,
    "target_modules": ["up_proj", "down_proj"],
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "layers_to_transform": None,
    "modules_to_save": None,
    "rank_pattern": {},
    "alpha_pattern": {},
    "use_dora": False,
    "use_rslora": False,
    "peft_version": "0.17.1",
}
SHAPES = {f"{UP}.weight": (64, 32), f"{DOWN}.weight": (32, 64)}


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tensors(rank=4, dtype=torch.float32, middle=""):
    """A and B of two layers, as peft names them."""
    named = {}
    for seed, (name, (rows, width)) in enumerate(SHAPES.items()):
        module = name.removesuffix(".weight")
        a, b = drawn(rank, width, seed=seed), drawn(rows, rank, seed=seed + 9)
        named[f"base_model.model.{module}.lora_A{middle}.weight"] = a.to(dtype)
        named[f"base_model.model.{module}.lora_B{middle}.weight"] = b.to(dtype)
    return named


def adapter(folder, *, named=None, **settings):
    """A folder in peft's format."""
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG | settings))
    save_file(tensors() if named is None else named, folder / "adapter_model.safetensors")
    return folder


def factors_of(named, module):
    keys = [f"base_model.model.{module}.lora_{part}" for part in "AB"]
    return [next(t.double() for k, t in named.items() if k.startswith(key)) for key in keys]


@pytest.mark.parametrize("middle", ["", ".default", ".style"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_added_is_the_scaled_product(tmp_path, middle, dtype):
    named = tensors(dtype=dtype, middle=middle)
    lora = LoraFile.open(adapter(tmp_path / "lora", named=named))
    lora.check(SHAPES)
    assert set(lora.factors) == set(SHAPES)
    for module in (UP, DOWN):
        a, b = factors_of(named, module)
        delta = lora.delta(f"{module}.weight")
        assert delta.dtype == torch.float32
        # A sum of 4 products in float32: 5 roundings, relative to the sum of their sizes.
        bound = 6 / 4 * 5 * 2**-24 * float((b.abs() @ a.abs()).max()) * 2
        torch.testing.assert_close(delta.double(), 6 / 4 * b @ a, rtol=0, atol=bound)


def test_scales_follow_patterns_and_the_root_of_the_rank(tmp_path):
    named = tensors()
    for part, tensor in (("A", drawn(9, 64)), ("B", drawn(32, 9))):
        named[f"base_model.model.{DOWN}.lora_{part}.weight"] = tensor
    patterns = {"rank_pattern": {"layers.1.mlp.down_proj": 9, "proj": 5},
                "alpha_pattern": {r"layers\.\d\.mlp\.down_proj": 3}}  # fmt: skip
    for use_rslora, scales in ((False, [6 / 4, 3 / 9]), (True, [3.0, 1.0])):
        folder = adapter(tmp_path / "lora", named=named, use_rslora=use_rslora, **patterns)
        lora = LoraFile.open(folder)
        assert [lora.scales[f"{m}.weight"] for m in (UP, DOWN)] == scales


def test_transposed_layers_get_the_transposed_product(tmp_path):
    """GPT-2 stores (inputs, outputs); square matrices show no mistake by their shape."""
    module = "transformer.h.0.attn.c_proj"
    named = {f"base_model.model.{module}.lora_A.weight": drawn(4, 32),
             f"base_model.model.{module}.lora_B.weight": drawn(32, 4, seed=1)}  # fmt: skip
    folder = adapter(tmp_path / "lora", named=named, fan_in_fan_out=True)
    a, b = factors_of(named, module)
    name = f"{module}.weight"
    for transposed in (None, {name}):
        delta = LoraFile.open(folder, transposed).delta(name)
        torch.testing.assert_close(delta, (1.5 * b @ a).T.float())
    plain = LoraFile.open(folder, transposed=()).delta(name)
    torch.testing.assert_close(plain, (1.5 * b @ a).float())


@given(
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    seed=st.integers(0, 10**6),
)
def test_no_zero_is_lost_and_kept_weights_are_rounded_once(dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = drawn_mask((6, 16), generator)
    weight = (torch.randn(6, 16, generator=generator) * mask).to(dtype)
    weight = torch.where(mask, weight, torch.zeros((), dtype=dtype))
    delta = torch.randn(6, 16, generator=generator)
    merged = merge(weight, delta, mask)
    assert merged.dtype == dtype and bool((merged[~mask] == 0).all())
    assert not bool(merged[~mask].signbit().any())
    exact = weight.double() + delta.double()
    # To float32 first, then to the kind of the weights: half a unit in the last place of each.
    bound = exact.abs() * (torch.finfo(dtype).eps / 2 + 2**-24) * (1 + 1e-6)
    tiny = torch.finfo(dtype).tiny
    assert bool(((merged.double() - exact).abs() <= bound + tiny)[mask].all())
    assert torch.equal(merge(weight, delta), (weight.float() + delta).to(dtype))


def test_sums_that_overflow_are_refused():
    weight = torch.full((2, 2), 60000.0, dtype=torch.float16)
    with pytest.raises(InputError, match=r"not finite numbers of kind torch\.float16"):
        merge(weight, torch.full((2, 2), 9000.0))
    mask = torch.zeros(2, 2, dtype=torch.bool)
    assert torch.equal(merge(weight, torch.full((2, 2), 9000.0), mask), weight)
    damaged = torch.tensor([torch.nan, 1.0])
    assert merge(damaged, torch.ones(2)).tolist()[1] == 2


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; only LORA can be merged"),
        ({"use_dora": True}, "uses use_dora, which cannot be merged"),
        ({"lora_bias": True}, "uses lora_bias"),
        ({"trainable_token_indices": [3]}, "uses trainable_token_indices"),
        ({"alora_invocation_tokens": [3]}, "uses alora_invocation_tokens"),
        ({"target_parameters": ["experts.up"]}, "uses target_parameters"),
        ({"layer_replication": [[0, 2]]}, "uses layer_replication"),
        ({"of_tomorrow": {"a": 1}}, "uses of_tomorrow"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights 'pissa' changed the base model"),
        ({"init_lora_weights": "olora"}, "init_lora_weights 'olora'"),
        ({"r": 8}, r"up_proj has A \[4, 32\] and B \[64, 4\], but rank 8 is set"),
        ({"rank_pattern": {"down_proj": 2}}, r"down_proj has A .* but rank 2"),
        ({"lora_alpha": "much"}, "lora_alpha 'much' has to be a number"),
        ({"alpha_pattern": {"(": 2}}, r"pattern '\(' of an adapter"),
    ],
)
def test_what_cannot_be_merged_is_refused_by_name(tmp_path, settings, words):
    with pytest.raises(InputError, match=words):
        LoraFile.open(adapter(tmp_path / "lora", **settings))


def test_tensors_of_other_kinds_are_refused_by_name(tmp_path):
    plain, word = tensors(), "base_model.model."
    both = tensors(middle=".one") | {
        k.replace(".one.", ".two."): t for k, t in tensors(middle=".one").items()
    }
    half = {k: t for k, t in plain.items() if "lora_B" not in k or "up_proj" not in k}
    cases = [
        ({**plain, f"{word}{UP}.lora_magnitude_vector": drawn(64)}, "lora_magnitude_vector"),
        ({**plain, f"{word}x.lora_embedding_A": drawn(4, 9)}, "lora_embedding_A, which cannot"),
        ({**plain, f"{UP}.weight": drawn(64, 32)}, "up_proj.weight, which cannot be merged"),
        ({**plain, f"{word}{UP}.bias": drawn(64)}, "up_proj.bias for no reason"),
        (both, "several adapters"),
        (half, f"one of A and B of {UP}"),
        ({}, "lacks any A and B"),
        ({**plain, f"{word}{UP}.lora_A.weight": drawn(4)}, "have to be matrices"),
    ]
    for number, (named, words) in enumerate(cases):
        with pytest.raises(InputError, match=words):
            LoraFile.open(adapter(tmp_path / f"{number}", named=named))


def test_folders_that_are_no_adapters_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no adapter_config\.json"):
        LoraFile.open(tmp_path)
    folder = adapter(tmp_path / "lora")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(InputError, match="is a pickle, which is not read"):
        LoraFile.open(folder)
    (folder / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read"):
        LoraFile.open(folder)
    (folder / "adapter_config.json").write_text("[")
    with pytest.raises(InputError, match="is damaged"):
        LoraFile.open(folder)


def test_an_adapter_of_another_model_is_refused_in_one_line(tmp_path):
    lora = LoraFile.open(adapter(tmp_path / "lora"))
    up = f"{UP}.weight"
    for shapes, tied, words in (
        ({up: (64, 32)}, {}, "down_proj.weight, which the model does not have"),
        (SHAPES | {up: (64, 48)}, {}, r"up_proj.weight would be \[64, 32\], .* it is \[64, 48\]"),
        (SHAPES, {"lm_head.weight": up}, "which the model ties to other weights"),
    ):
        with pytest.raises(InputError, match=words) as refusal:
            lora.check(shapes, tied)
        assert "\n" not in str(refusal.value)
    named = tensors()
    named[f"base_model.model.{UP}.lora_A.weight"][0, 0] = torch.nan
    damaged = LoraFile.open(adapter(tmp_path / "damaged", named=named))
    with pytest.raises(InputError, match="is not finite"):
        damaged.delta(up)


def test_parameters_that_are_stored_whole_are_read(tmp_path):
    named = tensors() | {f"base_model.model.{UP}.bias": drawn(64),
                         "base_model.model.lm_head.weight": drawn(256, 32)}  # fmt: skip
    folder = adapter(tmp_path / "lora", named=named, bias="all", modules_to_save=["lm_head"])
    lora = LoraFile.open(folder)
    lora.check(SHAPES | {f"{UP}.bias": (64,), "lm_head.weight": (256, 32)})
    assert set(lora.replaced) == {f"{UP}.bias", "lm_head.weight"}
    assert torch.equal(lora.replacement("lm_head.weight"), drawn(256, 32))


# --- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("use_rslora", [False, True])
def test_what_is_written_is_read_again(tmp_path, dtype, use_rslora):
    given = {
        f"{UP}.weight": Factors(drawn(4, 32).to(dtype), drawn(64, 4).to(dtype)),
        f"{DOWN}.weight": Factors(drawn(9, 64).to(dtype), drawn(32, 9).to(dtype)),
    }
    paths = write_lora(tmp_path / "to", given, alpha=8, use_rslora=use_rslora)
    assert sorted(paths) == sorted((tmp_path / "to").iterdir())
    lora = LoraFile.open(tmp_path / "to")
    lora.check(SHAPES)
    for name, each in given.items():
        scale = 8 / (each.rank**0.5 if use_rslora else each.rank)
        expected = scale * (each.b.double() @ each.a.double())
        torch.testing.assert_close(lora.delta(name).double(), expected, rtol=1e-5, atol=1e-5)
    keys = set(load_file(tmp_path / "to" / "adapter_model.safetensors"))
    assert f"base_model.model.{UP}.lora_A.weight" in keys and len(keys) == 4


def test_factors_that_do_not_fit_are_not_written(tmp_path):
    good = {f"{UP}.weight": Factors(drawn(4, 32), drawn(64, 4))}
    one = good[f"{UP}.weight"]
    for factors, words in (
        ({}, "factors of one layer at least"),
        ({f"{UP}.weight": Factors(one.a, drawn(64, 3))}, r"A \[4, 32\], B \[64, 3\]"),
        ({UP: one}, f"factors of {UP}"),
    ):
        with pytest.raises(InputError, match=words):
            write_lora(tmp_path / "to", factors, alpha=1)
    assert list(tmp_path.iterdir()) == []
    write_lora(tmp_path / "to", good, alpha=1)
    with pytest.raises(InputError, match="is not empty"):
        write_lora(tmp_path / "to", good, alpha=1)


# --- peft itself --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_peft_merges_to_the_same_weights_and_reads_what_is_written(tmp_path, kind):
    import peft  # it takes seconds to import

    model = new_model(kind)
    save(model, tmp_path / "model")
    before = {name: w.clone() for name, w in model.state_dict().items()}
    targets = [name.removesuffix(".weight") for name in layer_names(model)]
    turned = kind == "gpt2"
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=targets, fan_in_fan_out=turned,
                             rank_pattern={targets[0]: 3}, init_lora_weights=False)  # fmt: skip
    wrapped = peft.get_peft_model(model, config)
    wrapped.save_pretrained(tmp_path / "lora")
    adapted = logits(wrapped.eval())
    merged = wrapped.merge_and_unload().state_dict()
    names = {f"{target}.weight" for target in targets} if turned else set()
    lora = LoraFile.open(Path(tmp_path / "lora"), names)
    lora.check({name: tuple(w.shape) for name, w in before.items()})
    for name, weight in before.items():
        expected = merge(weight, lora.delta(name)) if name in lora.factors else weight
        torch.testing.assert_close(merged[name], expected, rtol=1e-6, atol=1e-6)
    factors = {
        name: Factors(lora.file.read(a), lora.file.read(b)) for name, (a, b) in lora.factors.items()
    }
    scales = {lora.scales[name] / (6 / each.rank) for name, each in factors.items()}
    assert scales == {1.0}
    write_lora(tmp_path / "ours", factors, alpha=6, transposed=names)
    base = new_model(kind)
    again = peft.PeftModel.from_pretrained(base, tmp_path / "ours").eval()
    torch.testing.assert_close(logits(again), adapted, rtol=1e-6, atol=1e-6)
