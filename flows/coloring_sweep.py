"""The study `coloring-sweep`: the same over a range of distances of the last color."""

from __future__ import annotations

from dataclasses import replace

from flows import plane_coloring
from flows.study import recipes_of

__all__ = ["STUDY"]

STUDY = replace(
    plane_coloring.STUDY,
    name="coloring-sweep",
    summary="Colorings of the plane over a range of distances: conflict and certificates.",
    config="tasks.coloring.config:SweepConfig",
    selecting=(*plane_coloring.SELECTING, "colors", "first", "last", "count", "targets"),
    deployment="coloring-sweep",
    verifiers=(),
    recipes=recipes_of("coloring-sweep"),
)
