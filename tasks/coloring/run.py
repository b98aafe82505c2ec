"""Calls of the studies of colorings: searches and grids in, rows and certificates out.

Calls run on one thread, so that their rows do not depend on how many others run beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gpu.backend import one_thread
from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.files import (
    certificate_bytes,
    certificate_name,
    certificate_record,
    read_certificate,
)
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.scoring import score
from tasks.coloring.items import START, CellsWork, FinerWork, SearchWork
from tasks.coloring.problem import Problem, named_norm
from tasks.coloring.searching import Found, found_members
from tasks.records.rows import FILES, Row, Rows
from tasks.records.volume import Volume
from tasks.records.work import Place

__all__ = ["cells_rows", "finer_rows", "search_rows"]


def search_rows(argument: tuple[SearchWork, Any], place: Place) -> Rows:
    """Rows of ``runs`` of a batch of searches, or of a given grid; files of its finalists."""
    work, start = argument
    with one_thread():
        found = [start.found()] if work.key == START else found_members(work, place)
        scored = [_run_row(work, each) for each in found]
    order = sorted(range(len(found)), key=lambda i: _rank(scored[i]))
    finalists = order[: work.config.finalists]
    files = []
    volume = Volume.open(place.folder)
    for i in finalists:
        scored[i]["is_finalist"] = True
        name = _field_file(scored[i]["run"])
        volume.write(name, _packed(found[i]))
        files.append(name)
    return {"runs": scored, FILES: files}
