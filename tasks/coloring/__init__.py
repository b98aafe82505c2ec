"""Plane colorings: points of R^2 or R^3 colored so that no color holds two at a forbidden distance.

The package imports what it exports when it is asked for, so that the second checker, which needs
the standard library alone, starts in an environment in which nothing is installed.
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from tasks.coloring.certificates.cells import CellColoring, verify_cells
    from tasks.coloring.certificates.distances import Forbidden, Interval, parse_distances
    from tasks.coloring.certificates.files import (
        certificate_name,
        certificate_record,
        read_certificate,
        verify_certificate,
        write_certificate,
    )
    from tasks.coloring.certificates.grids import REMOVED
    from tasks.coloring.certificates.lattices import Lattice
    from tasks.coloring.certificates.norms import Euclidean, PNorm, PolygonalNorm
    from tasks.coloring.certificates.offsets import conflict_offsets
    from tasks.coloring.certificates.scoring import Score, check_cells, score
    from tasks.coloring.certificates.verification import Conflict, Verification

__all__ = [
    "REMOVED",
    "CellColoring",
    "Conflict",
    "Euclidean",
    "Forbidden",
    "Interval",
    "Lattice",
    "PNorm",
    "PolygonalNorm",
    "Score",
    "Verification",
    "certificate_name",
    "certificate_record",
    "check_cells",
    "conflict_offsets",
    "parse_distances",
    "read_certificate",
    "score",
    "verify_cells",
    "verify_certificate",
    "write_certificate",
]

__getattr__ = lazy_exports(__name__, __file__)
