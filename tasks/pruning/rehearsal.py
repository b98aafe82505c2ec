"""What can be known before anything is trained: whether a config fits together."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.nn.plan import check_training
from tasks.nn.sparsity import layer_counts, prunable_weights
from tasks.pruning.config import ImpConfig, SoupConfig, TrainingConfig
from tasks.pruning.given import read_members
from tasks.pruning.imp import imp_course, soup_course
from tasks.pruning.setups import Setup
from tasks.pruning.soups import SoupPhase
from tasks.records import InputError


def rehearse(config: TrainingConfig, address: str = "") -> None:
    """Refuse a config whose data, network, batches or prunings do not fit together."""
    check_training(config, address)
    setup = Setup.open(config)
    if isinstance(config, SoupConfig) and config.checkpoints:
        read_members(setup, config.checkpoints)
        return
    if isinstance(config, SoupConfig):
        for cycle in soup_course(config, setup).cycles:
            _ = SoupPhase.of(setup, config, 0, cycle.number).branches  # refuses what is too short
        _check_layers(setup, [config.sparsity])
    if isinstance(config, ImpConfig):
        for method in config.methods:
            imp_course(config, setup, method, min(config.retrain_epochs), max(config.sparsities))
        _check_layers(setup, config.sparsities)


def _check_layers(setup: Setup, sparsities: Sequence[float]) -> None:
    """Refuse sparsities at which a layer is sure to be empty."""
    model, config = setup.new_model(0), setup.config
    weights = prunable_weights(model)
    if not weights:
        raise InputError(
            f"{type(model).__name__} has no weight to prune: none of a convolution or linear layer "
            "that nothing else shares"
        )
    # Over all layers together too there must be a weight for each; filters keep one per group.
    allocation = "uniform" if config.allocation == "global" else config.allocation
    if config.granularity == "weights":
        layer_counts(weights, max(sparsities), allocation)
