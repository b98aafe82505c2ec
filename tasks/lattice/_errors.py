"""The error of triangles and weights that do not fit."""

from typing import Any

from tasks.records.errors import InputError

_MAX_SHOWN = 60


class InvalidTriangulation(InputError):  # noqa: N818 - named for what was given
    """Triangles or weights are not those of a unimodular triangulation of d·Δ₂."""


def shortened(value: Any) -> str:
    """The value's repr, cut to 60 characters, for messages."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."
