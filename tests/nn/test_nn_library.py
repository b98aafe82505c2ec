"""ResNet-50 of the library transformers, on a stand-in with its parts and, where installed, on it.

The library is an optional extra and not among what tests need, so the tests on the real one have a
marker of their own.
"""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from tasks.nn import Constant, TrainingState, classification_loss, recalibrate, sgd, train_steps
from tasks.nn.models import build_model, num_parameters
from tasks.nn.sparsity import (
    apply_masks,
    channel_groups,
    channel_masks,
    channel_norms,
    count_multiplications,
    hold_masks,
    largest_channels,
    prunable_weights,
    without_channels,
)
from tasks.pruning import SoupConfig, check_pruning
from tasks.pruning.criteria import Pruning, prune
from tasks.records import InputError

CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)
TINY = (3, 16, 16)


class Layer(nn.Module):
    """Convolution, normalization and ReLU, under the library's names."""

    def __init__(self, channels, width, size, stride):
        super().__init__()
        self.convolution = nn.Conv2d(channels, width, size, stride, size // 2, bias=False)
        self.normalization = nn.BatchNorm2d(width)
        self.activation = nn.ReLU()

    def forward(self, x):
        return self.activation(self.normalization(self.convolution(x)))


class Network(nn.Module):
    """The parts of the library's network, with two stages of one layer; no forward pass."""

    def __init__(self, config):
        super().__init__()
        stem, trunk = nn.Module(), nn.Module()
        stem.embedder = Layer(config.num_channels, config.embedding_size, 7, 2)
        stem.pooler = nn.MaxPool2d(3, 2, 1)
        trunk.embedder, trunk.encoder = stem, nn.Module()
        trunk.encoder.stages = nn.ModuleList(
            [Layer(config.embedding_size, 16, 3, 1), Layer(16, 32, 3, 2)]
        )
        trunk.pooler = nn.AdaptiveAvgPool2d((1, 1))
        self.resnet = trunk
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(32, config.num_labels))


@pytest.fixture
def stand_in(monkeypatch):
    """A module called transformers with what is asked of it."""
    library = ModuleType("transformers")
    library.ResNetConfig = lambda **entries: SimpleNamespace(embedding_size=8, **entries)
    library.ResNetForImageClassification = Network
    monkeypatch.setitem(sys.modules, "transformers", library)


def filters_cut_by_half(model, shape):
    """The model with silenced filters, and the smaller one."""
    groups = channel_groups(model, shape)
    kept = largest_channels(channel_norms(model, groups), 0.5)
    apply_masks(model, channel_masks(model, groups, kept))
    return model.eval(), without_channels(model, groups, kept).eval()


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"install 'latticework\[language\]', or take resnet18"):
        build_model("resnet50", CIFAR, 10)
    with pytest.raises(InputError, match="resnet50 needs the library transformers"):
        check_pruning(SoupConfig(model="resnet50"))


@pytest.mark.parametrize(("shape", "positions"), [(CIFAR, 32 * 32), (IMAGENET, 112 * 112)])
def test_the_stem_keeps_the_resolution_of_small_images(stand_in, shape, positions):
    model = build_model("resnet50", shape, 7)
    stem = model.network.resnet.embedder.embedder.convolution
    assert stem(torch.zeros(1, *shape)).shape[2:].numel() == positions
    assert model(torch.zeros(2, *shape)).shape == (2, 7)


def test_weights_are_drawn_from_the_seed_also_those_of_a_new_stem(stand_in):
    first, again, other = (build_model("resnet50", CIFAR, 10, seed=s) for s in (1, 1, 2))
    states = [torch.cat([p.flatten() for p in m.parameters()]) for m in (first, again, other)]
    assert torch.equal(states[0], states[1]) and not torch.equal(states[0], states[2])


def test_masks_counts_and_surgery_see_the_parts(stand_in):
    model = build_model("resnet50", CIFAR, 10).double()
    assert [name.rsplit(".", 2)[-2] for name in prunable_weights(model)] == [
        "convolution", "convolution", "convolution", "1",
    ]  # fmt: skip
    whole, smaller = filters_cut_by_half(model, CIFAR)
    images = torch.randn(2, *CIFAR, dtype=torch.float64)
    torch.testing.assert_close(smaller(images), whole(images))
    counts = [count_multiplications(m, CIFAR).dense for m in (smaller, whole)]
    # Both ends of all inner layers are halved; the stem has one end, as has the last layer.
    stem, last = 27 * 8 * 1024, 32 * 10
    assert counts[0] == (stem + last) // 2 + (counts[1] - stem - last) // 4


def test_the_real_one_has_the_published_size():
    # arXiv:1512.03385, table 1: 3.8e9; 4.1e9 with the stride in the 3 x 3 convolution.
    with torch.device("meta"):
        model = build_model("resnet50", IMAGENET, 1000)
        assert num_parameters(model) == 25_557_032
        assert count_multiplications(model, IMAGENET).dense == 4_089_184_256


def test_the_real_one_is_cut_to_a_smaller_one_that_computes_the_same():
    whole, smaller = filters_cut_by_half(build_model("resnet50", TINY, 10).double(), TINY)
    images = torch.randn(2, *TINY, dtype=torch.float64)
    torch.testing.assert_close(smaller(images), whole(images))
    assert num_parameters(smaller) / num_parameters(whole) == pytest.approx(0.25, abs=0.01)


def test_the_real_one_trains_under_masks_and_is_recalibrated():
    model = build_model("resnet50", TINY, 10)
    masks = prune(model, 0.9, Pruning())
    state = TrainingState(model, sgd(model), Constant(0.01))
    hold_masks(model, masks, state.optimizer)
    batch = (torch.randn(4, *TINY), torch.tensor([0, 1, 2, 3]))
    train_steps(state, [batch], classification_loss, until=1)
    weights = prunable_weights(model)
    assert all(bool((weights[name][~mask] == 0).all()) for name, mask in masks.items())
    mean = model.network.resnet.embedder.embedder.normalization.running_mean
    before = mean.clone()
    recalibrate(model, [batch])
    assert not torch.equal(mean, before)
