"""The call of a stage as workers make it: its code is installed, its rows are laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tasks.records.identity import RowIdentity
from tasks.records.lazy import load
from tasks.records.own_code import OwnCode
from tasks.records.parts import EXECUTION_TABLE
from tasks.records.rows import FILES, lay_out
from tasks.records.work import Place

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
    code : sequence of OwnCode
        Functions of the user that the calls need, with their sources.
    """

    call: str
    preparation: str
    schemas: Mapping[str, pa.Schema]
    identity: RowIdentity
    place: Place | None
    code: Sequence[OwnCode] = ()

    def prepare(self) -> None:
        """Compile and load what the calls need; made before the clock of an item starts."""
        load(self.call)
        if self.preparation:
            load(self.preparation)()

    def __call__(self, payload: tuple[Any, ...], *shared: Any) -> Answer:
        """Make the call and lay out its rows."""
        for each in self.code:
            each.install()
        argument, *tables = payload
        places = () if self.place is None else (self.place,)
        rows = dict(load(self.call)(argument, *places, *tables, *shared))
        timings, files = rows.pop(EXECUTION_TABLE, ()), rows.pop(FILES, ())
        return Answer(lay_out(self.schemas, rows, self.identity), tuple(timings), tuple(files))
