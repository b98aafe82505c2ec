"""Reconstruction of blocks of small language models of three families, and of plain modules."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import linear, relu

from tasks.pruning.language.adapters.low_rank import is_transposed
from tasks.pruning.language.adapters.reconstruction import Reconstruction, reconstruct_block
from tasks.pruning.language.adapters.units import Chain
from tasks.pruning.language.layers.gram import Gram, row_errors
from tasks.pruning.language.layers.least_squares import best_weights
from tasks.pruning.language.models.calls import Call
from tasks.records import InputError

transformers = pytest.importorskip("transformers")

SIZE = 32
PARTS = {
    "gpt2": ("attn", "mlp"),
    "opt": ("self_attn", ("fc1", "fc2")),
    "llama": ("self_attn", "mlp"),
}


def blocks_of(family, **changes):
    """Two dense blocks, with weights that make them matter."""
    sizes = {
        "gpt2": {"n_embd": SIZE, "n_layer": 2, "n_head": 4},
        "opt": {"hidden_size": SIZE, "ffn_dim": 64, "num_attention_heads": 4},
        "llama": {"hidden_size": SIZE, "intermediate_size": 64, "num_attention_heads": 4,
                  "num_key_value_heads": 2},
    }[family]  # fmt: skip
    name = {"gpt2": "GPT2Config", "opt": "OPTConfig", "llama": "LlamaConfig"}[family]
    config = getattr(transformers, name)(vocab_size=64, **sizes, **changes)
    config.num_hidden_layers = 2
    config._attn_implementation = "eager"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data *= 6
    lists = [m for m in model.modules() if isinstance(m, nn.ModuleList)]
    return model, list(max(lists, key=len))


def case(family, num_batches=3, dtype=torch.float32, **changes):
    """A dense block, a pruned copy, its masks, inputs and keywords."""
    model, blocks = blocks_of(family, **changes)
    dense, caught = blocks[0], []

    def catch(_, args, kwargs):
        caught.append((args[0].to(dtype), dict(kwargs)))

    handle = dense.register_forward_pre_hook(catch, with_kwargs=True)
    generator = torch.Generator().manual_seed(1)
    model.eval()
    with torch.no_grad():
        for _ in range(num_batches):
            model(torch.randint(64, (2, 8), generator=generator), use_cache=False)
    handle.remove()
    dense = dense.to(dtype)
    block = copy.deepcopy(dense)
    masks = masks_of(block)
    kwargs = [keywords for _, keywords in caught]
    if dtype != torch.float32:
        kwargs = [{n: in_type(v, dtype) for n, v in each.items()} for each in kwargs]
    return dense, block, masks, [hidden for hidden, _ in caught], kwargs


def in_type(value, dtype):
    if isinstance(value, tuple):
        return tuple(in_type(each, dtype) for each in value)
    is_float = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.to(dtype) if is_float else value


def masks_of(block):
    generator = torch.Generator().manual_seed(2)
    masks = {
        f"{name}.weight": torch.rand(module.weight.shape, generator=generator) < 0.5
        for name, module in block.named_modules()
        if is_transposed(module) is not None
    }
    with torch.no_grad():
        for name, mask in masks.items():
            block.get_parameter(name).masked_fill_(~mask, 0.0)
    return masks


def settings(**changes):
    return Reconstruction(**{"num_steps": 12, "rate": 1e-2, "rank": 4, "alpha": 8.0, **changes})


def block_error(dense, block, hidden, kwargs):
    """Mean square of the difference of outputs, in float64."""
    total = count = 0
    with torch.no_grad():
        for x, keywords in zip(hidden, kwargs, strict=True):
            outputs = [b(x, **keywords) for b in (dense, block)]
            first, second = (o[0] if isinstance(o, tuple) else o for o in outputs)
            total += float((first.double() - second.double()).square().sum())
            count += first.numel()
    return total / count


UNITS = {
    ("gpt2", "parts"): ["attn", "mlp"],
    ("opt", "parts"): ["self_attn", "fc1 + fc2"],
    ("llama", "parts"): ["self_attn", "mlp"],
    ("gpt2", "matrix"): ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"],
    ("llama", "matrix"): [
        *(f"self_attn.{name}_proj" for name in "qkvo"),
        *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
    ],
    ("opt", "block"): ["block"],
}


@pytest.mark.parametrize(("family", "granularity"), UNITS)
def test_units_in_their_order_get_better_and_zeros_are_kept(family, granularity):
    dense, block, masks, hidden, kwargs = case(family)
    before = {name: value.clone() for name, value in block.state_dict().items()}
    error = block_error(dense, block, hidden, kwargs)
    found = reconstruct_block(
        dense, block, masks, hidden, kwargs, PARTS[family], settings(granularity=granularity)
    )
    assert [unit.name for unit in found.units] == UNITS[family, granularity]
    assert all(unit.loss_after < unit.loss_before for unit in found.units)
    assert found.loss_before == pytest.approx(error, rel=1e-5)
    assert found.loss_after < found.loss_before and not found.is_reverted
    assert found.loss_after == pytest.approx(block_error(dense, block, hidden, kwargs), rel=1e-5)
    assert set(found.changed) == set(masks)
    for name, value in block.state_dict().items():
        if name in masks:
            assert torch.equal(found.changed[name], value)
            assert bool((value[~masks[name]] == 0).all())
            assert not torch.equal(value, before[name])
        else:
            assert torch.equal(value, before[name])


@pytest.mark.parametrize("kind", ["lora-prune", "scalelora", "spp", "full"])
@pytest.mark.parametrize(("loss", "inputs"), [("cosine", "sparse"), ("mse", "dense")])
def test_all_that_can_be_trained_lowers_the_loss(kind, loss, inputs):
    dense, block, masks, hidden, kwargs = case("llama")
    how = settings(kind=kind, loss=loss, inputs=inputs)
    found = reconstruct_block(dense, block, masks, hidden, kwargs, PARTS["llama"], how)
    assert all(unit.loss_after <= unit.loss_before for unit in found.units)
    assert found.loss_after < found.loss_before
    assert all(bool((found.changed[n][~mask] == 0).all()) for n, mask in masks.items())


@pytest.mark.parametrize("kind", ["masklora", "lora-prune", "full"])
@pytest.mark.parametrize("granularity", ["matrix", "parts", "block"])
def test_a_training_that_only_gets_worse_changes_no_bit(granularity, kind):
    dense, block, masks, hidden, kwargs = case("gpt2")
    before = {name: value.clone() for name, value in block.state_dict().items()}
    how = settings(granularity=granularity, kind=kind, rate=1e3)
    found = reconstruct_block(dense, block, masks, hidden, kwargs, PARTS["gpt2"], how)
    assert all(unit.loss_after == unit.loss_before for unit in found.units)
    assert found.loss_after == found.loss_before
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


class Selecting(nn.Module):
    """A block that shows one output of its only layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2, bias=False)

    def forward(self, hidden):
        return self.layer(hidden)[..., :1]


def test_units_that_make_the_block_worse_as_a_whole_are_put_back():
    """The layer gives up a little of its first output for much of its second one."""
    torch.manual_seed(0)
    dense = Selecting()
    block, masks = copy.deepcopy(dense), {"layer.weight": torch.ones(2, 4, dtype=torch.bool)}
    masks["layer.weight"][1, :3] = False
    hidden = [torch.randn(3, 5, 4) @ torch.tensor([[1.0, 1, 1, 1]] * 4) for _ in range(2)]
    how = settings(granularity="matrix", kind="scalelora", rank=1, num_steps=40)
    found = reconstruct_block(dense, block, masks, hidden, {}, (), how)
    assert found.units[0].loss_after < found.units[0].loss_before
    assert found.is_reverted and found.units[0].is_reverted
    assert found.loss_after == found.loss_before == 0.0
    assert torch.equal(block.layer.weight, dense.layer.weight * masks["layer.weight"])


def test_units_without_a_module_of_their_own_are_run_as_they_stand():
    dense, block, masks, hidden, kwargs = case("opt", num_batches=1)
    found = reconstruct_block(
        dense, block, masks, hidden, kwargs, PARTS["opt"], settings(num_steps=0)
    )
    inputs = []
    handle = block.fc1.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    with torch.no_grad():
        block(hidden[0], **kwargs[0])
        outputs = [b.fc2(relu(b.fc1(inputs[0]))) for b in (dense, block)]
    handle.remove()
    gap = (outputs[0] - outputs[1]).double().square().mean()
    assert found.units[1].loss_before == pytest.approx(float(gap), rel=1e-5)
    # Left out of the parts, each matrix is a unit.
    found = reconstruct_block(
        dense, block, masks, hidden, kwargs, ("self_attn",), settings(num_steps=0)
    )
    assert [unit.name for unit in found.units] == ["self_attn", "fc1", "fc2"]


@pytest.mark.parametrize("inputs", ["sparse", "dense"])
def test_inputs_of_a_unit_are_those_of_the_model_that_was_asked_for(inputs):
    dense, block, masks, hidden, kwargs = case("llama", num_batches=1)
    caught = []
    source = block if inputs == "sparse" else dense
    handle = source.mlp.register_forward_pre_hook(lambda _, args: caught.append(args[0]))
    with torch.no_grad():
        source(hidden[0], **kwargs[0])
        handle.remove()
        gap = (dense.mlp(caught[0]) - block.mlp(caught[0])).double().square().mean()
    how = settings(num_steps=0, inputs=inputs)
    found = reconstruct_block(dense, block, masks, hidden, kwargs, PARTS["llama"], how)
    assert found.units[1].loss_before == pytest.approx(float(gap), rel=1e-5)


@pytest.mark.parametrize("granularity", ["matrix", "parts", "block"])
def test_nothing_outside_of_a_unit_gets_a_gradient(granularity, monkeypatch):
    """Published code let gradients flow into blocks before and after."""
    dense, block, masks, hidden, kwargs = case("opt", num_batches=1)
    for parameter in [*dense.parameters(), *block.parameters()]:
        parameter.requires_grad_(True)
    seen = []
    step = torch.optim.AdamW.step

    def watched(optimizer, *args, **kwargs):
        seen.append({n for n, p in block.named_parameters() if p.grad is not None})
        assert all(p.grad is None for p in dense.parameters())
        return step(optimizer, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    how = settings(granularity=granularity, num_steps=1)
    found = reconstruct_block(dense, block, masks, hidden, kwargs, PARTS["opt"], how)
    assert len(seen) == len(found.units)
    for unit, names in zip(found.units, seen, strict=True):
        modules = [""] if unit.name == "block" else unit.name.split(" + ")
        inside = [n for n in masks if any(n.startswith(m) for m in modules)]
        assert names == {f"{n.removesuffix('weight')}{letter}" for n in inside for letter in "AB"}
    assert all(p.grad is None and p.requires_grad for p in block.parameters())
    assert hidden[0].grad is None


def test_dropout_is_off_and_modes_are_restored():
    changed = []
    for rate in (0.0, 0.5):
        changes = {"dropout": rate, "attention_dropout": rate}
        dense, block, masks, hidden, kwargs = case("opt", **changes)
        block.train(), dense.train()
        changed.append(
            reconstruct_block(dense, block, masks, hidden, kwargs, PARTS["opt"], settings())
        )
        assert block.training and block.self_attn.training and dense.training
    assert all(torch.equal(changed[0].changed[n], changed[1].changed[n]) for n in masks)
    assert changed[0].units == changed[1].units


def test_a_second_run_gives_the_same_bits():
    found = []
    for _ in range(2):
        dense, block, masks, hidden, kwargs = case("llama")
        found.append(
            reconstruct_block(dense, block, masks, hidden, kwargs, PARTS["llama"], settings())
        )
        torch.rand(1)
    assert found[0].units == found[1].units
    assert all(torch.equal(found[0].changed[n], found[1].changed[n]) for n in masks)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("kind", ["masklora", "full"])
def test_least_squares_is_never_above_a_reconstruction(family, kind):
    dense, block, masks, hidden, kwargs = case(family)
    name = "attn.c_attn" if family == "gpt2" else "self_attn.q_proj"
    masks, block = {f"{name}.weight": masks[f"{name}.weight"]}, copy.deepcopy(dense)
    inputs = []
    handle = block.get_submodule(name).register_forward_pre_hook(
        lambda _, args: inputs.append(args[0])
    )
    with torch.no_grad():
        for x, keywords in zip(hidden, kwargs, strict=True):
            block(x, **keywords)
    handle.remove()
    gram = Gram.zero(SIZE)
    for each in inputs:
        gram = gram.plus(each)
    turn = torch.t if family == "gpt2" else torch.clone
    weight, mask = turn(dense.get_parameter(f"{name}.weight")), turn(masks[f"{name}.weight"])
    how = settings(granularity="matrix", kind=kind, num_steps=60)
    found = reconstruct_block(dense, block, masks, hidden, kwargs, (), how)
    assert not found.is_reverted
    kept = turn(found.changed[f"{name}.weight"])
    count = sum(linear(x, weight).numel() for x in inputs)
    error = float(row_errors(weight, kept, gram).sum()) / count
    assert found.units[0].loss_after == pytest.approx(error, rel=1e-3)
    solved = best_weights(weight, mask, gram).weight
    best = row_errors(weight, solved, gram)
    # Of every row; the errors are computed from float32 products.
    assert bool((best <= row_errors(weight, kept, gram) * (1 + 1e-6)).all())


def test_several_blocks_are_reconstructed_as_one():
    _, blocks = blocks_of("llama")
    _, _, _, hidden, kwargs = case("llama")
    dense = Chain(blocks)
    block = Chain([copy.deepcopy(each) for each in blocks])
    masks = masks_of(block)
    how = settings(granularity="block")
    found = reconstruct_block(dense, block, masks, hidden, kwargs, (), how)
    assert {name.split(".")[0] for name in found.changed} == {"0", "1"}
    with torch.no_grad():
        expected = hidden[0]
        for each in blocks:
            expected = each(expected, **kwargs[0])
        assert torch.equal(dense(hidden[0], **kwargs[0]), expected)
        calls = [Call((), kwargs[0])] * 2
        assert torch.equal(dense(hidden[0], calls=calls), expected)
    assert found.loss_after < found.loss_before


@pytest.mark.parametrize("kind", ["masklora", "full"])
def test_in_half_precision_the_rounded_weights_are_what_is_compared(kind):
    dense, block, masks, hidden, kwargs = case("llama", dtype=torch.bfloat16)
    how = settings(kind=kind)
    found = reconstruct_block(dense, block, masks, hidden, kwargs, PARTS["llama"], how)
    assert {value.dtype for value in block.state_dict().values()} == {torch.bfloat16}
    assert all(unit.loss_after < unit.loss_before for unit in found.units)
    assert found.loss_after == pytest.approx(block_error(dense, block, hidden, kwargs), rel=1e-4)
    assert all(bool((found.changed[n][~mask] == 0).all()) for n, mask in masks.items())


def test_blocks_may_be_called_by_what_a_model_was_seen_to_call_them_with():
    found = []
    for is_call in (False, True):
        dense, block, masks, hidden, kwargs = case("llama")
        calls = [Call((), each) for each in kwargs] if is_call else kwargs
        found.append(
            reconstruct_block(dense, block, masks, hidden, calls, PARTS["llama"], settings())
        )
    assert found[0].units == found[1].units


def test_what_does_not_fit_is_refused():
    dense, block, masks, hidden, kwargs = case("llama", num_batches=1)
    with pytest.raises(InputError, match=r"kind of a reconstruction is 'lora'; allowed are lora-"):
        Reconstruction(kind="lora")
    with pytest.raises(InputError, match="does not run a module called 'ffn'"):
        reconstruct_block(dense, block, masks, hidden, kwargs, ("self_attn", "ffn"), settings())
    with pytest.raises(InputError, match="there are none"):
        reconstruct_block(dense, block, masks, [], {}, (), settings())
    with pytest.raises(InputError, match="known are matrix, parts, block"):
        how = settings(granularity="layer")
        reconstruct_block(dense, block, masks, hidden, kwargs, (), how)
