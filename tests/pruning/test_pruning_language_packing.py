"""Packed weights: equal bits, no byte too many, a loader that stands alone."""

import itertools
import json
import math
import shutil

import pytest
import torch
from commands import run_python
from hypothesis import given
from hypothesis import strategies as st
from language_folders import (
    drawn_mask,
    groups_mask,
    half_masks,
    layer_names,
    load,
    logits,
    new_model,
    save,
)
from safetensors.torch import load_file

from tasks.pruning.language.files import load_packed
from tasks.pruning.language.files.checking import check_folder
from tasks.pruning.language.files.mask_files import read_masks
from tasks.pruning.language.files.packing import load_packed_model, pack_mask, unpack
from tasks.pruning.language.files.tensor_files import header_of
from tasks.pruning.language.files.writing import write_folder
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.models.folders import ModelFolder
from tasks.records import InputError


@given(
    rows=st.integers(0, 9),
    width=st.integers(0, 40),
    kept=st.floats(0, 1),
    seed=st.integers(0, 10**6),
)
def test_every_mask_comes_back(rows, width, kept, seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(rows, width, generator=generator) < kept
    about, data = pack_mask(mask)
    assert torch.equal(load_packed.read_mask(json.loads(json.dumps(about)), data), mask)
    assert data.dtype == torch.uint8 and data.numel() <= math.ceil(mask.numel() / 8)


@pytest.mark.parametrize("kept", [0.02, 0.05, 0.1, 0.2, 0.5])
def test_masks_of_any_sparsity_need_little_more_than_their_entropy(kept):
    mask = drawn_mask((64, 2000), torch.Generator().manual_seed(0), kept)
    about, data = pack_mask(mask)
    assert torch.equal(load_packed.read_mask(about, data), mask)
    bits = 8 * data.numel() / mask.numel()
    entropy = -kept * math.log2(kept) - (1 - kept) * math.log2(1 - kept)
    assert entropy * 0.97 <= bits <= entropy * 1.35  # of rows with equal counts it is a bit less
    assert bits <= 1 and about["form"] == ("bits" if kept == 0.5 else "gaps")


@pytest.mark.parametrize(
    ("pattern", "bits"), [("2:4", 2 / 3), ("4:8", 0.8), ("1:4", 0.5), ("1:2", 0.5), ("8:16", 7 / 8)]
)
@pytest.mark.parametrize("axis", [1, 0])
def test_groups_are_counted_by_their_choices(pattern, bits, axis):
    """Shapes hold whole words, so that not even a bit may be lost to the last one."""
    n, m = map(int, pattern.split(":"))
    mask = groups_mask((60, 16 * 28), n, m)
    mask = mask if axis else mask.T
    about, data = pack_mask(mask)
    expected = bits if n != 8 else 1.0
    assert 8 * data.numel() / mask.numel() == pytest.approx(expected, abs=1e-3)
    assert torch.equal(load_packed.read_mask(about, data), mask)


@pytest.mark.parametrize(("n", "m"), [(n, m) for m in (2, 4, 8, 16) for n in range(1, m)])
def test_words_hold_as_many_choices_as_fit(n, m):
    size, number = load_packed.word_of(n, m)
    base = math.comb(m, n)
    fitting = {s: max(i for i in range(33) if base**i <= 256**s) for s in (1, 2, 4)}
    assert number == fitting[size] > 0
    assert all(number * s >= fitting[s] * size for s in fitting)


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (3, 8)])
def test_every_choice_of_a_group_comes_back(n, m):
    chosen = itertools.combinations(range(m), n)
    mask = torch.tensor([[i in each for i in range(m)] for each in chosen])
    assert torch.equal(load_packed.choices_of(n, m), mask)
    about, data = pack_mask(mask.reshape(1, -1))
    assert about["form"] == "groups"
    assert torch.equal(load_packed.read_mask(about, data), mask.reshape(1, -1))


# --- folders ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A model in shards: its source, plain and compressed."""
    folder = tmp_path_factory.mktemp("packed")
    model = new_model("llama", dtype=torch.bfloat16, tied=False)
    source = save(model, folder / "source", shard="20KB")
    request = {"changed": {}, "masks": half_masks(model), "provenance": {"method": "none"}}
    write_folder(source, folder / "plain", **request)
    write_folder(source, folder / "small", compressed=True, **request)
    return folder


def bits_of(tensors):
    return {name: (t.dtype, t.shape, t.view(torch.int16).tolist()) for name, t in tensors.items()}


def test_the_packed_tensors_are_the_plain_ones(packed):
    files = sorted((packed / "plain").glob("model*.safetensors"))
    plain = {name: t for path in files for name, t in load_file(path).items()}
    assert len(files) > 1 and bits_of(unpack(packed / "small")) == bits_of(plain)
    assert check_folder(packed / "small", packed / "source", pattern=Pattern.parse("0.5")) == []


def test_the_file_has_no_byte_that_is_not_needed(packed):
    """Kept values, one bit per weight, whole tensors, and a header."""
    model, masks = load(packed / "source"), read_masks(packed / "small")
    state = model.state_dict()
    expected = sum(2 * w.numel() for n, w in state.items() if n not in masks)
    expected += sum(
        w.numel() // 8 + 2 * int(masks[n].sum()) for n, w in state.items() if n in masks
    )
    file = packed / "small" / load_packed.PACKED
    header = int.from_bytes(file.read_bytes()[:8], "little")
    assert file.stat().st_size == expected + 8 + header
    assert not list((packed / "small").rglob("masks.safetensors"))


def test_half_of_a_small_llama_fits_two_thirds():
    """SmolLM2-135M at 50 %, bf16: the bar is 0.66, of which the header may take little."""
    hidden, inner, blocks, vocabulary, narrow = 576, 1536, 30, 49152, 192
    shapes = [(hidden, hidden), (narrow, hidden), (narrow, hidden), (hidden, hidden)]
    shapes += [(inner, hidden), (inner, hidden), (hidden, inner)]
    pruned = blocks * sum(a * b for a, b in shapes)
    whole = vocabulary * hidden + (2 * blocks + 1) * hidden
    layout = {"embedding": ("BF16", (vocabulary, hidden))}
    for block, (number, (a, b)) in itertools.product(range(blocks), enumerate(shapes)):
        layout[f"model.layers.{block}.{number:->20}.weight.kept"] = "BF16", (a * b // 2,)
        layout[f"model.layers.{block}.{number:->20}.weight.mask"] = "U8", (a * b // 8,)
    about = {k.removesuffix(".kept"): {"shape": [1536, 576], "form": "bits"} for k in layout}
    header = header_of(dict(sorted(layout.items(), key=lambda e: e[1][0])), {})
    size = len(header) + 4 * len(json.dumps(about)) + pruned * (1 + 1 / 8) + 2 * whole
    assert 134.4e6 < pruned + whole < 134.6e6
    assert size / (2 * (pruned + whole)) <= 0.66


def test_two_of_four_is_smaller_than_any_half(packed, tmp_path):
    model = load(packed / "source")
    state = model.state_dict()
    masks = {name: groups_mask(state[name].shape) for name in layer_names(model)}
    write_folder(packed / "source", tmp_path / "to", changed={}, masks=masks, provenance={},
                 compressed=True)  # fmt: skip
    stored = load_file(tmp_path / "to" / load_packed.PACKED)
    for name in masks:
        bits = 8 * stored[f"{name}.mask"].numel() / masks[name].numel()
        assert bits == pytest.approx(2 / 3, rel=0.01)
    pattern = Pattern.parse("2:4")
    assert check_folder(tmp_path / "to", packed / "source", pattern=pattern) == []


def test_the_loader_beside_the_weights_needs_nothing_of_ours(packed, tmp_path):
    """It runs isolated and elsewhere, gives a model, and writes the plain folder again."""
    small, plain = shutil.copytree(packed / "small", tmp_path / "small"), tmp_path / "plain"
    code = f"""
import sys, runpy, torch
loader = runpy.run_path({str(small / "load_packed.py")!r})
model = loader["load"]({str(small)!r}).eval()
tokens = torch.randint(256, (2, 16), generator=torch.Generator().manual_seed(2))
with torch.no_grad():
    torch.save(model(tokens).logits, {str(tmp_path / "logits.pt")!r})
loader["main"]([{str(small)!r}, "--to", {str(plain)!r}])
assert not any(name.split(".")[0] in ("tasks", "gpu", "flows") for name in sys.modules)
"""
    (tmp_path / "elsewhere").mkdir()
    ran = run_python("-I", "-c", code, cwd=tmp_path / "elsewhere")
    found = torch.load(tmp_path / "logits.pt")
    assert torch.equal(found, logits(load(packed / "plain")))
    expected = {p.name for p in (packed / "plain").iterdir()} - {"pruning", "pruning.json"}
    assert {path.name for path in plain.iterdir()} == expected
    files = sorted(plain.glob("model*.safetensors"))
    assert sorted(ran.stdout.split()) == [str(path) for path in files]
    for path in files:
        assert bits_of(load_file(path)) == bits_of(load_file(packed / "plain" / path.name))
    with pytest.raises(FileExistsError, match="is not empty"):
        load_packed.expand(small, plain)


def test_a_loaded_model_generates_as_its_source_is_set(packed):
    found = load_packed_model(packed / "small", dtype=torch.float32)
    assert found.dtype == torch.float32
    assert found.generation_config.to_dict() == load(packed / "plain").generation_config.to_dict()


def test_a_compressed_folder_given_as_a_model_says_how_to_write_it_out(packed):
    with pytest.raises(InputError, match=r"holds packed weights; write them out .*load_packed\.py"):
        ModelFolder.open(packed / "small")


def test_folders_that_are_not_compressed_or_damaged_are_refused(packed, tmp_path):
    with pytest.raises(InputError, match="it is not compressed"):
        load_packed_model(packed / "plain")
    small = shutil.copytree(packed / "small", tmp_path / "small")
    file = small / load_packed.PACKED
    data = bytearray(file.read_bytes())
    data[-1] ^= 255
    file.write_bytes(data)
    assert check_folder(small, packed / "source") == [
        f"{file.name} has other bytes than pruning.json says"
    ]
    file.write_bytes(data[:-1])
    with pytest.raises(InputError, match="cannot be read"):
        unpack(small)
    file.write_bytes((packed / "plain" / "pruning" / "masks.safetensors").read_bytes())
    with pytest.raises(InputError, match="does not say what is packed"):
        unpack(small)
    assert "does not say what" in check_folder(small, packed / "source")[0]


def test_bits_that_do_not_fit_their_values_are_refused(packed, tmp_path):
    small = shutil.copytree(packed / "small", tmp_path / "small")
    file = small / load_packed.PACKED
    data = bytearray(file.read_bytes())
    data[-1] ^= 1  # masks come last
    file.write_bytes(data)
    with pytest.raises(ValueError, match="kept values, but other bits"):
        unpack(small)
