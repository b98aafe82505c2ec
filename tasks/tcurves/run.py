"""The study of a census: triangulations in, exact histograms and summaries out, as rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.lattice import Regularity, Triangulation, certify_regularity, load_triangulations
from tasks.records.errors import InputError
from tasks.records.rows import Row, Rows
from tasks.records.work import Inputs, Item, Plan
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
from tasks.tcurves.signs import num_sign_classes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CensusWork:
    """One triangulation of a run, and how its census is taken."""

    triangulation: Triangulation
    config: CensusConfig


def census_inputs(config: CensusConfig) -> Inputs:
    """Load and validate all triangulations.

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
    return triangulation_inputs(triangulations)


def triangulation_inputs(
    triangulations: Sequence[Triangulation], field: str = "triangulations"
) -> Inputs:
    """Inputs by name and content; `field` of the config names them."""
    contents = {t.name: t.content_hash() for t in triangulations}
    return Inputs(contents, triangulations, {field: list(contents)})


def census_items(plan: Plan) -> list[Item]:
    """One item for each triangulation."""
    return [
        Item(
            t.name,
            # An item travels: it need not carry the names of all others.
            CensusWork(t, plan.config.model_copy(update={"triangulations": (t.name,)})),
            {"content": t.content_hash()},
        )
        for t in plan.value
    ]


def census_rows(work: CensusWork) -> Rows:
    """Take the census of one triangulation: rows of ``histogram`` and ``summary``.

    Raises
    ------
    BudgetExceeded
        If the census needs more than ``config.memory_gib``.
    """
    config, triangulation = work.config, work.triangulation
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
    return {"histogram": _histogram(work, census), "summary": [_summary(work, census)]}


def known_of_census(work: CensusWork) -> list[Row]:
    """What is known of a triangulation before its census: a row of ``summary``."""
    triangulation = work.triangulation
    return [
        {
            "triangulation": triangulation.name,
            "degree": triangulation.degree,
            "sign_classes": num_sign_classes(triangulation.degree),
            "content": triangulation.content_hash(),
            "triangles": triangulation.triangles.tolist(),
        }
    ]


def histogram_rows(name: str, degree: int, schemes: Sequence[SchemeCount]) -> list[dict[str, Any]]:
    """Schemes of one triangulation as rows of `HISTOGRAM_SCHEMA`."""
    return [
        {
            "triangulation": name,
            "scheme": str(row.scheme),
            "count": row.count,
            "ovals": row.scheme.ovals,
            "p": row.scheme.p,
            "n": row.scheme.n,
            "depth": row.scheme.depth,
            "is_maximal": is_maximal(row.scheme, degree),
            "witness": row.witness,
        }
        for row in schemes
    ]


def _histogram(work: CensusWork, census: Census) -> list[dict[str, Any]]:
    """The schemes, in the order of `Scheme`; what is not asked for is left out."""
    config, triangulation = work.config, work.triangulation
    schemes = [row for row in census.schemes if row.scheme.ovals >= config.min_ovals]
    rows = histogram_rows(triangulation.name, triangulation.degree, schemes)
    for row in rows:
        row["count"] = row["count"] if config.targets == "all" else None
        row["witness"] = row["witness"] if config.witnesses else None
    return rows


def certificate_columns(triangulation: Triangulation) -> dict[str, object]:
    """Certify regularity exactly: the columns ``regular`` and ``weights``."""
    certificate = certify_regularity(triangulation)
    decided = certificate.status is not Regularity.UNDECIDED
    weights = certificate.weights
    if weights is not None and max(map(abs, weights)) >= 1 << 63:
        weights = None
    regular = certificate.status is Regularity.REGULAR if decided else None
    return {"regular": regular, "weights": weights}


def _summary(work: CensusWork, census: Census) -> Row:
    """Sum up one census in one row."""
    degree = work.triangulation.degree
    schemes = [row.scheme for row in census.schemes if row.scheme.ovals >= work.config.min_ovals]
    return {
        **known_of_census(work)[0],
        "num_schemes": len(schemes),
        "max_ovals": max((scheme.ovals for scheme in schemes), default=None),
        "num_maximal": sum(is_maximal(scheme, degree) for scheme in schemes),
        "peak_states": census.peak_states,
        "transitions": census.transitions,
        "reason": "",
        **certificate_columns(work.triangulation),
    }


def stored_triangulation(summary: Mapping[str, Any]) -> Triangulation:
    """Return the triangulation of a row of the summary; it is validated again."""
    return Triangulation.of(
        summary["degree"],
        summary["triangles"],
        weights=summary["weights"],
        name=summary["triangulation"],
    )
