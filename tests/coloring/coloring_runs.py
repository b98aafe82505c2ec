"""Small stored runs of colorings, made by hand."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from small_colorings import nine_squares

from tasks.coloring import write_certificate
from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.fields import Field
from tasks.coloring.problem import Problem
from tasks.coloring.schema import (
    CONSTRUCTIONS_SCHEMA,
    RECORDS_SCHEMA,
    RUNS_SCHEMA,
    VERIFICATION_SCHEMA,
)
from tasks.records import RunIdentity, Store, Stored
from tasks.records.rows import lay_out
from tasks.records.schema import EXECUTION_SCHEMA

SCHEMAS = {
    "runs": RUNS_SCHEMA,
    "constructions": CONSTRUCTIONS_SCHEMA,
    "verification": VERIFICATION_SCHEMA,
    "records": RECORDS_SCHEMA,
}


def problem_for(coloring, asked=None):
    """The problem of a Euclidean coloring; of other distances than it forbids if asked."""
    texts = [",".join(map(str, own)) for own in coloring.forbidden.intervals]
    return Problem(tuple(asked or texts), coloring.lattice.dimension)


def nine(d="1", removed=0):
    """Nine squares, proper if the last color forbids d from 0.99 to 1.4; so many are removed."""
    proper = nine_squares()
    grid = proper.grid.copy()
    grid.flat[:removed] = 255
    return CellColoring.of(grid, proper.lattice, 9, {"8": d})


class HandMade:
    """A run to which colorings and searches are added."""

    def __init__(self, folder, flow="plane-coloring", **settings):
        identity = RunIdentity(flow, json.dumps(settings), (), "0.1.0+test")
        self.run = Store.open(folder).open_run(identity, list(SCHEMAS))
        self.stored = Stored(self.run, SCHEMAS)

    def _write(self, item, **rows):
        tables = lay_out({name: SCHEMAS[name] for name in rows}, rows, self.run.identity)
        self.run.write_parts(item, tables)

    def add(self, item, coloring, *, run="7.l0.1.0", asked=None, valid=True, record=None):
        """A certified coloring; verified unless `valid` is None."""
        problem = problem_for(coloring, asked)
        folder = f"{self.run.path}/certificates"
        name = f"certificates/{write_certificate(coloring, folder).name}"
        is_cells = isinstance(coloring, CellColoring)
        removed = 100 * float(coloring.removed)
        row = {
            "item": item,
            **problem.place(),
            "run": run,
            "form": "cells" if is_cells else "polygons",
            "shape": list(coloring.shape) if is_cells else None,
            "tiles": coloring.grid.size if is_cells else len(coloring.tiles),
            "lattice": [[str(x) for x in vector] for vector in coloring.lattice.texts()],
            "removed": str(coloring.removed),
            "removed_percent": removed,
            "offsets": 24 if is_cells else None,
            "allowed": list(problem_for(coloring).distances),
            "certificate": name,
            "methods": ["PartialCol"],
        }
        self._write(item, constructions=[row])
        if valid is not None:
            check = {"item": item, "certificate": name, "valid": valid, "reason": ""}
            records = []
            if record is not None:
                own = {"published_percent": record, "removed_percent": removed, "source": "X"}
                records = [{"item": item, **problem.place(), **own, "is_record": True}]
            self._write(item, verification=[check], records=records)
        return name

    def fail(self, item, problem, reason):
        """A coloring that was not made."""
        self._write(item, constructions=[{"item": item, **problem.place(), "reason": reason}])

    def search(self, item, problem, members, *, field=None):
        """Searches of a call: start, penalty, removed percent, point rate; a field of the first."""
        rows = []
        for start, penalty, removed, rate in members:
            rows.append(
                {
                    "item": item,
                    "run": f"{problem.key}.l{penalty:g}.{start}",
                    **problem.place(),
                    "start": start,
                    "penalty": penalty,
                    "removed_percent": removed,
                    "point_rate": rate,
                    "pair_rate": rate / 100,
                    "estimate": removed / 100 + rate,
                    "loss": rate / 10,
                    "grid": [24, 24],
                }
            )
        if field is not None:
            rows[0]["field"] = f"fields/{rows[0]['run']}.npz"
            self.run.volume.write(rows[0]["field"], field.pack())
        self._write(item, runs=rows)

    def took(self, item, start, seconds):
        """A call that began so many seconds after the first, and how long it took."""
        row = dict.fromkeys(EXECUTION_SCHEMA.names) | {
            "item": item,
            "started_at": datetime.fromtimestamp(1_800_000_000 + start, UTC),
            "seconds": float(seconds),
        }
        self.run.write_part("execution", item, pa.Table.from_pylist([row], EXECUTION_SCHEMA))


def field_of(coloring):
    """What a search would store that found this grid."""
    colors = np.arange(coloring.num_colors + 1)
    grid = np.where(coloring.grid == 255, coloring.num_colors, coloring.grid)
    values = (grid == colors[:, None, None]).astype(np.float32)
    return Field(values, tuple(tuple(row) for row in coloring.lattice.texts()))
