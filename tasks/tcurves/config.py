"""Configuration of a census."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.records import FrozenConfig

PUBLISHED = ("6_honeycomb", "6_bat", "6_moth", "7_honeycomb", "7_spl", "7_fra", "7_cen")
"""The triangulations of degree 6 and 7 whose censuses arXiv 2602.06888 reports."""


class CensusConfig(FrozenConfig):
    """Which triangulations to take the census of, and how."""

    triangulations: tuple[str, ...] = Field(default=PUBLISHED, min_length=1, max_length=100_000)
    """Built-in names such as 7_fra, honeycombs such as 9_honeycomb, or files (.json, .arrow, text);
    file#name selects one triangulation of a file."""

    engine: Literal["frontier", "union-find"] = "frontier"
    """frontier: dynamic program over sign vectors, degree <= 9; union-find: every sign class one by
    one, the slow oracle, sensible up to degree 6."""

    targets: Literal["all", "set"] = "all"
    """all: count the sign classes of every scheme; set: only which schemes occur."""

    min_ovals: int = Field(default=0, ge=0, le=29)
    """Only schemes with at least this many ovals; a high value makes large degrees feasible."""

    witnesses: bool = True
    """Store one sign vector for every scheme."""

    verify_share: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the witnesses whose scheme is derived again by an independent algorithm."""

    memory_gib: float = Field(default=4.0, gt=0.0, le=4096.0)
    """Memory budget of one census in GiB; a census that needs more ends with status over_budget."""
