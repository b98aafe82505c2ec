"""Colorings by Voronoi cells of lattices in R^2 and R^3: cells, steps between them, the proof."""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from tasks.coloring.certificates.voronoi.coloring import VoronoiColoring, verify_voronoi

__all__ = ["VoronoiColoring", "verify_voronoi"]

__getattr__ = lazy_exports(__name__, __file__)
