"""Recipes of the flows `sparse-soup` and `imp`."""

from __future__ import annotations

from flows.recipes import Recipe
from tasks.pruning.config import ImpConfig, SoupConfig

__all__ = ["IMP_RECIPES", "SOUP_RECIPES", "digits", "schedules_digits"]


def digits() -> SoupConfig:
    """A network of 33,338 parameters on the digits that come with the package."""
    return SoupConfig(
        dataset="digits",
        sparsity=0.95,
        epochs=12,
        retrain_epochs=3,
        ood_images=100,
        recalibration_images=600,
        seeds=3,
    )


def fashion_mnist() -> SoupConfig:
    """The same network on 20,000 images of clothes, to 98 %."""
    return SoupConfig(
        dataset="fashion-mnist",
        num_train=20_000,
        batch=128,
        epochs=8,
        retrain_epochs=2,
        sparsity=0.98,
        pad=2,
        flip=True,
        recalibration_images=5000,
        ood_images=400,
        seeds=3,
    )


def smoke() -> SoupConfig:
    """Two phases, two members, a few steps on drawn images."""
    return SoupConfig(
        dataset="synthetic",
        batch=60,
        epochs=2,
        retrain_epochs=1,
        sparsity=0.8,
        phases=2,
        members=2,
        recalibration_images=100,
        ood_images=20,
        ood_severities=(3,),
        seeds=1,
    )


def schedules_digits() -> ImpConfig:
    """All schedules after 1, 2 and 5 epochs on the digits, pruned once."""
    return ImpConfig(
        dataset="digits",
        sparsities=(0.9, 0.98),
        epochs=15,
        ood_images=0,
        recalibration_images=600,
        seeds=3,
    )


def schedules_fashion() -> ImpConfig:
    """All schedules after 1, 2 and 5 epochs on 20,000 images of clothes, pruned once to 95 %."""
    return ImpConfig(
        dataset="fashion-mnist",
        num_train=20_000,
        batch=128,
        epochs=8,
        sparsities=(0.95,),
        pad=2,
        flip=True,
        recalibration_images=5000,
        ood_images=0,
        seeds=3,
    )


def schedules_smoke() -> ImpConfig:
    """Two schedules, one budget, a few steps on drawn images."""
    return ImpConfig(
        dataset="synthetic",
        batch=60,
        epochs=2,
        sparsities=(0.8,),
        schedules=("llr", "allr"),
        retrain_epochs=(1.0,),
        updates=3,
        recalibration_images=100,
        ood_images=0,
        seeds=1,
    )


SOUP_RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("digits", "soups to 95 % on small digits in less than a minute", digits, smoke),
        Recipe("fashion-mnist", "soups to 98 % on 20,000 images of clothes", fashion_mnist, smoke),
    )
}

IMP_RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "schedules-digits",
            "retraining schedules, BIMP, GMP and DPF on small digits",
            schedules_digits,
            schedules_smoke,
        ),
        Recipe(
            "schedules-fashion-mnist",
            "the same on 20,000 images of clothes",
            schedules_fashion,
            schedules_smoke,
        ),
    )
}
