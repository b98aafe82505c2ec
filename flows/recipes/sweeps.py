"""Recipes of the flow `tcurve-sweep`.

The exhaustive sweeps of degree 6 evaluate each of the 2^25 sign classes on its own and must give
the histograms of the census. The balls of degree 8 look at the curves near a maximal one, where
random signs never come.
"""

from __future__ import annotations

from flows.recipes import Recipe
from tasks.tcurves import SweepConfig

__all__ = ["RECIPES"]


def degree6() -> SweepConfig:
    """All sign classes of 6_bat and 6_honeycomb, in 16 shards."""
    return SweepConfig(triangulations=("6_bat", "6_honeycomb"), shard_size=1 << 22)


def degree6_smoke() -> SweepConfig:
    """All sign classes of an even degree below 6, in 4 shards."""
    return SweepConfig(triangulations=("4_honeycomb",), shard_size=1 << 10)


def ball8() -> SweepConfig:
    """All sign vectors within distance 5 of the Harnack signs, degree 8."""
    return SweepConfig(triangulations=("8_honeycomb",), signs="ball", radius=5, shard_size=1 << 18)


def ball8_smoke() -> SweepConfig:
    """A small ball of an even degree below 6."""
    return SweepConfig(triangulations=("4_honeycomb",), signs="ball", radius=2, shard_size=1 << 6)


def random7() -> SweepConfig:
    """Four million random sign classes of each published triangulation of degree 7."""
    return SweepConfig(
        triangulations=("7_honeycomb", "7_spl", "7_fra", "7_cen"),
        signs="random",
        samples=1 << 22,
        shard_size=1 << 20,
    )


def random7_smoke() -> SweepConfig:
    """A few random sign classes of an odd degree below 6."""
    return SweepConfig(
        triangulations=("5_honeycomb",), signs="random", samples=1 << 12, shard_size=1 << 10
    )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "sweep-degree6",
            "every sign class of 6_bat and 6_honeycomb (half a minute of one core)",
            degree6,
            degree6_smoke,
        ),
        Recipe(
            "sweep-ball8",
            "degree 8, all signs within distance 5 of the Harnack signs",
            ball8,
            ball8_smoke,
        ),
        Recipe(
            "sweep-random7",
            "random signs on the four published triangulations of degree 7",
            random7,
            random7_smoke,
        ),
    )
}
