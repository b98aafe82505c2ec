"""Recipes of the flow `sos-certify`.

The classics are 50 polynomials of the literature with known status: 33 sums of squares, 17 others.
"""

from __future__ import annotations

from flows.recipes import Recipe
from tasks.sos.config import CertifyConfig

__all__ = ["RECIPES", "classics"]

TRAPS = ("neg_himmelblau_minus1", "brown_badly_scaled", "parrilo_B2", "scheiderer_quartic")


def classics() -> CertifyConfig:
    """The 50 classical polynomials."""
    return CertifyConfig(polynomials=("benchmarks",))


def classics_smoke() -> CertifyConfig:
    """One of every kind, all in two or three variables."""
    names = ("motzkin", "motzkin_times_1+x2", "himmelblau", "six_hump_camel", "booth", "matyas")
    return CertifyConfig(polynomials=names, batch=6)


def traps() -> CertifyConfig:
    """Four polynomials on which loose tolerances, scaling or size mislead."""
    return CertifyConfig(polynomials=TRAPS, batch=1)


def traps_smoke() -> CertifyConfig:
    """The two traps in two variables."""
    return CertifyConfig(polynomials=TRAPS[:2], batch=2)


def newton_baseline() -> CertifyConfig:
    """The classics over half of the Newton polytope at once."""
    return CertifyConfig(polynomials=("benchmarks",), basis="newton")


def newton_baseline_smoke() -> CertifyConfig:
    """Some small classics over half of the Newton polytope."""
    return CertifyConfig(polynomials=("motzkin", "himmelblau", "booth"), basis="newton", batch=3)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "classics",
            "50 classical polynomials, 33 of them sums of squares",
            classics,
            classics_smoke,
        ),
        Recipe(
            "traps",
            "badly scaled, barely negative, large, without a rational proof",
            traps,
            traps_smoke,
        ),
        Recipe(
            "classics-newton",
            "the classics with half of the Newton polytope, a baseline",
            newton_baseline,
            newton_baseline_smoke,
        ),
    )
}
