"""Work items of a census: planned from a config, run anywhere, answered with Arrow tables.

A run's identity holds what determines its results: the config without its memory budget and with
the names instead of the paths of the triangulations, their contents, and the code version.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tasks.lattice import Regularity, Triangulation, certify_regularity, load_triangulations
from tasks.records import (
    InputError,
    RunIdentity,
    Status,
    canonical_json,
    code_version,
    science_table,
)
from tasks.tcurves.census import (
    MAX_CENSUS_DEGREE,
    MAX_EXHAUSTIVE_CLASSES,
    Census,
    SchemeCount,
    exhaustive_census,
    frontier_census,
)
from tasks.tcurves.config import CensusConfig
from tasks.tcurves.restrictions import is_maximal
from tasks.tcurves.schema import HISTOGRAM_SCHEMA, SUMMARY_SCHEMA
from tasks.tcurves.signs import num_sign_classes

logger = logging.getLogger(__name__)

FLOW = "tcurve-census"
CENSUS_TABLES = ("histogram", "summary")
VERIFICATION_TABLES = ("verification",)


@dataclass(frozen=True)
class CensusItem:
    """One triangulation of a run."""

    triangulation: Triangulation
    config: CensusConfig
    identity: RunIdentity

    @property
    def key(self) -> str:
        """Name of the item within its run."""
        return self.triangulation.name


@dataclass(frozen=True)
class CensusPlan:
    """A run before it starts."""

    identity: RunIdentity
    items: tuple[CensusItem, ...]


def plan_census(config: CensusConfig) -> CensusPlan:
    """Load and validate all triangulations and name the run.

    Raises
    ------
    InputError
        For an unknown name, an unreadable or invalid file, two triangulations of one name, or a
        degree that no engine handles.
    """
    triangulations = load_triangulations(config.triangulations)
    for triangulation in triangulations:
        if triangulation.degree > MAX_CENSUS_DEGREE:
            raise InputError(
                f"triangulation {triangulation.name} has degree {triangulation.degree}; "
                f"a census goes up to degree {MAX_CENSUS_DEGREE}"
            )
        classes = num_sign_classes(triangulation.degree)
        if config.engine == "union-find" and classes > MAX_EXHAUSTIVE_CLASSES:
            raise InputError(
                f"triangulation {triangulation.name} has {classes} sign classes, too many for "
                "engine=union-find; use engine=frontier"
            )
    settings = config.model_dump(exclude={"memory_gib"})
    settings["triangulations"] = [t.name for t in triangulations]
    identity = RunIdentity(
        flow=FLOW,
        config=canonical_json(settings),
        inputs=tuple((t.name, t.content_hash()) for t in triangulations),
        code_version=code_version("tasks.records", "tasks.lattice", "tasks.tcurves", "gpu"),
    )
    items = tuple(CensusItem(t, config, identity) for t in triangulations)
    return CensusPlan(identity, items)


def run_census_item(item: CensusItem) -> dict[str, pa.Table]:
    """Take the census of one triangulation.

    Returns
    -------
    dict
        Tables ``histogram`` and ``summary``.

    Raises
    ------
    BudgetExceeded
        If the census needs more than ``config.memory_gib``.
    """
    config, triangulation = item.config, item.triangulation
    if config.engine == "frontier":
        census = frontier_census(
            triangulation,
            max_bytes=int(config.memory_gib * 2**30),
            counts=config.targets == "all",
            min_ovals=config.min_ovals,
        )
    else:
        census = exhaustive_census(triangulation)
    logger.info(
        "%s: %d schemes among %d sign classes, %d states at most",
        triangulation.name,
        len(census.schemes),
        census.sign_classes,
        census.peak_states,
    )
    return {"histogram": _histogram_table(item, census), "summary": _summary_table(item, census)}


def histogram_columns(
    name: str, degree: int, rows: Sequence[SchemeCount]
) -> dict[str, list[object]]:
    """Lay out schemes of one triangulation: the columns of `HISTOGRAM_SCHEMA`."""
    return {
        "triangulation": [name] * len(rows),
        "scheme": [str(row.scheme) for row in rows],
        "count": [row.count for row in rows],
        "ovals": [row.scheme.ovals for row in rows],
        "p": [row.scheme.p for row in rows],
        "n": [row.scheme.n for row in rows],
        "depth": [row.scheme.depth for row in rows],
        "is_maximal": [is_maximal(row.scheme, degree) for row in rows],
        "witness": [row.witness for row in rows],
    }


def _histogram_table(item: CensusItem, census: Census) -> pa.Table:
    """Lay out the schemes, in the order of `Scheme`."""
    config, degree = item.config, item.triangulation.degree
    rows = [row for row in census.schemes if row.scheme.ovals >= config.min_ovals]
    columns = histogram_columns(item.key, degree, rows)
    if config.targets != "all":
        columns["count"] = [None] * len(rows)
    if not config.witnesses:
        columns["witness"] = [None] * len(rows)
    return science_table(HISTOGRAM_SCHEMA, columns, identity=item.identity)


def certificate_columns(triangulation: Triangulation) -> dict[str, object]:
    """Certify regularity exactly: the columns ``regular`` and ``weights``."""
    certificate = certify_regularity(triangulation)
    decided = certificate.status is not Regularity.UNDECIDED
    weights = certificate.weights
    if weights is not None and max(map(abs, weights)) >= 1 << 63:
        weights = None
    regular = certificate.status is Regularity.REGULAR if decided else None
    return {"regular": regular, "weights": weights}


def _summary_table(item: CensusItem, census: Census) -> pa.Table:
    """Sum up one census in one row."""
    degree = item.triangulation.degree
    schemes = [row.scheme for row in census.schemes if row.scheme.ovals >= item.config.min_ovals]
    return _summary_row(
        item,
        status=Status.OK,
        num_schemes=len(schemes),
        max_ovals=max((scheme.ovals for scheme in schemes), default=None),
        num_maximal=sum(is_maximal(scheme, degree) for scheme in schemes),
        peak_states=census.peak_states,
        transitions=census.transitions,
        reason="",
        **certificate_columns(item.triangulation),
    )


def _summary_row(item: CensusItem, *, status: Status, **values: object) -> pa.Table:
    """Lay out one row of the summary."""
    columns = {
        "triangulation": item.key,
        "degree": item.triangulation.degree,
        "sign_classes": num_sign_classes(item.triangulation.degree),
        "content": item.triangulation.content_hash(),
        "triangles": item.triangulation.triangles.tolist(),
        **values,
    }
    return science_table(
        SUMMARY_SCHEMA,
        {name: [value] for name, value in columns.items()},
        identity=item.identity,
        status=status,
    )


def stored_triangulation(summary: Mapping[str, Any]) -> Triangulation:
    """Return the triangulation of a row of the summary; it is validated again."""
    return Triangulation.of(
        summary["degree"],
        summary["triangles"],
        weights=summary["weights"],
        name=summary["triangulation"],
    )


def failed_census_item(item: CensusItem, kind: str, message: str) -> dict[str, pa.Table]:
    """Record an item without result: a summary row with status and reason, no schemes.

    Parameters
    ----------
    item : CensusItem
    kind : str
        Name of the error's class; ``BudgetExceeded`` becomes status over_budget, all others failed.
    message : str
        One line for the column ``reason``.
    """
    status = Status.OVER_BUDGET if kind == "BudgetExceeded" else Status.FAILED
    known = {"triangulation", "degree", "sign_classes", "content", "triangles", "reason"}
    unknown = [field.name for field in SUMMARY_SCHEMA if field.name not in known][4:]
    summary = _summary_row(item, status=status, reason=message, **dict.fromkeys(unknown))
    return {"histogram": HISTOGRAM_SCHEMA.empty_table(), "summary": summary}
