"""What runs on a worker: one call of a stage, answered with tables.

This module is imported by the workers; it imports neither Prefect nor Ray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flows.study import load
from tasks.records import EXECUTION_TABLE, FILES, Place, RowIdentity, lay_out

__all__ = ["Answer", "StageCall"]


@dataclass(frozen=True)
class Answer:
    """Tables of one item, further rows for the execution table, and files that were written."""

    tables: Mapping[str, pa.Table]
    timings: Sequence[Mapping[str, Any]] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class StageCall:
    """The call of a stage, as a function of a payload and of shared values.

    The payload holds the item's argument and the tables that the call needs.

    Attributes
    ----------
    call, preparation : str
        References; the latter may be empty.
    schemas : Mapping
        Schemas of the stage's tables.
    identity : RowIdentity
    place : Place or None
    """

    call: str
    preparation: str
    schemas: Mapping[str, pa.Schema]
    identity: RowIdentity
    place: Place | None

    def prepare(self) -> None:
        """Compile and load what the calls need; made before the clock of an item starts."""
        function = load(self.call)
        del function
        if self.preparation:
            load(self.preparation)()

    def __call__(self, payload: tuple[Any, ...], *shared: Any) -> Answer:
        """Make the call and lay out its rows."""
        argument, *tables = payload
        places = () if self.place is None else (self.place,)
        rows = dict(load(self.call)(argument, *places, *tables, *shared))
        timings, files = rows.pop(EXECUTION_TABLE, ()), rows.pop(FILES, ())
        return Answer(lay_out(self.schemas, rows, self.identity), tuple(timings), tuple(files))
