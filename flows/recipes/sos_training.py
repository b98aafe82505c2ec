"""Recipes of the flow `sos-train`.

The models that come with the package were trained by `train-shipped` (the scorer of bases) and
`train-baseline-shipped` (the published encoder-decoder, small).
"""

from __future__ import annotations

from flows.recipes import Recipe
from tasks.sos.prediction.config import TrainConfig

__all__ = ["RECIPES", "small"]


def small() -> TrainConfig:
    """Two minutes on one core; a first look."""
    return TrainConfig(steps=400, every=50, max_variables=10, max_half_degree=8, max_size=40)


def shipped() -> TrainConfig:
    """The model that comes with the package: some 20 minutes on one quiet core, seed 0."""
    return TrainConfig(steps=3000, every=250, calibration=12_000, test=6000)


def baseline() -> TrainConfig:
    """The published encoder-decoder at a size for one GPU, on the published structures."""
    return TrainConfig(
        model="autoregressive",
        families=("dense", "sparse", "low_rank", "block_diagonal"),
        width=256,
        heads=8,
        rounds=4,
        steps=20_000,
        batch=64,
        rate=3e-4,
        every=500,
        max_variables=8,
        test=2000,
        mixed_precision=True,
    )


def shipped_baseline() -> TrainConfig:
    """The encoder-decoder that comes with the package: 14 minutes of one core, seed 0."""
    return baseline().model_copy(
        update={
            "width": 128,
            "heads": 4,
            "rounds": 2,
            "steps": 5000,
            "batch": 16,
            "rate": 2e-3,
            "every": 500,
            "max_size": 30,
            "validation": 40,
            "calibration": 20,
            "mixed_precision": False,
        }
    )


def baseline_smoke() -> TrainConfig:
    """A tiny one."""
    return smoke().model_copy(update={"model": "autoregressive", "heads": 2, "batch": 6})


def large() -> TrainConfig:
    """For a GPU: twice as wide, more rounds, larger polynomials."""
    return TrainConfig(
        width=128,
        rounds=6,
        steps=20_000,
        batch=128,
        rate=1e-3,
        every=500,
        max_variables=30,
        max_size=100,
        calibration=12_000,
        test=12_000,
        mixed_precision=True,
    )


def smoke() -> TrainConfig:
    """A tiny network, a few steps, small polynomials."""
    return TrainConfig(
        width=8,
        rounds=1,
        steps=4,
        batch=6,
        every=2,
        max_variables=3,
        max_half_degree=3,
        max_size=6,
        validation=12,
        calibration=24,
        test=12,
        alpha=0.1,
    )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("train-small", "a scorer of bases in two minutes on one core", small, smoke),
        Recipe("train-shipped", "the scorer that comes with the package, seed 0", shipped, smoke),
        Recipe(
            "train-baseline", "the published encoder-decoder, for a GPU", baseline, baseline_smoke
        ),
        Recipe(
            "train-baseline-shipped",
            "the encoder-decoder that comes with the package, seed 0",
            shipped_baseline,
            baseline_smoke,
        ),
        Recipe("train-large", "a larger scorer, for a GPU", large, smoke),
    )
}
