"""Folders of pruned language models: their source but for weights, with exact zeros."""

import json
import shutil
import weakref
from collections.abc import Mapping

import numpy as np
import pytest
import torch
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
from safetensors.torch import load_file, save_file

from tasks.pruning.language.files.checking import check_folder
from tasks.pruning.language.files.mask_files import MASKS, has_masks, read_masks
from tasks.pruning.language.files.packing import load_packed_model
from tasks.pruning.language.files.tensor_files import WeightFiles
from tasks.pruning.language.files.writing import write_folder
from tasks.pruning.language.layers.patterns import Pattern
from tasks.records import InputError, StoreError

ABOUT = {"source": "f" * 64, "pattern": "0.5", "criterion": "magnitude", "method": "masklora"}
HALF = Pattern.parse("0.5")


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A tied model in half precision, in shards, and masks."""
    model = new_model("llama", dtype=torch.bfloat16)
    folder = save(model, tmp_path_factory.mktemp("llama"), shard="20KB")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("{{ tools }}")
    return model, folder, half_masks(model)


def files_of(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def applied(model, changed, masks):
    """The oracle: changed weights and zeros in the network itself."""
    state = model.state_dict()
    with torch.no_grad():
        for name, value in changed.items():
            state[name].copy_(value)
        for name, mask in masks.items():
            state[name].masked_fill_(~mask, 0)
    return model


@pytest.mark.parametrize(
    ("kind", "dtype", "tied", "shard"),
    [
        ("llama", torch.bfloat16, False, "20KB"),
        ("llama", torch.float32, True, "1GB"),
        ("opt", torch.float16, True, "20KB"),
        ("opt", torch.float32, False, "1GB"),
        ("gpt2", torch.bfloat16, True, "1GB"),
        ("gpt2", torch.float16, False, "20KB"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_the_folder_gives_the_logits_of_the_pruned_model_bit_for_bit(
    tmp_path, kind, dtype, tied, shard, compressed
):
    model = new_model(kind, dtype=dtype, tied=tied)
    source = save(model, tmp_path / "source", shard=shard)
    masks = half_masks(model)
    first = next(iter(masks))
    generator = torch.Generator().manual_seed(5)
    norm = next(
        n for n, w in model.named_parameters() if w.ndim == 1 and ("norm" in n or "ln_" in n)
    )
    changed = {
        first: torch.randn(masks[first].shape, generator=generator) * masks[first],
        norm: torch.rand(model.state_dict()[norm].shape, generator=generator),
    }
    to = tmp_path / "to"
    about = {"changed": changed, "masks": masks, "provenance": ABOUT, "compressed": compressed}
    paths = write_folder(source, to, **about)
    assert sorted(paths) == sorted(to / name for name in files_of(to))
    found = load_packed_model(to).eval() if compressed else load(to)
    assert found.dtype == dtype
    assert torch.equal(logits(found), logits(applied(load(source), changed, masks)))
    assert check_folder(to, source, pattern=HALF) == []


def test_all_but_weights_is_that_of_the_source(llama, tmp_path):
    model, source, masks = llama
    to = tmp_path / "to"
    write_folder(source, to, changed={}, masks=masks, provenance=ABOUT)
    added = {MASKS, "pruning.json", "README.md"}
    assert files_of(to) == files_of(source) | added
    same = {name for name in files_of(source) if not name.endswith(".safetensors")}
    assert all((to / name).read_bytes() == (source / name).read_bytes() for name in same)
    state = model.state_dict()
    for path in source.glob("*.safetensors"):
        new, old = load_file(to / path.name), load_file(path)
        kinds = [{n: (t.dtype, t.shape) for n, t in each.items()} for each in (new, old)]
        assert kinds[0] == kinds[1]
        for name, value in new.items():
            expected = state[name] * masks[name] if name in masks else state[name]
            assert torch.equal(value, expected)
            assert not bool((value[~masks[name]] if name in masks else value[:0]).signbit().any())


def test_no_reader_of_all_tensors_beside_the_config_meets_a_mask(llama, tmp_path):
    """Servers of models read every safetensors file of a folder that has no list of shards."""
    model, _, masks = llama
    source = save(model, tmp_path / "source")
    write_folder(source, tmp_path / "to", changed={}, masks=masks, provenance={})
    assert {p.name for p in (tmp_path / "to").glob("*.safetensors")} == {"model.safetensors"}
    assert has_masks(tmp_path / "to") and not has_masks(source)


@pytest.mark.parametrize("compressed", [False, True])
def test_masks_come_back(llama, tmp_path, compressed):
    _, source, masks = llama
    write_folder(source, tmp_path / "to", changed={}, masks=masks, provenance={},
                 compressed=compressed)  # fmt: skip
    found = read_masks(tmp_path / "to")
    assert sorted(found) == sorted(masks)
    assert all(torch.equal(found[name], mask) for name, mask in masks.items())


def test_masks_are_bits_as_numpy_packs_them(llama, tmp_path):
    _, source, masks = llama
    write_folder(source, tmp_path / "to", changed={}, masks=masks, provenance={})
    stored = load_file(tmp_path / "to" / MASKS)
    for name, mask in masks.items():
        bits = np.unpackbits(stored[name].numpy(), bitorder="little", count=mask.numel())
        assert np.array_equal(bits.astype(bool).reshape(mask.shape), mask.numpy())
    (tmp_path / "old").mkdir()
    save_file(dict(masks), tmp_path / "old" / "masks.safetensors")
    old = read_masks(tmp_path / "old")
    assert all(torch.equal(old[name], mask) for name, mask in masks.items())
    with pytest.raises(InputError, match=r"has no pruning/masks\.safetensors"):
        read_masks(source)


def test_what_is_known_of_a_model_stands_beside_it(llama, tmp_path):
    model, source, masks = llama
    to = tmp_path / "to"
    write_folder(source, to, changed={}, masks=masks, provenance=ABOUT)
    about = json.loads((to / "pruning.json").read_bytes())
    assert about["provenance"] == ABOUT
    name = next(iter(masks))
    assert about["layers"][name] == {"weights": masks[name].numel(),
                                     "kept": int(masks[name].sum())}  # fmt: skip
    pruned = sum(int((~mask).sum()) for mask in masks.values())
    assert about["parameters"] == {"all": model.num_parameters(), "pruned": pruned}
    assert about["sparsity"] == 0.5
    assert set(about["files"]) == files_of(to) - {"pruning.json", "README.md"}


def test_the_card_is_one_that_hubs_read(llama, tmp_path):
    from huggingface_hub import ModelCard

    _, source, masks = llama
    copy = shutil.copytree(source, tmp_path / "source")
    (copy / "README.md").write_text("---\nlicense: apache-2.0\ntags:\n- x\n---\n# Small\n")
    write_folder(copy, tmp_path / "to", changed={}, masks=masks, provenance=ABOUT)
    card = ModelCard.load(tmp_path / "to" / "README.md")
    assert card.data.to_dict() == {"license": "apache-2.0", "library_name": "transformers",
                                   "pipeline_tag": "text-generation",
                                   "tags": ["pruned", "sparse"]}  # fmt: skip
    assert "50.00% of the weights" in card.text and "| method | masklora |" in card.text
    again = tmp_path / "again"
    write_folder(tmp_path / "to", again, changed={}, masks=masks, provenance=ABOUT)
    for folder in (tmp_path / "to", again):
        assert (folder / "README.source.md").read_text().endswith("# Small\n")


def test_files_are_read_through_links(llama, tmp_path):
    """A cache of a hub is a folder of links."""
    _, source, masks = llama
    (tmp_path / "linked").mkdir()
    for path in source.iterdir():
        (tmp_path / "linked" / path.name).symlink_to(path)
    write_folder(tmp_path / "linked", tmp_path / "to", changed={}, masks=masks, provenance={})
    assert check_folder(tmp_path / "to", source) == []
    assert not any(path.is_symlink() for path in (tmp_path / "to").rglob("*"))


@pytest.mark.parametrize("compressed", [False, True])
def test_one_changed_tensor_and_one_mask_live_at_a_time(llama, tmp_path, compressed):
    """A model of 30 billion parameters is written with the memory of its largest tensor."""
    model, source, masks = llama
    state, alive, most = model.state_dict(), [], []

    def given(tensor):
        alive[:] = [each for each in alive if each() is not None] + [weakref.ref(tensor)]
        most.append(len(alive))
        return tensor

    class Lazy(Mapping):
        def __getitem__(self, name):
            return given(masks[name].clone())

        def __iter__(self):
            return iter(masks)

        def __len__(self):
            return len(masks)

        def __contains__(self, name):
            return name in masks

    def changed(name):
        new = state[name].clone()
        return given(new.masked_fill_(~masks[name], 0) if name in masks else new)

    to = tmp_path / "to"
    write_folder(source, to, changed=changed, masks=Lazy(), provenance={}, compressed=compressed)
    assert check_folder(to, source, pattern=HALF) == []
    assert len(most) > len(state) and max(most) <= 4  # weight and mask, and those before them


# --- names --------------------------------------------------------------------------------------


def test_keys_without_the_prefix_of_the_parameters_are_kept(tmp_path):
    """Folders of GPT-2 hold h.0 where the parameters are transformer.h.0."""
    model = new_model("gpt2")
    source = save(model, tmp_path / "source")
    tensors = load_file(source / "model.safetensors")
    save_file({n.removeprefix("transformer."): t for n, t in tensors.items()},
              source / "model.safetensors", {"format": "pt"})  # fmt: skip
    keys = {name: name.removeprefix("transformer.") for name in tensors}
    masks = half_masks(model)
    applied(model, {}, masks)
    for compressed in (False, True):
        to = tmp_path / f"{compressed}"
        write_folder(source, to, changed={}, masks=masks, provenance={}, keys=keys,
                     compressed=compressed)  # fmt: skip
        assert set(read_masks(to)) == set(masks)
        assert check_folder(to, source, pattern=HALF) == []
        found = load_packed_model(to).eval() if compressed else load(to)
        assert torch.equal(logits(found), logits(model))


@pytest.mark.parametrize("told_by", ["tied", "keys"])
@pytest.mark.parametrize("stored_twice", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_tied_weights_stay_tied(tmp_path, stored_twice, compressed, told_by):
    model = new_model("llama")
    source = save(model, tmp_path / "source")
    head, embedding = "lm_head.weight", "model.embed_tokens.weight"
    if stored_twice:
        tensors = load_file(source / "model.safetensors")
        tensors[head] = tensors[embedding].clone()
        save_file(tensors, source / "model.safetensors", {"format": "pt"})
    changed = {head: torch.randn(256, 32, generator=torch.Generator().manual_seed(4))}
    to = tmp_path / "to"
    told = {"tied": {head: embedding}, "keys": {head: embedding, embedding: embedding}}
    names = {told_by: told[told_by]}
    write_folder(source, to, changed=changed, masks=half_masks(model), provenance={},
                 compressed=compressed, **names)  # fmt: skip
    assert check_folder(to, source, **names) == []
    found = load_packed_model(to) if compressed else load(to)
    state = found.state_dict()
    assert torch.equal(state[head], changed[head]) and torch.equal(state[embedding], changed[head])
    if compressed:
        stored = load_file(to / "model.packed.safetensors")
        assert (head in stored) + (embedding in stored) == 1
    else:
        assert (head in WeightFiles.open(to).places) == stored_twice
    with pytest.raises(InputError, match="tied, but"):
        write_folder(source, tmp_path / "two", masks={}, provenance={}, **names,
                     changed=changed | {embedding: changed[head] + 1})  # fmt: skip


# --- refusals -----------------------------------------------------------------------------------


def bad_inputs(model, masks):
    """What is asked for, and a word of the answer."""
    name = layer_names(model)[0]
    weight, mask = model.state_dict()[name], masks[name]
    pruned = torch.where(mask, weight, torch.zeros(()))
    overflow = torch.full(weight.shape, 1e39, dtype=torch.float64)
    yield {name: pruned[:-1]}, {}, "the source has BF16"
    yield {name: pruned * torch.inf}, {}, "not finite; they are not written"
    yield {name: overflow}, {}, "not finite as BF16"
    yield {name: weight}, masks, "not zero where its mask prunes them"
    yield {name + "s": weight}, {}, f"weights of {name}s, .* did you mean {name}"
    yield {}, {name: mask[:-1]}, "has to be bool"
    yield {}, {name: mask.float()}, "has to be bool"
    yield {}, {"model.x": mask}, "mask of model.x, which the model does not have"


def test_weights_and_masks_that_do_not_fit_leave_nothing_behind(llama, tmp_path):
    model, source, all_masks = llama
    masks = {name: mask for name, mask in all_masks.items() if name == layer_names(model)[0]}
    for number, (changed, given, words) in enumerate(bad_inputs(model, masks)):
        with pytest.raises(InputError, match=words):
            write_folder(source, tmp_path / f"{number}", changed=changed, masks=given,
                         provenance={})  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        write_folder(source, tmp_path / "failed", changed=lambda name: 1 / 0, masks={},
                     provenance={})  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_refused(llama, tmp_path):
    _, source, masks = llama
    request = {"changed": {}, "masks": masks, "provenance": {}}
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is not empty"):
        write_folder(source, tmp_path / "full", **request)
    with pytest.raises(InputError, match="is a file"):
        write_folder(source, tmp_path / "full" / "notes", **request)
    with pytest.raises(InputError, match="is not empty"):
        write_folder(source, source, **request)
    with pytest.raises(StoreError, match="cannot be written"):
        write_folder(source, tmp_path / "full" / "notes" / "to", **request)
    write_folder(source, tmp_path / "empty", **request)
    assert {path.name for path in tmp_path.iterdir()} == {"full", "empty"}


def test_a_source_that_lacks_files_is_refused(llama, tmp_path):
    _, source, _ = llama
    request = {"changed": {}, "masks": {}, "provenance": {}}
    lacks = [
        ("config.json", r"has no config\.json"),
        ("model.safetensors.index.json", r"has no weights: wanted is model\.safetensors"),
        (sorted(source.glob("*.safetensors"))[0].name, "cannot be read"),
    ]
    for number, (name, words) in enumerate(lacks):
        copy = shutil.copytree(source, tmp_path / f"{number}")
        (copy / name).unlink()
        with pytest.raises(InputError, match=words):
            write_folder(copy, tmp_path / "to", **request)
    copy = shutil.copytree(source, tmp_path / "lying")
    index = copy / "model.safetensors.index.json"
    for text, words in (
        ('{"weight_map": {"a": "../x.safetensors"}}', "may name safetensors beside it"),
        ('{"weight_map": []}', "holds no weight_map of names"),
        ('{"weight_map": {}}', "lists no tensors"),
    ):
        index.write_text(text)
        with pytest.raises(InputError, match=words):
            write_folder(copy, tmp_path / "to", **request)


# --- verification -------------------------------------------------------------------------------


def rewritten(folder, name, value, digest=True):
    """Put other numbers into a file, and let ``pruning.json`` agree with them."""
    import hashlib

    path = next(p for p in folder.glob("model*.safetensors") if name in load_file(p))
    save_file(load_file(path) | {name: value}, path, {"format": "pt"})
    about = json.loads((folder / "pruning.json").read_bytes())
    if digest:
        about["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "pruning.json").write_text(json.dumps(about))


@pytest.fixture
def written(llama, tmp_path):
    _, source, masks = llama
    write_folder(source, tmp_path / "to", changed={}, masks=masks, provenance={})
    name = next(iter(masks))
    weight = next(
        t for p in (tmp_path / "to").glob("model*.safetensors")
        for n, t in load_file(p).items() if n == name
    )  # fmt: skip
    return tmp_path / "to", source, name, masks[name], weight


def test_one_weight_outside_its_mask_is_found_and_a_negative_zero_too(written):
    folder, source, name, mask, weight = written
    row, column = (~mask).nonzero()[0].tolist()
    for value in (1e-3, -0.0):
        weight[row, column] = value
        rewritten(folder, name, weight)
        assert check_folder(folder, source) == [
            f"{name} has 1 weights outside its mask that are not zero"
        ]
    weight[row, column] = 0
    kept = mask.nonzero()[0].tolist()
    weight[kept[0], kept[1]] = torch.nan
    rewritten(folder, name, weight)
    assert check_folder(folder, source) == [f"{name} has weights that are not finite"]


def test_damage_is_found_by_name(written):
    folder, source, name, _, weight = written
    rewritten(folder, name, weight + 1, digest=False)
    assert "has other bytes than pruning.json says" in check_folder(folder, source)[0]
    rewritten(folder, name, weight.float())
    assert "is F32" in check_folder(folder, source)[0]
    (folder / "config.json").write_text("{}")
    assert "config.json differs from that of the source" in check_folder(folder, source)
    (folder / "config.json").unlink()
    assert "config.json of the source is missing" in check_folder(folder, source)
    (folder / "pruning.json").write_text("[]")
    assert "pruning.json cannot be read" in check_folder(folder, source)[0]


def test_patterns_are_counted_along_the_inputs(tmp_path):
    model = new_model("gpt2")
    source = save(model, tmp_path / "source")
    state, names = model.state_dict(), layer_names(model)
    masks = {name: groups_mask(state[name].T.shape).T for name in names}
    write_folder(source, tmp_path / "to", changed={}, masks=masks, provenance={})
    pattern = Pattern.parse("2:4")
    assert check_folder(tmp_path / "to", source, pattern=pattern, transposed=names) == []
    each = dict.fromkeys(names, pattern)
    assert check_folder(tmp_path / "to", source, pattern=each, transposed=names) == []
    assert len(check_folder(tmp_path / "to", source, pattern=pattern)) == len(names)
    other = check_folder(tmp_path / "to", source, pattern=Pattern.parse("0.4"))
    assert other == [f"mask of {name} is not 0.4" for name in masks]


def test_a_mask_with_one_weight_more_is_found(llama, tmp_path):
    _, source, masks = llama
    name = next(iter(masks))
    one_more = masks[name].clone()
    one_more.view(-1)[int((~one_more).view(-1).nonzero()[0])] = True
    write_folder(source, tmp_path / "to", changed={}, masks=masks | {name: one_more}, provenance={})
    assert check_folder(tmp_path / "to", source, pattern=HALF) == [f"mask of {name} is not 0.5"]


def test_damaged_weights_of_the_source_are_kept_where_they_are_not_pruned(tmp_path):
    """NaN times zero is NaN: zeros are written, not multiplied."""
    model = new_model("llama")
    name = layer_names(model)[0]
    mask = drawn_mask(model.state_dict()[name].shape, torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.state_dict()[name].fill_(torch.nan)
    source = save(model, tmp_path / "source")
    write_folder(source, tmp_path / "to", changed={}, masks={name: mask}, provenance={})
    found = WeightFiles.open(tmp_path / "to").read(name)
    assert bool((found[~mask] == 0).all()) and bool(found[mask].isnan().all())
    assert check_folder(tmp_path / "to", source) == []
