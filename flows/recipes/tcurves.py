"""Recipes of the flow `tcurve-census`.

The triangulations of degrees 6 and 7 are those with which every real scheme of these degrees is
obtained [1]_: "bat" and "moth" together give the 55 non-empty schemes of degree 6; the honeycomb,
"spl", "fra" and "cen" together give the 121 schemes of degree 7.

References
----------
.. [1] 121 Patchworked Curves of Degree Seven, arXiv:2602.06888.
"""

from __future__ import annotations

from flows.recipes import Recipe
from tasks.tcurves import CensusConfig

__all__ = ["RECIPES"]

DEGREE_6 = ("6_honeycomb", "6_bat", "6_moth")
DEGREE_7 = ("7_honeycomb", "7_spl", "7_fra", "7_cen")


def demo() -> CensusConfig:
    """All published triangulations of degrees 6 and 7."""
    return CensusConfig(triangulations=DEGREE_6 + DEGREE_7)


def demo_smoke() -> CensusConfig:
    """Two degrees, as in `demo`, but small ones."""
    return CensusConfig(triangulations=("3_honeycomb", "4_honeycomb"))


def degree6() -> CensusConfig:
    """The three published triangulations of degree 6."""
    return CensusConfig(triangulations=DEGREE_6)


def degree6_smoke() -> CensusConfig:
    """The honeycomb of the largest even degree below 6."""
    return CensusConfig(triangulations=("4_honeycomb",))


def degree7() -> CensusConfig:
    """The four published triangulations of degree 7."""
    return CensusConfig(triangulations=DEGREE_7)


def degree7_smoke() -> CensusConfig:
    """The honeycomb of the largest odd degree below 7."""
    return CensusConfig(triangulations=("5_honeycomb",))


def degree8_honeycomb() -> CensusConfig:
    """The honeycomb of degree 8: 2^42 sign classes, 381,928 states at its peak."""
    return CensusConfig(triangulations=("8_honeycomb",))


def degree8_honeycomb_smoke() -> CensusConfig:
    """A honeycomb of even degree, small."""
    return CensusConfig(triangulations=("4_honeycomb",))


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("demo", "the seven published triangulations of degrees 6 and 7", demo, demo_smoke),
        Recipe("degree6", "6_honeycomb, 6_bat, 6_moth: all 55 schemes", degree6, degree6_smoke),
        Recipe(
            "degree7",
            "7_honeycomb, 7_spl, 7_fra, 7_cen: all 121 schemes",
            degree7,
            degree7_smoke,
        ),
        Recipe(
            "degree8-honeycomb",
            "the honeycomb of degree 8 (seconds, 100 MiB of states)",
            degree8_honeycomb,
            degree8_honeycomb_smoke,
        ),
    )
}
