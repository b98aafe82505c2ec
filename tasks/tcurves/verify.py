"""Verification of a histogram that trusts only the triangulation and the sign vectors.

Every chosen witness is evaluated again by graph search and Euler characteristics
(`real_scheme_by_euler`), an algorithm that shares nothing with the census engines, and its scheme
is held against the classical restrictions.  Whole sets of schemes are compared with the known
classifications up to degree 7.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.lattice import Triangulation
from tasks.records.errors import InputError
from tasks.records.rows import Row, Rows
from tasks.records.seeds import stream
from tasks.records.status import Status
from tasks.tcurves.isotopy import NotACurveError, real_scheme_by_euler
from tasks.tcurves.restrictions import violated_restrictions
from tasks.tcurves.run import CensusWork
from tasks.tcurves.schemes import Scheme

CLASSIFIED_DEGREE = 7
"""The classification of real schemes is complete up to here."""


def verification_rows(work: CensusWork, histogram: pa.Table) -> Rows:
    """Derive the schemes of a share of the witnesses again: rows of ``verification``.

    Parameters
    ----------
    work : CensusWork
    histogram : pyarrow.Table
        The histogram of its triangulation, as stored.
    """
    return {"verification": verify_witnesses(work.triangulation, _choose(work, histogram))}


def verify_witnesses(triangulation: Triangulation, histogram: pa.Table) -> list[Row]:
    """Derive the schemes of all witnesses of a histogram again; failed if any row disagrees."""
    rows = [
        _verify(triangulation, row) for row in histogram.select(["scheme", "witness"]).to_pylist()
    ]
    status = Status.OK if all(row["agrees"] for row in rows) else Status.FAILED
    return [{**row, "status": status} for row in rows]


def _choose(work: CensusWork, histogram: pa.Table) -> pa.Table:
    """Choose the share of rows to verify, at random but the same in every execution."""
    if not work.config.witnesses:
        return histogram.slice(0, 0)
    size = ceil(work.config.verify_share * histogram.num_rows)
    generator = stream(0, "verify", work.triangulation.name)
    chosen = generator.permutation(histogram.num_rows)[:size]
    return histogram.take(pa.array(np.sort(chosen)))


def _verify(triangulation: Triangulation, row: dict[str, Any]) -> dict[str, object]:
    """Check one witness."""
    scheme = Scheme.parse(str(row["scheme"]))
    try:
        derived = str(real_scheme_by_euler(triangulation, row["witness"]))
    except (NotACurveError, InputError) as error:
        derived = f"none: {error}"
    violated = violated_restrictions(scheme, triangulation.degree)
    return {
        "triangulation": triangulation.name,
        "scheme": str(scheme),
        "witness": row["witness"],
        "derived": derived,
        "violated": "; ".join(violated),
        "agrees": derived == str(scheme) and not violated,
    }


@lru_cache(maxsize=8)
def known_schemes(degree: int) -> tuple[str, ...]:
    """List the real schemes of nonsingular curves of degree d, the empty one included.

    Parameters
    ----------
    degree : int
        1..7, where the classification is complete (d = 6: Gudkov 1969; d = 7: Viro 1980).

    Returns
    -------
    tuple of str
        In the order of `Scheme`; 1, 2, 2, 6, 8, 56 and 121 of them.
    """
    if not 1 <= degree <= CLASSIFIED_DEGREE:
        raise InputError(
            f"the real schemes of degree {degree} are not classified; "
            f"known are degrees 1 to {CLASSIFIED_DEGREE}"
        )
    text = (files("tasks.tcurves") / "data" / "real_schemes.json").read_text("utf-8")
    return tuple(json.loads(text)[str(degree)])


def possible_schemes(degree: int) -> tuple[str, ...]:
    """List the known schemes that a T-curve can have: all but the empty one."""
    return tuple(scheme for scheme in known_schemes(degree) if scheme != "<0>")


def union_schemes(histogram: pa.Table, names: Iterable[str]) -> list[str]:
    """List the schemes that occur for any of some triangulations, in the order of `Scheme`."""
    wanted = set(names)
    rows = zip(histogram["triangulation"].to_pylist(), histogram["scheme"].to_pylist(), strict=True)
    found = {scheme for name, scheme in rows if name in wanted}
    return [str(scheme) for scheme in sorted(map(Scheme.parse, found))]
