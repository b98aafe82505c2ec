"""What is tried before a run of `compression-aware` starts."""

from __future__ import annotations

from functools import lru_cache

from tasks.frankwolfe.compression.config import CompressionConfig
from tasks.frankwolfe.compression.items import Trial
from tasks.frankwolfe.compression.methods import hidden_matrices, new_optimizer
from tasks.frankwolfe.compression.run import compressing, example_shape
from tasks.nn.benches import open_bench
from tasks.nn.sparsity.compression import plan_compression
from tasks.records.errors import InputError


def rehearse(trial: Trial) -> None:
    """Refuse a method whose network, batches and region do not fit together.

    Raises
    ------
    InputError
    """
    bench = open_bench(trial.config)
    if bench.num_steps(trial.config.epochs) < 2:
        raise InputError("the training has a single step; give more epochs")
    model = bench.new_model(0)
    new_optimizer(trial, model, is_delayed=bool(trial.config.lmo_delay))
    new_optimizer(trial, model)
    if not trial.region and not hidden_matrices(model):
        raise InputError(f"{type(model).__name__} has no layer to compress but the last")
    _rehearse_compressions(trial.config)


@lru_cache(maxsize=1)
def _rehearse_compressions(config: CompressionConfig) -> None:
    bench = open_bench(config)
    model = bench.new_model(0)
    for kind in config.kinds:
        # Which single weights are small is known after the training only.
        ratio = 1.0 if kind == "weights" else max(config.ratios)
        plan_compression(model, compressing(config, kind, ratio), example_shape(bench))
