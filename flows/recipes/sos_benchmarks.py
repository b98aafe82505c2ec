"""Recipes of the flow `sos-benchmark`.

`published` has the layout of Table 1 of arXiv:2510.13444: four structures at four sizes; `large`
has the points of its Table 2. Of the models that come with the package, the scorer was trained on
at most 16 variables and half degree 10, the encoder-decoder on at most 8 and 10.
"""

from __future__ import annotations

from flows.recipes import Recipe
from tasks.sos.benchmarking.config import CLASSICS, METHODS, BenchmarkConfig, Method

__all__ = ["RECIPES", "planted"]

STRUCTURES = ("dense", "sparse", "low_rank", "block_diagonal")
POINTS = ("n4-d3-m20", "n6-d6-m30", "n8-d10-m30", "n6-d10-m60")
CANCELLING = ("binomial_squares", "multiplied", "minimum", "vanishing", "lyapunov", "banded")
LARGE_POINTS = ("n6-d10-m60", "n8-d10-m30", "n6-d20-m40", "n100-d5-m20")
SHIFTED_POINTS = ("n20-d2-m30", "n24-d3-m30", "n6-d14-m30", "n3-d20-m30")
LEARNED: tuple[Method, ...] = ("cascade", "autoregressive", "even-sqrt", "newton")


def published() -> BenchmarkConfig:
    """Table 1: all methods, 20 polynomials per cell."""
    cells = tuple(f"{structure}-{point}" for point in POINTS for structure in STRUCTURES)
    return BenchmarkConfig(cells=cells, methods=METHODS, instances=20, seconds=60.0)


def large() -> BenchmarkConfig:
    """Table 2: mean seconds at large sizes, 20 polynomials per cell."""
    cells = tuple(f"{structure}-{point}" for point in LARGE_POINTS for structure in STRUCTURES)
    methods: tuple[Method, ...] = (*LEARNED, "term-sparsity", "chordal")
    return BenchmarkConfig(cells=cells, methods=methods, instances=20, seconds=120.0)


def planted() -> BenchmarkConfig:
    """The published structures at (6, 12, 30), 500 polynomials each."""
    cells = tuple(f"{structure}-n6-d6-m30" for structure in STRUCTURES)
    return BenchmarkConfig(cells=cells, methods=LEARNED, instances=500, batch=50)


def cancelling() -> BenchmarkConfig:
    """Families whose terms cancel, 500 polynomials each, with the ablations."""
    cells = tuple(f"{family}-n4-d4-m12" for family in CANCELLING)
    methods: tuple[Method, ...] = (
        "cascade",
        "predicted",
        "no-repair",
        "autoregressive",
        "autoregressive-1",
        "even-sqrt",
        "newton",
    )
    return BenchmarkConfig(cells=cells, methods=methods, instances=500, batch=50)


def shifted() -> BenchmarkConfig:
    """More variables (20, 24) and higher half degrees (14, 20) than either model was trained on.

    The encoder-decoder has no place for more variables than it was built for: there its trials are
    half Newton. It reads higher degrees while no exponent is larger than those of its table.
    """
    cells = tuple(
        f"{structure}-{point}" for point in SHIFTED_POINTS for structure in ("dense", "sparse")
    )
    return BenchmarkConfig(cells=cells, methods=LEARNED, instances=100, batch=20)


def classics() -> BenchmarkConfig:
    """The 50 classical polynomials by all methods."""
    return BenchmarkConfig(cells=(CLASSICS,), methods=METHODS, batch=5)


def smoke() -> BenchmarkConfig:
    """Two small cells, one polynomial each, the methods of `planted`."""
    cells = ("dense-n3-d2-m5", "binomial_squares-n3-d3-m6")
    return BenchmarkConfig(cells=cells, methods=LEARNED, instances=1)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("planted", "four structures, 500 polynomials each", planted, smoke),
        Recipe("published", "the layout of the paper's Table 1", published, smoke),
        Recipe("large", "the layout of the paper's Table 2", large, smoke),
        Recipe("cancelling", "families whose terms cancel, with ablations", cancelling, smoke),
        Recipe("shifted", "more variables and higher degrees than trained on", shifted, smoke),
        Recipe("classics", "50 classical polynomials by all methods", classics, smoke),
    )
}
