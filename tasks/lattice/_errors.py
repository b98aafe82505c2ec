"""The error of triangles and weights that do not fit."""

from tasks.records.errors import InputError, abridged, shortened

__all__ = ["InvalidTriangulation", "abridged", "shortened"]


class InvalidTriangulation(InputError):  # noqa: N818 - named for what was given
    """Triangles or weights are not those of a unimodular triangulation of d·Δ₂."""
