"""Networks have the published numbers of parameters and multiplications."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from tasks.nn.models import MODELS, build_model, channels_last, num_parameters
from tasks.nn.sparsity import count_multiplications, prunable_weights
from tasks.records import InputError

GRAY, CIFAR, IMAGENET = (1, 28, 28), (3, 32, 32), (3, 224, 224)
PUBLISHED = [
    # LeCun et al. 1998: 784-300-100-10.
    ("lenet-300-100", GRAY, 10, 266_610, 266_200),
    # arXiv:1512.03385, table 6: 0.27M and 0.85M; arXiv:1608.08710, table 1: 1.25e8 for the latter.
    ("resnet20", CIFAR, 10, 269_722, 40_551_040),
    ("resnet56", CIFAR, 10, 853_018, 125_485_696),
    # The usual variant for CIFAR has 11.17M.
    ("resnet18", CIFAR, 10, 11_173_962, 555_422_720),
    # arXiv:1608.08710, table 1: 1.5e7 (with one more linear layer), 3.13e8.
    ("vgg16-bn", CIFAR, 10, 14_724_042, 313_201_664),
    # arXiv:1605.07146, table 4: 36.5M.
    ("wrn-28-10", CIFAR, 10, 36_479_194, 5_243_328_768),
    ("wrn-28-10", CIFAR, 100, 36_536_884, 5_243_386_368),
    # arXiv:1512.03385, table 1: 1.8e9 and 3.8e9; 4.1e9 with the stride in the 3 x 3 convolution.
    ("resnet18", IMAGENET, 1000, 11_689_512, 1_814_073_344),
]

SMALL = [name for name in MODELS if name not in ("wrn-28-10", "resnet50", "resnet18")]


@pytest.mark.parametrize(
    ("name", "shape", "num_classes", "parameters", "multiplications"), PUBLISHED
)
def test_sizes_are_the_published_ones(name, shape, num_classes, parameters, multiplications):
    # Without memory or arithmetic: only shapes are propagated.
    with torch.device("meta"):
        model = build_model(name, shape, num_classes)
        assert num_parameters(model) == parameters
        assert count_multiplications(model, shape).dense == multiplications


@pytest.mark.parametrize("name", SMALL)
def test_outputs_are_finite_logits_and_all_weights_get_gradients(name):
    model = build_model(name, CIFAR, 7)
    output = model(torch.randn(2, *CIFAR))
    assert output.shape == (2, 7) and bool(output.isfinite().all())
    output.square().sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())
    assert all(bool((w.grad != 0).any()) for w in prunable_weights(model).values())


def test_weights_are_a_function_of_the_seed():
    first, again, other = (build_model("small-cnn", GRAY, 10, seed=s) for s in (1, 1, 2))
    states = [torch.cat([p.flatten() for p in m.parameters()]) for m in (first, again, other)]
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


def test_building_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    build_model("mlp", GRAY, 10)
    assert torch.equal(torch.rand(1), expected)


def test_weights_have_the_spread_that_keeps_the_size_of_activations():
    model = build_model("vgg16-bn", CIFAR, 10)
    # Five standard errors of the deviation of 2,359,296 and of 5,120 normal numbers.
    assert float(model[-7].weight.detach().std()) == pytest.approx((2 / (9 * 512)) ** 0.5, rel=3e-3)
    assert float(model[-1].weight.detach().std()) == pytest.approx((1 / 512) ** 0.5, rel=0.05)
    assert not bool(model[-1].bias.any())


def test_the_small_network_fits_the_digits_and_has_enough_weights():
    assert build_model("small-cnn", (1, 8, 8), 10)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert num_parameters(build_model("small-cnn", GRAY, 10)) == 33_338


def test_an_unknown_model_is_answered_with_those_that_exist():
    with pytest.raises(InputError, match="no model is called 'alexnet'; known are mlp, lenet"):
        build_model("alexnet", CIFAR, 10)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(InputError, match="vgg16-bn takes images of at least 32 x 32 pixels"):
        build_model("vgg16-bn", GRAY, 10)


@pytest.mark.parametrize("name", SMALL)
def test_networks_work_with_pytorchs_own_tools(name):
    """`parameters_to_vector` views weights, `torch.nn.utils.prune` replaces them."""
    model = build_model(name, CIFAR, 7)
    vector = nn.utils.parameters_to_vector(model.parameters())
    assert len(vector) == sum(p.numel() for p in model.parameters())
    nn.utils.vector_to_parameters(2 * vector, model.parameters())
    layer = next(m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    prune.l1_unstructured(layer, "weight", amount=0.5)
    assert float((layer.weight == 0).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_another_order_in_memory_changes_no_number():
    plain, other = (build_model("small-cnn", (1, 8, 8), 10, seed=1) for _ in range(2))
    assert channels_last(other) is other
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for one, two in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    torch.testing.assert_close(plain(x), other(x))
