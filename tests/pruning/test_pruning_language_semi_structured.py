"""2:4 layers by sparse tensor cores: what is refused without them, and numbers with them."""

import pytest
import torch
from language_folders import drawn_mask, groups_mask
from torch import nn

from tasks.pruning.language.files.semi_structured import (
    SpeedRow,
    semi_structured_speed,
    sparse_linear,
)
from tasks.records import InputError


def layers(device="cpu", dtype=torch.float16):
    """Two linear layers with 2:4 masks, their pruned weights zero."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 96)).to(device, dtype)
    masks = {f"{i}.weight": groups_mask(model[i].weight.shape).to(device) for i in (0, 2)}
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name).mul_(mask)
    return model, masks


def test_a_cpu_is_refused():
    with pytest.raises(InputError, match=r"need a CUDA device, but the weights are on cpu"):
        sparse_linear(*layers())
    with pytest.raises(InputError, match="need a CUDA device"):
        semi_structured_speed([(64, 64)], [1], "cpu")


def test_masks_of_nothing_are_refused():
    model, masks = layers()
    mask = next(iter(masks.values()))
    for name in ("3.weight", "0.bias", "1.weight"):
        with pytest.raises(InputError, match=f"mask of {name}"):
            sparse_linear(model, {name: mask})


def test_a_speedup_is_a_ratio_of_seconds():
    row = SpeedRow(64, 64, 8, dense_seconds=3.0, sparse_seconds=2.0, largest_difference=0, bound=1)
    assert row.speedup == 1.5


@pytest.fixture
def without_device_check(monkeypatch):
    """All checks but that of the device, on a CPU."""
    from tasks.pruning.language.files import semi_structured

    monkeypatch.setattr(semi_structured, "_check_device", lambda device: None)


@pytest.mark.usefixtures("without_device_check")
def test_other_patterns_and_weights_that_are_not_pruned_are_refused():
    model, masks = layers()
    other = drawn_mask((64, 128), torch.Generator().manual_seed(0))
    along_outputs = groups_mask((128, 64)).T
    for mask in (other, along_outputs):
        with pytest.raises(InputError, match=r"0\.weight is not 2:4 along its inputs"):
            sparse_linear(model, {"0.weight": mask})
    with pytest.raises(InputError, match=r"is \[64, 96\], its weight \[96, 64\]"):
        sparse_linear(model, {"2.weight": masks["2.weight"].T})
    with pytest.raises(InputError, match="not zero outside its mask"):
        sparse_linear(model, {"0.weight": groups_mask((64, 128), seed=9)})


@pytest.mark.usefixtures("without_device_check")
def test_layers_that_stay_dense_are_told_why():
    from transformers.pytorch_utils import Conv1D

    model = nn.ModuleDict(
        {"full": nn.Linear(64, 32), "odd": nn.Linear(64, 33).half(),
         "narrow": nn.Linear(32, 32).half(), "turned": Conv1D(32, 64).half()}
    )  # fmt: skip
    masks = {}
    for name, weight in [(n, w) for n, w in model.named_parameters() if n.endswith("weight")]:
        is_turned = name.startswith("turned")
        shape = weight.T.shape if is_turned else weight.shape
        masks[name] = groups_mask(shape).T if is_turned else groups_mask(shape)
        with torch.no_grad():
            weight.mul_(masks[name])
    found = sparse_linear(model, masks)
    assert found.sparse == ()
    assert found.dense == {
        "full.weight": "weights are float32, not half precision",
        "odd.weight": "33 x 64 is not a multiple of 32 x 64",
        "narrow.weight": "32 x 32 is not a multiple of 32 x 64",
        "turned.weight": "a Conv1D stores its weights transposed",
    }


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sparse_layers_compute_what_dense_ones_do(dtype):
    model, masks = layers("cuda", dtype)
    for rows in (1, 7, 64):
        x = torch.randn(rows, 128, device="cuda", dtype=dtype)
        dense_model, _ = layers("cuda", dtype)
        dense = dense_model(x)
        if rows == 1:
            found = sparse_linear(model, masks)
        with torch.no_grad():
            sparse = model(x)
        assert found.sparse == tuple(masks) and found.dense == {}
        # Two layers, each rounded once more than the dense ones.
        bound = 4 * torch.finfo(dtype).eps * float(dense.abs().max())
        torch.testing.assert_close(sparse, dense, rtol=0, atol=bound)


@pytest.mark.gpu
def test_speeds_are_of_products_that_agree():
    rows = semi_structured_speed([(256, 512), (512, 256)], [1, 64])
    assert [(r.outputs, r.inputs, r.rows) for r in rows] == [
        (256, 512, 1), (256, 512, 64), (512, 256, 1), (512, 256, 64)
    ]  # fmt: skip
    for row in rows:
        assert 0 <= row.largest_difference <= row.bound
        assert row.dense_seconds > 0 and row.sparse_seconds > 0
