"""The front of the checker: from bytes to a verdict."""

from __future__ import annotations

import re
from typing import Any

from tasks.coloring.checker.cells import check_cells
from tasks.coloring.checker.documents import canonical_digest, read_object
from tasks.coloring.checker.polygons import check_polygons
from tasks.coloring.checker.statements import parse_statement
from tasks.coloring.checker.verdicts import RefusedError, Verdict
from tasks.coloring.checker.voronoi import check_voronoi

_CHECKS = {"cells": check_cells, "polygons": check_polygons, "voronoi": check_voronoi}
_NAME = re.compile(r"coloring-([0-9a-f]{16})\.json", re.ASCII)


def check(data: bytes, name: str | None = None) -> Verdict:
    """Decide a certificate, whatever the bytes are.

    Parameters
    ----------
    data
        The content of a file.
    name
        The name of the file. One of the form coloring-<16 digits>.json must be that of the content.
    """
    try:
        record = read_object(data)
        statement = parse_statement(record)
        verdict = _CHECKS[statement.form](statement)
        digest = canonical_digest({k: v for k, v in record.items() if k != "about"})
        named = _NAME.fullmatch(name or "")
        if verdict.state == "valid" and named and not digest.startswith(named[1]):
            raise RefusedError(f"its name states another content than coloring-{digest[:16]}")
    except RefusedError as error:
        return Verdict("refused", str(error))
    details: dict[str, Any] = {**verdict.details, "sha256": digest}
    return Verdict(verdict.state, verdict.reason, details)
