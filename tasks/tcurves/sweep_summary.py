"""What the shards of one triangulation amount to: a histogram, its summary, its verification.

The histogram is that of a census: the counts of the shards added up, and the smallest witness of
every scheme.  Each witness is verified by the algorithm that verifies a census, and the schemes are
held against the classification up to degree 7.
"""

from __future__ import annotations

import pyarrow as pa

from tasks.lattice import Triangulation
from tasks.records.rows import Row, Rows
from tasks.records.status import Status
from tasks.tcurves.census import SchemeCount
from tasks.tcurves.restrictions import is_maximal
from tasks.tcurves.run import certificate_columns, histogram_rows
from tasks.tcurves.schema import HISTOGRAM_SCHEMA
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.signs import num_sign_classes
from tasks.tcurves.verify import CLASSIFIED_DEGREE, possible_schemes, verify_witnesses


def merge_schemes(sweep: pa.Table) -> list[SchemeCount]:
    """Add up the shards of one triangulation: counts, smallest witnesses, in the order of schemes.

    Parameters
    ----------
    sweep : pyarrow.Table
        Rows of `SWEEP_SCHEMA`.
    """
    merged = sweep.group_by("scheme").aggregate([("count", "sum"), ("witness", "min")])
    rows = [
        SchemeCount(Scheme.parse(row["scheme"]), row["count_sum"], row["witness_min"])
        for row in merged.to_pylist()
    ]
    return sorted(rows, key=lambda row: row.scheme.sort_key)


def unclassified_schemes(found: list[Scheme], degree: int) -> list[str] | None:
    """List those schemes that no curve of degree d has; None where that is not known (d >= 8)."""
    if degree > CLASSIFIED_DEGREE:
        return None
    possible = set(possible_schemes(degree))
    return [str(scheme) for scheme in found if str(scheme) not in possible]


def sweep_summary_rows(triangulation: Triangulation, sweep: pa.Table, shards: pa.Table) -> Rows:
    """Merge the shards of one triangulation and verify the witnesses.

    Parameters
    ----------
    triangulation : Triangulation
    sweep, shards : pyarrow.Table
        All its shards, as stored.

    Returns
    -------
    Rows
        Of ``histogram``, ``summary`` and ``verification``.
    """
    schemes = merge_schemes(sweep)
    histogram = histogram_rows(triangulation.name, triangulation.degree, schemes)
    columns = {name: [row[name] for row in histogram] for name in ("scheme", "witness")}
    fields = [HISTOGRAM_SCHEMA.field(name) for name in columns]
    return {
        "histogram": histogram,
        "summary": [_summary(triangulation, shards, [row.scheme for row in schemes])],
        "verification": verify_witnesses(triangulation, pa.table(columns, pa.schema(fields))),
    }


def _summary(triangulation: Triangulation, shards: pa.Table, found: list[Scheme]) -> Row:
    """Sum up one triangulation in one row."""
    degree = triangulation.degree
    certificate = certificate_columns(triangulation)
    unclassified = unclassified_schemes(found, degree)
    # An irregular triangulation need not give algebraic curves: there it is a finding, no fault.
    is_wrong = bool(unclassified) and certificate["regular"] is not False
    return {
        "status": Status.FAILED if is_wrong else Status.OK,
        "triangulation": triangulation.name,
        "degree": degree,
        "sign_classes": num_sign_classes(degree),
        "evaluations": sum(shards["evaluations"].to_pylist()),
        "redone": sum(shards["redone"].to_pylist()),
        "num_schemes": len(found),
        "max_ovals": max((scheme.ovals for scheme in found), default=None),
        "num_maximal": sum(is_maximal(scheme, degree) for scheme in found),
        "unclassified": unclassified,
        "triangles": triangulation.triangles.tolist(),
        "content": triangulation.content_hash(),
        "reason": f"not in the classification: {', '.join(unclassified or ())}" if is_wrong else "",
        **certificate,
    }
