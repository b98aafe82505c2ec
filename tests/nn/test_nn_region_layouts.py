"""Weights as points of regions, and radii from initialization."""

import math

import pytest
import torch
from torch import nn

from tasks.nn.regions import region_by_name
from tasks.nn.regions.layouts import Layout, layout_of
from tasks.nn.regions.radii import expected_norm, with_radius
from tasks.records import InputError


@pytest.mark.parametrize(
    ("layout", "shape", "points"),
    [
        (Layout("whole"), (4, 3, 2, 2), (48,)),
        (Layout("whole"), (), (1,)),
        (Layout("rows"), (4, 3, 2, 2), (4, 12)),
        (Layout("rows", blocks=2), (4, 3), (2, 2, 3)),
        (Layout("rows", transposed=True), (4, 3, 2, 2), (3, 16)),
        (Layout("matrix"), (4, 3), (4, 3)),
        (Layout("matrix"), (5, 4, 3), (5, 4, 3)),
        (Layout("matrix", blocks=3), (12, 5), (3, 4, 5)),
        (Layout("filters"), (4, 3, 2, 2), (4, 12)),
        (Layout("filters", transposed=True), (4, 3, 2, 2), (3, 16)),
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_weight_is_laid_out_and_put_back(layout, shape, points, channels_last):
    weight = torch.randn(shape)
    if channels_last and len(shape) == 4:
        weight = weight.contiguous(memory_format=torch.channels_last)
    found = layout.points(weight)
    assert found.shape == points == layout.shape(shape)
    assert torch.equal(layout.weight(found, shape), weight)


@pytest.mark.parametrize(
    ("layout", "shape", "words"),
    [
        (Layout("matrix"), (5,), "cannot be laid out as matrix"),
        (Layout("matrix"), (), "cannot be laid out as matrix"),
        (Layout("filters"), (5,), "cannot be laid out as filters"),
        (Layout("rows"), (), "cannot be laid out as rows"),
        (Layout("matrix", blocks=3), (4, 3), "3 blocks do not divide"),
        (Layout("matrix", blocks=2), (4, 3, 3), "cut into blocks"),
    ],
)
def test_a_weight_that_cannot_be_laid_out_is_named(layout, shape, words):
    with pytest.raises(InputError, match=words):
        layout.shape(shape)


def test_layouts_are_checked():
    with pytest.raises(InputError, match="no layout 'columns'"):
        Layout("columns")  # pyrefly: ignore[bad-argument-type]
    with pytest.raises(InputError, match="blocks"):
        Layout("rows", blocks=0)


@pytest.mark.parametrize(
    ("name", "module", "kind", "transposed"),
    [
        ("l2", nn.Conv2d(3, 4, 2), "whole", False),
        ("group_k_support", nn.Conv2d(3, 4, 2), "rows", False),
        ("group_k_support", nn.ConvTranspose2d(3, 4, 2), "rows", True),
        ("spectral", nn.Linear(3, 4), "matrix", False),
        ("spectral", nn.Conv1d(3, 4, 2), "filters", False),
        ("spectral", nn.ConvTranspose2d(3, 4, 2), "filters", True),
    ],
)
def test_the_usual_layouts(name, module, kind, transposed):
    found = layout_of(region_by_name(name), module.weight, module)
    assert found == Layout(kind, transposed=transposed)


MODULES = (
    nn.Linear(300, 200),
    nn.Conv2d(20, 30, 5),
    nn.Conv1d(20, 30, 5),
    nn.BatchNorm1d(50),
    nn.LayerNorm(50),
    nn.Embedding(100, 60),
)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: type(module).__name__)
def test_closed_forms_are_the_norms_of_fresh_weights(module):
    before = {name: weight.clone() for name, weight in module.named_parameters()}
    for name, weight in module.named_parameters():
        if isinstance(module, nn.BatchNorm1d | nn.LayerNorm) and name == "bias":
            continue
        norms = []
        for seed in range(40):
            torch.manual_seed(seed)
            module.reset_parameters()
            norms.append(float(weight.detach().norm()))
        found = expected_norm(weight, module)
        assert found == pytest.approx(sum(norms) / len(norms), rel=0.05 if name == "bias" else 0.01)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(before[name])
    region = with_radius(region_by_name("l2"), Layout(), module.weight.shape, 1.0, 1.0)
    assert region.radius == 1 and all(
        torch.equal(weight, before[name]) for name, weight in module.named_parameters()
    )


def test_other_initializations():
    weight = torch.empty(200, 300)
    for name, draw in (
        ("glorot", nn.init.xavier_uniform_),
        ("he", lambda w: nn.init.kaiming_normal_(w)),
    ):
        found = expected_norm(weight, nn.Linear(300, 200), name)  # pyrefly: ignore
        assert found == pytest.approx(float(draw(weight).norm()), rel=0.02)
    with pytest.raises(InputError, match="no initialization"):
        expected_norm(weight, None, "other")  # pyrefly: ignore[bad-argument-type]


@pytest.mark.parametrize("name", ["l1", "l2", "linf", "k_sparse", "nuclear", "spectral"])
def test_a_region_gets_the_diameter_that_is_asked_for(name):
    shape = (6, 8)
    region = region_by_name(name)
    layout = layout_of(region, torch.empty(shape))
    found = with_radius(region, layout, shape, norm=5.0, width=2.0)
    assert found.diameter(layout.shape(shape)) == pytest.approx(20.0)


def test_blocks_share_the_norm_of_the_whole_weight():
    region = with_radius(region_by_name("l2"), Layout("rows", blocks=1), (4, 8), 6.0, 1.0)
    assert region.radius == pytest.approx(6.0 / math.sqrt(4))
    with pytest.raises(InputError, match="width factor"):
        with_radius(region, Layout(), (4, 8), 6.0, 0.0)
    with pytest.raises(InputError, match="single point"):
        with_radius(region_by_name("simplex"), Layout(), (1,), 6.0, 1.0)
