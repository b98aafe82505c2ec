"""Adapters, subsets and retraining of small language models of three families."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear

from tasks.nn import FitStatus, load_tensors, seeded_generator
from tasks.pruning.language.adapters.attaching import attach
from tasks.pruning.language.adapters.averages import mean_of_merged
from tasks.pruning.language.adapters.low_rank import LowRank, is_transposed
from tasks.pruning.language.adapters.retraining import Retraining, retrain
from tasks.pruning.language.methods import ADAPTERS, Method, parse_method
from tasks.pruning.language.models.subsets import (
    num_parameters,
    num_trained,
    subset,
    trained_names,
)
from tasks.records import InputError

transformers = pytest.importorskip("transformers")

KEEPING = tuple(kind for kind in ADAPTERS if kind != "lora")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
SIZE, WORDS = 32, 64


def configs():
    """GPT-2 (transposed, tied), OPT (biases, tied) and Llama (grouped queries, no biases)."""
    common = {"vocab_size": WORDS, "use_cache": True}
    return {
        "gpt2": transformers.GPT2Config(n_embd=SIZE, n_layer=2, n_head=4, n_positions=32, **common),
        "opt": transformers.OPTConfig(
            hidden_size=SIZE, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=32, word_embed_proj_dim=SIZE, **common,
        ),
        "llama": transformers.LlamaConfig(
            hidden_size=SIZE, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=32, **common,
        ),
    }  # fmt: skip


def build(family, **changes):
    config = configs()[family]
    for name, value in changes.items():
        setattr(config, name, value)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.AutoModelForCausalLM.from_config(config)


def masks_of(model, seed=0):
    """Half of the weights of every layer inside of blocks."""
    generator = torch.Generator().manual_seed(seed)
    return {
        f"{name}.weight": torch.rand(module.weight.shape, generator=generator) < 0.5
        for name, module in model.named_modules()
        if is_transposed(module) is not None and "head" not in name
    }


def pruned(family, **changes):
    model = build(family, **changes)
    masks = masks_of(model)
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name).masked_fill_(~mask, 0.0)
    return model, masks


class Tokens:
    """Batches of tokens with a rule to learn: every token is the one before plus one."""

    def __init__(self, fails_at=None, is_one=False):
        self.fails_at, self.is_one = fails_at, is_one

    def __repr__(self):
        return "Tokens()"

    def at(self, step):
        for number in itertools.count(step):
            if number == self.fails_at:
                raise KeyboardInterrupt
            generator = torch.Generator().manual_seed(0 if self.is_one else number)
            first = torch.randint(WORDS, (2, 1), generator=generator)
            yield (first + torch.arange(12)) % WORDS


def token_loss(model, tokens):
    logits = model(input_ids=tokens).logits
    return cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def plan(**changes):
    return Retraining(**{"num_steps": 6, "rate": 1e-2, "rank": 4, "alpha": 8.0, **changes})


def plain_layer(is_conv, dtype=torch.float32, inputs=12, outputs=8, bias=True):
    torch.manual_seed(1)
    if is_conv:
        layer = transformers.pytorch_utils.Conv1D(outputs, inputs)
        nn.init.normal_(layer.bias)
    else:
        layer = nn.Linear(inputs, outputs, bias=bias)
    return layer.to(dtype)


def adapted(kind, is_conv=False, dtype=torch.float32, rank=4, trained=True, **shape):
    """A model of one layer with an adapter that has been trained a little, and its mask."""
    model = nn.ModuleDict({"layer": plain_layer(is_conv, dtype, **shape)})
    mask = torch.rand(model["layer"].weight.shape) < 0.5
    found = attach(
        model, {"layer.weight": mask}, kind, rank=rank, alpha=6.0, generator=seeded_generator(0)
    )
    if trained:
        for parameter in found.trained().values():
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return model, found, mask


def wanted_weight(kind, layer, merged=False):
    """The table of the paper, in double precision and the order (outputs, inputs)."""
    turn = torch.t if layer.is_transposed else torch.clone
    W, M = turn(layer.weight.double()), turn(layer.mask).double()
    BA, c = layer.B.double() @ layer.A.double(), 6.0 / 4
    masked = {"lora": 1.0, "lora-prune": M if merged else 1.0, "masklora": M}
    if kind in masked:
        return W + c * masked[kind] * BA
    return W * BA if kind == "scalelora" else W + c * W * BA


# --- methods and subsets ------------------------------------------------------------------------


def test_a_method_is_words_in_one_order():
    assert parse_method("norms+masklora") == Method(("norms",), "masklora")
    assert str(parse_method("norms + biases+masklora")) == "masklora+biases+norms"
    assert parse_method("full") == Method(alone="full") and parse_method("full").retrains
    assert not parse_method("least-squares").retrains
    assert [parse_method(kind).keeps_zeros for kind in ADAPTERS] == [False] + [True] * 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("normz", "'normz' .* unknown; known are biases, norms, head, lora, .* reconstruct"),
        ("", "unknown"),
        ("norms+", "unknown"),
        ("lora+spp+norms", "take one of lora and spp"),
        ("full+norms", "'full' .* stands alone"),
    ],
)
def test_methods_that_make_no_sense_are_refused(text, reason):
    with pytest.raises(InputError, match=reason) as caught:
        parse_method(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["gpt2", "opt", "llama"])
def test_subsets_are_those_of_the_types_of_modules(family):
    model = build(family)
    norms = {
        f"{place}.{name}"
        for place, module in model.named_modules()
        if isinstance(module, nn.LayerNorm) or "RMSNorm" in type(module).__name__
        for name, _ in module.named_parameters()
    }
    biases = {name for name, _ in model.named_parameters() if name.endswith(".bias")}
    assert set(subset(model, "norms")) == norms and norms
    assert set(subset(model, "biases")) == biases and bool(biases) == (family != "llama")
    both = trained_names(model, parse_method("biases+norms"))
    assert set(both) == norms | biases and len(both) == len(set(both))
    assert len(subset(model, "full")) == len(list(model.parameters()))


def test_a_model_without_biases_cannot_train_biases_alone():
    model = build("llama")
    with pytest.raises(InputError, match="has no biases that biases could train"):
        trained_names(model, parse_method("biases"))
    assert trained_names(model, parse_method("biases+norms")) == subset(model, "norms")


def on_meta(config):
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config)


def test_shares_are_those_of_the_paper():
    opt = on_meta(transformers.OPTConfig())  # its defaults are OPT-125M
    layers = [n for n, p in opt.named_parameters() if ".layers." in n and p.ndim == 2]
    total = num_parameters(opt)
    assert total == 125_239_296
    few = num_trained(opt, parse_method("biases+norms"), layers, 16)
    assert round(100 * few / total, 3) == 0.097
    adapters = num_trained(opt, parse_method("masklora"), layers, 16)
    assert round(100 * adapters / total, 2) == 2.12
    small = on_meta(
        transformers.LlamaConfig(
            vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
            num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True,
        )
    )  # fmt: skip
    few = num_trained(small, parse_method("biases+norms"), [], 16)
    assert round(100 * few / num_parameters(small), 3) == 0.026


# --- adapters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_conv", [False, True], ids=["linear", "conv1d"])
@pytest.mark.parametrize("kind", ADAPTERS)
def test_adapters_compute_and_merge_what_the_table_says(kind, is_conv):
    model, found, mask = adapted(kind, is_conv)
    layer, x = model["layer"], torch.randn(3, 5, 12)
    assert bool((layer.weight[~mask] == 0).all())
    expected = linear(x.double(), wanted_weight(kind, layer), layer.bias.double())
    torch.testing.assert_close(layer(x).double(), expected, rtol=1e-5, atol=1e-5)
    merged = found.merged()["layer.weight"]
    wanted = wanted_weight(kind, layer, merged=True)
    wanted = wanted.t() if is_conv else wanted
    torch.testing.assert_close(merged.double(), wanted.detach(), rtol=1e-6, atol=1e-6)
    if kind == "lora-prune":  # trains something else than it merges
        found.detach()
        assert not torch.allclose(model["layer"](x).double(), expected, atol=1e-3)
        return
    before = layer(x)
    found.detach()
    assert type(model["layer"]) is type(plain_layer(is_conv))
    torch.testing.assert_close(model["layer"](x), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("is_conv", [False, True], ids=["linear", "conv1d"])
@pytest.mark.parametrize("kind", ["masklora", "scalelora", "spp"])
def test_gradients_are_those_of_finite_differences(kind, is_conv):
    model, found, _ = adapted(kind, is_conv, inputs=4, outputs=3, rank=2)
    layer = model["layer"].double()
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    trained = (layer.A, layer.B, layer.bias)

    def outputs(x, A, B, bias):
        return torch.func.functional_call(layer, {"A": A, "B": B, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(outputs, (x, *trained))
    assert layer.weight.grad is None and len(found.trained()) == 2


@pytest.mark.parametrize("kind", ADAPTERS)
def test_adapters_start_as_the_pruned_layer(kind):
    model, found, mask = adapted(kind, trained=False)
    layer, x = model["layer"], torch.randn(5, 12)
    plain = linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), plain, rtol=1e-6, atol=1e-6)
    if kind == "scalelora":
        assert torch.equal(layer.B @ layer.A, torch.ones(8, 12))
        return
    assert torch.equal(layer.B, torch.zeros(8, 4))
    # Uniform on +-1/sqrt(d).
    assert 0.8 / 12**0.5 < float(layer.A.detach().abs().max()) <= 1 / 12**0.5
    assert torch.equal(found.merged()["layer.weight"][mask], layer.weight[mask])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("is_conv", [False, True], ids=["linear", "conv1d"])
@pytest.mark.parametrize("kind", KEEPING)
def test_no_merge_loses_a_zero(kind, is_conv, dtype):
    model, found, mask = adapted(kind, is_conv, dtype, inputs=64, outputs=48)
    merged = found.merged()["layer.weight"]
    assert merged.dtype == dtype and found.keeps_zeros
    lost = merged[~mask]
    assert bool((lost == 0).all()) and not bool(lost.signbit().any())
    wanted = wanted_weight(kind, model["layer"], merged=True)
    wanted = wanted.t() if is_conv else wanted
    # Rounded once, by half a unit of the last place, from sums of r + 1 products in float32.
    layer = model["layer"]
    sizes = layer.B.abs() @ layer.A.abs() * 1.5
    sizes = layer.weight.abs() + (sizes.t() if is_conv else sizes)
    sizes = sizes * layer.weight.abs().clamp(min=1.0)  # W * (BA)
    bound = torch.finfo(dtype).eps / 2 * wanted.abs() + 6 * torch.finfo(torch.float32).eps * sizes
    tiny = torch.finfo(dtype).smallest_normal
    assert bool(((merged - wanted).abs() <= bound + tiny).all())


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
@pytest.mark.parametrize("kind", ["lora", "masklora", "scalelora", "spp"])
def test_in_half_precision_the_merged_layer_computes_what_the_adapter_does(kind, dtype):
    model, found, _ = adapted(kind, dtype=dtype, inputs=64, outputs=48)
    layer, x = model["layer"], torch.randn(7, 64).to(dtype)
    outputs = layer(x)
    sizes = linear(x.abs().float(), layer.weight.abs().float() + 1.5 * (layer.B @ layer.A).abs())
    found.detach()
    gap = (outputs - model["layer"](x)).float().abs()
    if kind != "lora":  # the same rounded weight
        assert float(gap.max()) == 0.0
    # Each of two outputs, two products and the weight is rounded once, by at most eps / 2.
    sizes = sizes + layer.bias.abs().float()
    assert bool((gap <= 5 * torch.finfo(dtype).eps / 2 * sizes).all())


@pytest.mark.parametrize("kind", ADAPTERS)
def test_under_autocast_adapters_and_merged_layers_agree(kind):
    model, found, _ = adapted(kind)
    layer, x = model["layer"], torch.randn(7, 12)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = layer(x)
        outputs.float().sum().backward()
        with found.as_merged():
            merged = layer(x)
    assert outputs.dtype == merged.dtype == torch.bfloat16
    assert layer.A.grad.dtype == layer.B.grad.dtype == torch.float32
    if kind in ("masklora", "scalelora", "spp"):
        assert torch.equal(outputs, merged)


def test_lora_loses_zeros_and_says_so(caplog):
    _, found, mask = adapted("lora")
    merged = found.merged()["layer.weight"]
    assert not found.keeps_zeros and bool((merged[~mask] != 0).any())
    assert "fills the zeros" in caplog.text


def test_masks_are_not_read_off_zeros():
    """A kept weight that is zero is trained; one outside of the mask is zero, whatever it was."""
    model = nn.ModuleDict({"layer": nn.Linear(8, 8)})
    with torch.no_grad():
        model["layer"].weight.fill_(1.0)[0, 0] = 0.0
    mask = torch.ones(8, 8, dtype=torch.bool)
    mask[1, 1] = False
    found = attach(model, {"layer.weight": mask}, "masklora", rank=2, alpha=2.0,
                   generator=seeded_generator(0))  # fmt: skip
    with torch.no_grad():
        model["layer"].B.fill_(1.0)
    merged = found.merged()["layer.weight"]
    assert merged[0, 0] != 0 and merged[1, 1] == 0 and model["layer"].weight[1, 1] == 0


@pytest.mark.parametrize("kind", ADAPTERS)
def test_the_backward_pass_keeps_inputs_and_parameters_and_no_other_matrix(kind):
    model, _, _ = adapted(kind, inputs=64, outputs=48)
    layer, x, kept = model["layer"], torch.randn(5, 64), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        layer(x)
    known = {t.data_ptr() for t in (x, layer.A, layer.B, layer.weight, layer.mask)}
    others = [t.numel() for t in kept if t.data_ptr() not in known]
    assert kept and max(others, default=0) <= 5 * 4  # x A'


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rank": 9}, "rank 9 for layer.weight, whose smaller side is 8"),
        ({"rank": 0}, "rank 0"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"kind": "dora"}, "known are lora, lora-prune, masklora, scalelora, spp"),
        ({"masks": {"other.weight": None}}, "other.weight cannot have an adapter"),
        ({"masks": {"layer.weight": torch.ones(8, 8) > 0}}, "wanted is torch.bool"),
    ],
)
def test_adapters_that_do_not_fit_are_refused_and_nothing_changes(change, reason):
    model = nn.ModuleDict({"layer": nn.Linear(12, 8)})
    before = copy.deepcopy(model.state_dict())
    settings = {"masks": {"layer.weight": torch.zeros(8, 12) > 0}, "kind": "spp", "rank": 2,
                "alpha": 4.0, "generator": seeded_generator(0)} | change  # fmt: skip
    with pytest.raises(InputError, match=reason):
        attach(model, settings.pop("masks"), settings.pop("kind"), **settings)
    assert type(model["layer"]) is nn.Linear and model["layer"].weight.requires_grad
    assert torch.equal(model["layer"].weight, before["layer.weight"])


# --- retraining ---------------------------------------------------------------------------------


METHODS = [
    *itertools.product(("gpt2", "opt", "llama"), ("head", "masklora+norms", "full")),
    *itertools.product(("gpt2",), ("biases+norms", "scalelora", "spp", "lora-prune")),
]


@pytest.mark.parametrize(("family", "method"), METHODS)
def test_retraining_changes_what_it_names_and_keeps_zeros(family, method):
    model, masks = pruned(family)
    before = copy.deepcopy(model.state_dict())
    model.train()
    batches = Tokens(is_one=True)
    found = retrain(model, masks, method, batches, plan(rate=1e-3), loss=token_loss)
    assert found.fit.status is FitStatus.FINISHED and found.keeps_zeros
    after = model.state_dict()
    assert list(after) == list(before)
    for name, value in after.items():
        if name in found.changed:
            assert torch.equal(found.changed[name], value) and value.dtype == before[name].dtype
        else:
            assert torch.equal(value, before[name])
    for name, mask in masks.items():
        zeros = after[name][~mask]
        assert bool((zeros == 0).all()) and not bool(zeros.signbit().any())
    assert found.trained == num_trained(model, parse_method(method), masks, 4)
    assert found.share == found.trained / num_parameters(model)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert model.training and model.config.use_cache
    tokens = next(batches.at(0))
    model.eval()
    with torch.no_grad():
        learned = float(token_loss(model, tokens))
        model.load_state_dict(before)
        assert learned < float(token_loss(model, tokens))


def test_a_tied_head_is_trained_together_with_the_embeddings():
    model, _ = pruned("opt")
    names = {"lm_head.weight", "model.decoder.embed_tokens.weight"}
    found = attach(model, {"lm_head.weight": None}, "lora", rank=4, alpha=8.0,
                   generator=seeded_generator(0))  # fmt: skip
    head = model.lm_head
    assert isinstance(head, LowRank) and model.model.decoder.embed_tokens.head is head
    with torch.no_grad():
        head.B.normal_()
    tokens = next(Tokens().at(0))
    model.eval()
    with torch.no_grad():
        outputs = model(tokens).logits
        found.detach()
        torch.testing.assert_close(model(tokens).logits, outputs, rtol=1e-5, atol=1e-5)
    assert model.lm_head.weight is model.model.decoder.embed_tokens.weight
    with pytest.raises(InputError, match=r"also the weight of model\.decoder\.embed_tokens"):
        attach(model, {"lm_head.weight": None}, "masklora", rank=4, alpha=8.0,
               generator=seeded_generator(0))  # fmt: skip
    trained = retrain(model, {}, "head", Tokens(), plan(), loss=token_loss)
    assert set(trained.changed) == names and trained.trained == 4 * (SIZE + WORDS)


@pytest.mark.parametrize(
    ("method", "stop"), [("masklora+norms", 1), ("masklora+norms", 5), ("full", 3)]
)
def test_a_killed_retraining_ends_in_the_same_bits(tmp_path, method, stop):
    once = plan(checkpoint=tmp_path / "a", checkpoint_steps=2, curve_steps=2, origin="1")
    model, masks = pruned("gpt2")
    straight = retrain(model, masks, method, Tokens(), once, loss=token_loss)
    other = plan(checkpoint=tmp_path / "b", checkpoint_steps=2, curve_steps=2, origin="1")
    model, masks = pruned("gpt2")
    with pytest.raises(KeyboardInterrupt):
        retrain(model, masks, method, Tokens(fails_at=stop), other, loss=token_loss)
    model, masks = pruned("gpt2")
    resumed = retrain(model, masks, method, Tokens(), other, loss=token_loss)
    assert resumed.fit == straight.fit
    assert straight.changed.keys() == resumed.changed.keys()
    assert all(torch.equal(straight.changed[n], resumed.changed[n]) for n in resumed.changed)


def test_a_checkpoint_holds_what_is_trained_and_another_method_passes_it_over(tmp_path, caplog):
    model, masks = pruned("llama")
    settings = plan(checkpoint=tmp_path / "file")
    first = retrain(model, masks, "norms", Tokens(), settings, loss=token_loss)
    stored = load_tensors(tmp_path / "file").below("model.")
    assert set(stored) == set(subset(model, "norms")) == set(first.changed)
    model, masks = pruned("llama")
    for change in ({"weight_decay": 0.1}, {"seed": 1}):
        caplog.clear()
        settings = plan(checkpoint=tmp_path / "file", **change)
        retrain(model, masks, "norms", Tokens(), settings, loss=token_loss)
        assert "passed over" in caplog.text


@pytest.mark.parametrize("method", ["norms", "masklora+head", "full"])
def test_a_retraining_that_diverges_gives_back_the_pruned_weights(method):
    model, masks = pruned("opt")
    before, steps = copy.deepcopy(model.state_dict()), itertools.count()

    def loss(model, tokens):
        return token_loss(model, tokens) * (float("inf") if next(steps) == 3 else 1.0)

    found = retrain(model, masks, method, Tokens(), plan(), loss=loss)
    assert found.fit.status is FitStatus.DIVERGED and "step 3" in found.fit.reason
    assert found.changed and all(torch.equal(v, before[n]) for n, v in found.changed.items())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_dropout_is_off_unless_it_is_asked_for():
    """Published results depended on settings of dropout that came with the model's files."""
    changed = []
    for rate, is_on in ((0.0, False), (0.5, False), (0.5, True)):
        model, masks = pruned("gpt2", attn_pdrop=rate, embd_pdrop=rate, resid_pdrop=rate)
        settings = plan(dropout=is_on)
        changed.append(retrain(model, masks, "norms", Tokens(), settings, loss=token_loss).changed)
    assert all(torch.equal(changed[0][name], changed[1][name]) for name in changed[0])
    assert not all(torch.equal(changed[0][name], changed[2][name]) for name in changed[0])


@pytest.mark.parametrize("family", ["gpt2", "opt", "llama"])
def test_activations_computed_again_change_nothing(family):
    changed, runs = [], []
    for is_on in (False, True):
        model, masks = pruned(family)
        calls = []
        handle = next(
            module for name, module in model.named_modules() if f"{name}.weight" in masks
        ).register_forward_hook(lambda *_, calls=calls: calls.append(1))
        settings = plan(checkpointing=is_on, num_steps=2)
        changed.append(retrain(model, masks, "norms", Tokens(), settings, loss=token_loss).changed)
        handle.remove()
        runs.append(len(calls))
    assert runs == [2, 4]
    assert all(torch.equal(changed[0][name], changed[1][name]) for name in changed[0])


@pytest.mark.parametrize("method", ["norms", "masklora", "full"])
def test_a_model_in_half_precision_is_trained_in_single_precision(method):
    """Steps of 1e-5 would be lost in bfloat16, whose neighbors of 1 are 4e-3 away."""
    model, masks = pruned("llama")
    model.to(torch.bfloat16)
    before, seen = copy.deepcopy(model.state_dict()), []

    def loss(model, tokens):
        trained = [p for p in model.parameters() if p.requires_grad]
        seen.append((trained[0].detach().clone(), {p.dtype for p in trained}))
        return token_loss(model, tokens).float()

    found = retrain(model, masks, method, Tokens(), plan(rate=1e-5, num_steps=3), loss=loss)
    assert all(types == {torch.float32} for _, types in seen)
    assert not torch.equal(seen[0][0], seen[-1][0])
    assert {value.dtype for value in model.state_dict().values()} == {torch.bfloat16}
    if method == "norms":
        assert all(torch.equal(found.changed[name], before[name]) for name in found.changed)


def test_methods_that_do_not_train_on_text_are_refused():
    model, masks = pruned("llama")
    with pytest.raises(InputError, match="least-squares does not train on text"):
        retrain(model, masks, "least-squares", Tokens(), plan(), loss=token_loss)
    with pytest.raises(InputError, match="nothing is to be trained"):
        retrain(model, {}, "masklora", Tokens(), plan(), loss=token_loss)


# --- averages -----------------------------------------------------------------------------------


def test_soups_average_merged_weights_and_not_their_factors():
    branches, factors = [], []
    for seed in range(3):
        model, found, mask = adapted("masklora")
        torch.manual_seed(seed)
        with torch.no_grad():
            model["layer"].B.normal_(), model["layer"].A.normal_()
        branches.append(found.merged())
        factors.append({name: p.detach().clone() for name, p in found.trained().items()})
    mean = mean_of_merged(branches, {"layer.weight": mask})["layer.weight"]
    expected = sum(branch["layer.weight"].double() for branch in branches) / 3
    torch.testing.assert_close(mean, expected.float(), rtol=1e-6, atol=1e-7)
    assert bool((mean[~mask] == 0).all())
    with torch.no_grad():
        for name, parameter in found.trained().items():
            parameter.copy_(sum(each[name] for each in factors) / 3)
    assert not torch.allclose(found.merged()["layer.weight"], mean, atol=0.1)
    same = mean_of_merged([branches[0]] * 3, {"layer.weight": mask, "other.weight": mask})
    assert torch.equal(same["layer.weight"], branches[0]["layer.weight"])
