"""Runs of `perp` on small models, item by item, as workers make them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from language_models import gpt2, llama, opt, perp, small_config, write_folder_of, write_text
from study_helpers import science_bytes, stored_run

from tasks.pruning.language import exports
from tasks.pruning.language.exports import export_model
from tasks.pruning.language.files.lora_files import Factors, write_lora
from tasks.pruning.language.files.packing import load_packed_model
from tasks.pruning.language.items import adapt_items
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.making import block_work
from tasks.pruning.language.making.stored_models import StoredModel
from tasks.pruning.language.models.folders import ModelFolder
from tasks.pruning.language.plan import check_perp, perp_inputs
from tasks.records import InputError

FAMILIES = {"llama": llama, "gpt2": gpt2, "opt": opt}
EVERYTHING = (
    "norms", "head", "lora", "lora-prune", "masklora", "scalelora", "spp", "masklora+norms",
    "least-squares", "reconstruct", "full",
)  # fmt: skip


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    root = tmp_path_factory.mktemp("texts")
    return write_text(root / "text"), write_text(root / "other", seed=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    dtypes = {"llama": torch.float32, "gpt2": torch.float16, "opt": torch.bfloat16}
    return {
        name: write_folder_of(make(), root / name, dtypes[name]) for name, make in FAMILIES.items()
    }


@pytest.fixture(scope="module")
def whole(texts, folders, tmp_path_factory):
    """A run of every family with every method, 2:4."""
    config = small_config(
        [str(folder) for folder in folders.values()], *texts, pattern="2:4", methods=EVERYTHING
    )
    return stored_run(perp(), config, tmp_path_factory.mktemp("runs"))


def logits(model) -> torch.Tensor:
    tokens = torch.arange(40).view(2, 20) % 256
    with torch.no_grad():
        return model(tokens).logits


def from_pretrained(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto", local_files_only=True)


def by_item(stored, table="models"):
    return {row["item"]: row for row in stored.rows(table)}


def stored_model(stored, folder, item):
    checkpoint = by_item(stored)[item]["checkpoint"]
    return StoredModel(stored.run.path, checkpoint, ModelFolder.open(folder))


# --- whole runs ---------------------------------------------------------------------------------


def test_every_method_of_every_family_is_made_measured_and_verified(whole):
    models, read = by_item(whole), whole.rows("perplexities")
    assert {row["status"] for row in models.values()} == {"ok"}
    assert len(models) == 3 * (1 + 1 + 1 + len(EVERYTHING))
    assert len(read) == 2 * len(models)
    checked = by_item(whole, "verification")
    assert checked.keys() == models.keys()
    assert {row["status"] for row in checked.values()} == {"ok"}


def test_only_lora_loses_zeros_and_all_share_the_mask_of_the_pruned_model(whole):
    for row in whole.rows("models"):
        if row["criterion"]:
            pruned = by_item(whole)[f"{row['model']}-magnitude-2of4-0"]
            assert row["mask"] == pruned["mask"]
            assert (row["zeros_lost"] > 0) == (row["method"] == "lora")
            if row["method"] != "lora":
                assert row["sparsity"] == 0.5


def test_masks_have_their_pattern_along_the_inputs_of_transposed_layers_too(whole, folders):
    model = stored_model(whole, folders["gpt2"], "gpt2-magnitude-2of4-0")
    for name in model.masked:
        assert Pattern.parse("2:4").fits(model.mask(name).T), name


def test_least_squares_and_reconstruction_never_raise_an_error(whole):
    rows = [r for r in whole.rows("layers") if r["method"] in ("least-squares", "reconstruct")]
    assert {row["method"] for row in rows} == {"least-squares", "reconstruct"}
    for row in rows:
        # The error of weights in half precision is that of the rounded ones.
        slack = 0.0 if row["model"] == "llama" else 1e-3
        assert row["error"] <= row["before"] * (1 + slack) + 1e-12, row


def test_layers_tell_error_best_error_and_lower_bound(whole):
    rows = [row for row in whole.rows("layers") if row["method"] == "pruned"]
    assert len(rows) == 2 * (7 + 4 + 6)
    for row in rows:
        assert 0 < row["best_error"] <= row["error"] <= 1 + 1e-3
        assert 0 <= row["lower_bound"] <= row["error"]


def test_trained_shares_are_those_of_what_is_trained(whole):
    models = by_item(whole)
    config = llama()
    norms = (2 * config.num_hidden_layers + 1) * config.hidden_size
    row = models["llama-magnitude-2of4-norms-0"]
    assert row["trained"] == norms
    assert row["trained_share"] == norms / row["parameters"]


# --- export -------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["", "masklora-", "full-"])
def test_an_export_loads_to_the_logits_of_the_stored_model_bit_for_bit(
    whole, folders, family, method, tmp_path
):
    item = f"{family}-magnitude-2of4-{method}0"
    list(export_model(whole, item=item, to=str(tmp_path / "out")))
    model = stored_model(whole, folders[family], item)
    source = from_pretrained(folders[family])
    source.load_state_dict(model.read(source.state_dict().keys()))
    assert torch.equal(logits(from_pretrained(tmp_path / "out")), logits(source))


def test_a_compressed_export_loads_to_the_same_logits(whole, tmp_path):
    item = "opt-magnitude-2of4-masklora-0"
    list(export_model(whole, item=item, to=str(tmp_path / "plain")))
    list(export_model(whole, item=item, compressed=True, to=str(tmp_path / "packed")))
    packed = load_packed_model(tmp_path / "packed")
    assert torch.equal(logits(packed), logits(from_pretrained(tmp_path / "plain")))


def test_a_model_that_lost_its_zeros_is_exported_without_masks(whole, folders, tmp_path):
    item = "llama-magnitude-2of4-lora-0"
    for folder, compressed in ((tmp_path / "plain", False), (tmp_path / "packed", True)):
        list(export_model(whole, item=item, compressed=compressed, to=str(folder)))
    model = stored_model(whole, folders["llama"], item)
    source = from_pretrained(folders["llama"])
    source.load_state_dict(model.read(source.state_dict().keys()))
    assert torch.equal(logits(from_pretrained(tmp_path / "plain")), logits(source))
    assert torch.equal(logits(load_packed_model(tmp_path / "packed")), logits(source))
    assert not (tmp_path / "plain" / "pruning").exists()
    assert json.loads((tmp_path / "plain" / "pruning.json").read_text())["sparsity"] == 0.0


def test_by_default_the_sparse_model_with_the_least_loss_is_exported(whole, tmp_path):
    list(export_model(whole, to=str(tmp_path / "out")))
    about = json.loads((tmp_path / "out" / "pruning.json").read_text())
    best = exports.best_sparse(whole)
    assert about["provenance"]["checkpoint"] == best["checkpoint"]
    losses = {r["item"]: r["nll"] for r in whole.rows("perplexities") if r["is_trained_on"]}
    sparse = [r["item"] for r in whole.rows("models") if r["criterion"] and not r["zeros_lost"]]
    assert best["item"] == min(sparse, key=losses.__getitem__)


def test_an_export_does_not_write_into_a_folder_that_is_not_empty(whole, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        list(export_model(whole, to=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_exported_model_is_pruned_again_with_its_masks_only(whole, texts, tmp_path):
    list(export_model(whole, item="llama-magnitude-2of4-norms-0", to=str(tmp_path / "again")))
    config = small_config(tmp_path / "again", *texts, pattern="2:4", criteria="random")
    stored = stored_run(perp(), config, tmp_path / "runs")
    row = by_item(stored)["again-random-2of4-0"]
    assert row["mask"] == by_item(whole)["llama-magnitude-2of4-0"]["mask"]
    assert "kept as they are" in row["note"]
    with pytest.raises(InputError, match=r"does not have the pattern 0\.75"):
        check_perp(small_config(tmp_path / "again", *texts, pattern="0.75"))


# --- kill and resume ----------------------------------------------------------------------------


class Killed(BaseException):
    """As a signal would."""


@pytest.mark.parametrize("name", ["prune_layer", "best_weights", "reconstruct_block"])
@pytest.mark.parametrize("calls", [0, 1])
def test_a_pass_that_was_killed_in_a_block_ends_in_the_same_bytes(
    name, calls, texts, folders, tmp_path, monkeypatch
):
    methods = ("least-squares", "reconstruct")
    config = small_config(folders["llama"], *texts, methods=methods, baseline=False)
    expected = stored_run(perp(), config, tmp_path / "unbroken")
    function, made = getattr(block_work, name), []
    stop = calls * (1 if name == "reconstruct_block" else 7) + 1

    def dying(*arguments, **more):
        made.append(1)
        if len(made) == stop:
            raise Killed
        return function(*arguments, **more)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(block_work, name, dying)
        stored_run(perp(), config, tmp_path / "broken")
    made.clear()
    monkeypatch.setattr(block_work, name, lambda *a, **k: made.append(1) or function(*a, **k))
    found = stored_run(perp(), config, tmp_path / "broken")
    assert science_bytes(found.run.path) == science_bytes(expected.run.path)
    layers = 7 * 2
    per_block = 1 if name == "reconstruct_block" else 7
    whole_pass = layers // 7 * per_block
    # Finished items are made again by this helper, the broken one from its last whole block.
    assert len(made) == whole_pass - calls * per_block
    assert not list(Path(found.run.path).rglob("running-*"))


@pytest.mark.parametrize("method", ["masklora", "full"])
def test_a_retraining_that_was_killed_ends_in_the_same_bytes(
    method, texts, folders, tmp_path, monkeypatch
):
    from tasks.nn import fitting

    config = small_config(
        folders["opt"], *texts, methods=[method], baseline=False, checkpoint_steps=1
    )
    expected = stored_run(perp(), config, tmp_path / "unbroken")
    saved, save = [], fitting.save_checkpoint

    def dying(*arguments):
        digest = save(*arguments)
        saved.append(1)
        if len(saved) == 2:
            raise Killed
        return digest

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(fitting, "save_checkpoint", dying)
        stored_run(perp(), config, tmp_path / "broken")
    found = stored_run(perp(), config, tmp_path / "broken")
    assert science_bytes(found.run.path) == science_bytes(expected.run.path)
    assert not list(Path(found.run.path).rglob("running-*"))


# --- branches and adapters ----------------------------------------------------------------------


def test_a_soup_is_the_mean_of_merged_weights_and_has_every_zero(texts, folders, tmp_path):
    config = small_config(folders["llama"], *texts, methods=["masklora"], members=3)
    stored = stored_run(perp(), config, tmp_path)
    base = "llama-magnitude-0.5-masklora"
    members = [
        stored_model(stored, folders["llama"], f"{base}-0{branch}") for branch in ("", "-m1", "-m2")
    ]
    soup = stored_model(stored, folders["llama"], f"{base}-soup-0")
    for name in soup.masked:
        each = torch.stack([member.read([name])[name].double() for member in members])
        assert torch.allclose(soup.read([name])[name], each.mean(dim=0).float(), rtol=1e-6)
        assert not torch.equal(each[0], each[1])
    assert by_item(stored)[f"{base}-soup-0"]["zeros_lost"] == 0
    assert by_item(stored, "verification")[f"{base}-soup-0"]["status"] == "ok"


def test_a_lora_of_elsewhere_is_merged_under_the_masks(texts, folders, tmp_path):
    name = "model.layers.0.mlp.up_proj.weight"
    torch.manual_seed(3)
    factors = Factors(torch.randn(2, 32), torch.randn(48, 2))
    write_lora(tmp_path / "lora", {name: factors}, alpha=4.0)
    config = small_config(folders["llama"], *texts, methods=(), adapter=str(tmp_path / "lora"))
    stored = stored_run(perp(), config, tmp_path / "runs")
    pruned = stored_model(stored, folders["llama"], "llama-magnitude-0.5-0")
    merged = stored_model(stored, folders["llama"], "llama-magnitude-0.5-adapter-0")
    mask = pruned.mask(name)
    change = 4.0 / 2 * factors.b @ factors.a
    expected = torch.where(mask, pruned.read([name])[name] + change, 0.0)
    assert torch.allclose(merged.read([name])[name], expected, atol=1e-6)
    assert bool((merged.read([name])[name][~mask] == 0).all())


@pytest.mark.parametrize("name", ["text", "adapter", "llama"])
def test_a_model_is_an_input_by_its_content_whatever_its_folder_is_called(
    name, texts, folders, tmp_path
):
    folder = copied(folders["llama"], tmp_path / name)
    config = small_config(folder, *texts)
    before = perp_inputs(config).contents
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    after = perp_inputs(config).contents
    assert [key for key in before if before[key] != after[key]] == [f"model {name}"]


def test_a_layer_that_an_adapter_stores_whole_is_masked_too(texts, folders, tmp_path):
    name, module = "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.up_proj"
    write_lora(
        tmp_path / "lora",
        {"model.layers.1.mlp.up_proj.weight": Factors(torch.randn(2, 32), torch.randn(48, 2))},
        alpha=4.0,
    )
    from safetensors.torch import load_file, save_file

    weights = tmp_path / "lora" / "adapter_model.safetensors"
    whole = {f"base_model.model.{module}.weight": torch.ones(48, 32)}
    save_file(load_file(weights) | whole, weights)
    place = tmp_path / "lora" / "adapter_config.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"modules_to_save": [module]}))
    config = small_config(folders["llama"], *texts, methods=(), adapter=str(tmp_path / "lora"))
    stored = stored_run(perp(), config, tmp_path / "runs")
    assert by_item(stored, "verification")["llama-magnitude-0.5-adapter-0"]["status"] == "ok"
    merged = stored_model(stored, folders["llama"], "llama-magnitude-0.5-adapter-0")
    assert torch.equal(merged.own_tensor(name), merged.mask(name).float())


# --- damaged models -----------------------------------------------------------------------------


def test_a_layer_with_nan_is_told_and_the_run_ends(texts, tmp_path):
    folder = write_folder_of(llama(), tmp_path / "damaged")
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    methods = ("least-squares", "reconstruct")
    config = small_config(folder, *texts, methods=methods, baseline=False)
    stored = stored_run(perp(), config, tmp_path / "runs")
    assert {row["status"] for row in stored.rows("models")} == {"ok"}
    assert {row["status"] for row in stored.rows("verification")} == {"ok"}
    noted = [(row["method"], row["layer"]) for row in stored.rows("layers") if row["note"]]
    up, down = (f"model.layers.1.mlp.{name}_proj" for name in ("up", "down"))
    assert {("pruned", up), ("least-squares", up), ("least-squares", down)} <= {*noted}
    assert ("reconstruct", "model.layers.1.mlp") in noted


# --- refusals -----------------------------------------------------------------------------------


def copied(folder, to):
    shutil.copytree(folder, to)
    return to


def without(folder, name):
    (folder / name).unlink()
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "/nowhere/at/all"}, "model folder /nowhere/at/all does not exist"),
        ({"context": 128}, "longer than the model, which has 64 positions"),
        ({"pattern": "2:5"}, "cannot be pruned 2:5: 5 does not divide them"),
        ({"methods": ["biases"]}, "no model here has biases"),
        ({"rank": 33, "methods": ["masklora"]}, "rank 33 is larger than model.layers.0"),
        ({"rank": 33, "methods": ["norms+head"]}, "rank 33 is larger than lm_head"),
        ({"calibration": 5000}, "5000 windows of calibration"),
        ({"text": "/nowhere/text"}, "/nowhere/text is not a file or folder"),
        ({"adapter": "/nowhere/lora"}, "/nowhere/lora"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(changes, message, texts, folders):
    with pytest.raises(InputError) as caught:
        check_perp(small_config(folders["llama"], *texts, **changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_head_that_is_tied_to_a_scaled_embedding_is_left_out_or_refused(texts, tmp_path):
    from transformers import Gemma2Config

    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    folder = write_folder_of(Gemma2Config(vocab_size=256, **shape, **heads), tmp_path / "gemma2")
    config = small_config(folder, *texts, methods=["head", "norms+head", "norms"])
    with pytest.raises(InputError, match="no model here has a head of its own"):
        check_perp(config)
    lacking = {"gemma2": perp_inputs(config).value.lacking["gemma2"]}
    assert {item.method for item in adapt_items(config, lacking)} == {"norms", "full"}


def test_another_text_that_holds_what_is_trained_on_is_refused(texts, folders, tmp_path):
    text, other = texts
    check_perp(small_config(folders["llama"], text, other))
    again = copied(text, tmp_path / "again")
    with pytest.raises(InputError, match=r"other_text .*again has \d+ documents that text"):
        check_perp(small_config(folders["llama"], text, again))


def test_a_rank_that_no_adapter_has_is_not_looked_at(texts, folders):
    changes = {"methods": ["reconstruct", "norms"], "reconstruction_adapter": "full"}
    check_perp(small_config(folders["llama"], *texts, rank=4096, **changes))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("1.0", "give a share in"), ("4:4", "n:m needs 1 <= n < m"), ("-0.1", "give a share in")],
)
def test_a_pattern_that_keeps_nothing_is_refused(pattern, message, texts):
    with pytest.raises(ValueError, match=message):
        small_config("x", *texts, pattern=pattern)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["norms+masklora", "masklora+norms"]}, r"masklora\+norms is given twice"),
        ({"pattern": ["0.5", "0.50"]}, "pattern: 0.5 is given twice"),
        ({"pattern": ["2:4", "2 : 4"]}, "pattern: 2:4 is given twice"),
        ({"criteria": "wanda-matrix", "refinement": "relaxation"}, "row by row"),
    ],
)
def test_what_means_the_same_or_nothing_is_refused(changes, message, texts):
    with pytest.raises(ValueError, match=message):
        small_config("x", *texts, **changes)


def test_a_folder_without_config_and_an_adapter_of_another_model_are_refused(
    texts, folders, tmp_path
):
    folder = without(copied(folders["llama"], tmp_path / "copy"), "config.json")
    with pytest.raises(InputError, match=r"has no config\.json"):
        check_perp(small_config(folder, *texts))
    write_lora(
        tmp_path / "lora",
        {"model.layers.0.mlp.up_proj.weight": Factors(torch.ones(2, 8), torch.ones(9, 2))},
        alpha=1.0,
    )
    with pytest.raises(InputError, match="is of another model"):
        check_perp(small_config(folders["llama"], *texts, adapter=str(tmp_path / "lora")))
