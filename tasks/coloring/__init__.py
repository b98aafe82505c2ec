"""Plane colorings: points of R^2 or R^3 colored so that no color holds two at a forbidden distance.

The package imports what it exports when it is asked for, so that the second checker, which needs
the standard library alone, starts in an environment in which nothing is installed.
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from tasks.coloring.certificates.distances import Forbidden, parse_distances
    from tasks.coloring.certificates.lattices import Lattice

__all__ = ["Forbidden", "Lattice", "parse_distances"]

__getattr__ = lazy_exports(__name__, __file__)
