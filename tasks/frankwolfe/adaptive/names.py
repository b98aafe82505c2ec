"""Names of problems, ``TABLE-LOSS-REGION``, and which there can be."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.records.errors import InputError, unknown_name

__all__ = ["DEAR", "KINDS", "LOSSES", "OWN", "REGIONS_OF", "parts_of"]

OWN = "own"
"""Name of a table of one's own."""
LOSSES = ("squares", "logistic", "squared_hinge")
VECTORS = (
    "breast_cancer", "breast_cancer_raw", "diabetes", "diabetes_raw", "digits", "planted", "scaled"
)  # fmt: skip
KINDS: Mapping[str, str] = {
    **dict.fromkeys(VECTORS, "vector"),
    **dict.fromkeys(("digits10", "tasks", "tasks_scaled", "ratings"), "matrix"),
    **dict.fromkeys(("permuted", "permuted_scaled"), "square"),
    **dict.fromkeys(("routes", "routes_scaled"), "edges"),
}
"""What the weights of a table are, which says which regions they can have."""
REGIONS_OF = {
    "vector": ("l1", "l2", "linf", "simplex"),
    "matrix": ("nuclear",),
    "square": ("birkhoff",),
    "edges": ("flow",),
}
"""Regions of the weights of a kind of table."""
REGIONS = ("l1", "l2", "linf", "simplex", "nuclear", "birkhoff", "flow")
DEAR = ("nuclear", "birkhoff", "flow")
"""Regions whose projections need an iteration of their own."""


def parts_of(name: str) -> tuple[str, str, str]:
    """Table, loss and region of the name of a problem.

    Raises
    ------
    InputError
        If it is not such a name, or the weights of the table cannot have the region.
    """
    parts = name.split("-")
    if len(parts) != 3:
        raise InputError(f"a problem is called TABLE-LOSS-REGION, not {name!r}")
    data, loss, region = parts
    if data not in (*KINDS, OWN):
        raise InputError(f"{name}: {unknown_name('table', data, KINDS)}")
    if loss not in LOSSES:
        raise InputError(f"{name}: {unknown_name('loss', loss, LOSSES)}")
    if region not in REGIONS:
        raise InputError(f"{name}: {unknown_name('region', region, REGIONS)}")
    allowed = REGIONS_OF[KINDS.get(data, "vector")]
    if region not in allowed:
        raise InputError(f"{name}: the weights of {data} can be in {', '.join(allowed)}")
    return data, loss, region
