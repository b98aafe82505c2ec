"""Recipes of the flow `tcurve-hunt`: from the honeycomb alone, in each degree."""

from __future__ import annotations

from flows.recipes import Recipe
from tasks.tcurves.hunt import HuntConfig

__all__ = ["RECIPES", "eight", "seven", "six"]


def six() -> HuntConfig:
    """All 55 schemes of degree 6; stops when it has them."""
    return HuntConfig(degree=6, stop_at=55)


def six_smoke() -> HuntConfig:
    """All 5 schemes of degree 4."""
    return HuntConfig(degree=4, stop_at=5, minutes=1.0, round_size=4)


def seven() -> HuntConfig:
    """Half an hour in degree 7; stops at all 121."""
    return HuntConfig(degree=7, stop_at=121, minutes=30.0)


def seven_smoke() -> HuntConfig:
    """All 8 schemes of degree 5 that T-curves have."""
    return HuntConfig(degree=5, stop_at=8, minutes=1.0, round_size=4)


def eight() -> HuntConfig:
    """An hour in degree 8; half of the censuses look for 18 ovals and more only."""
    return HuntConfig(
        degree=8,
        minutes=60.0,
        min_ovals=18,
        targeted_share=0.5,
        proposals=16,
        batch=1,
        memory_gib=0.5,
    )


def eight_smoke() -> HuntConfig:
    """A little of degree 6, targeted in the same way."""
    return HuntConfig(
        degree=6,
        minutes=0.05,
        min_ovals=9,
        targeted_share=0.5,
        proposals=4,
        batch=1,
        round_size=4,
    )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("hunt6", "degree 6 from the honeycomb, to all 55 schemes", six, six_smoke),
        Recipe("hunt7", "degree 7 from the honeycomb, half an hour", seven, seven_smoke),
        Recipe("hunt8", "degree 8 from the honeycomb, an hour", eight, eight_smoke),
    )
}
