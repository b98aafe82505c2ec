"""What the handle of a run logs about its parts: each fault once."""

import logging
from collections.abc import Iterable

import pyarrow as pa

from tasks.records.check import Fault
from tasks.records.errors import CorruptPartError
from tasks.records.status import Status

logger = logging.getLogger(__name__)

_NUM_LISTED = 5
_NOT_PLANNED = "not planned"


class Journal:
    """Remembers what was logged about each file of the run `run_id`."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._told: dict[str, str] = {}

    def fault(self, fault: Fault | CorruptPartError, consequence: str) -> None:
        """Warn of a part that cannot be trusted."""
        if self._told.get(fault.path) != fault.reason:
            self._told[fault.path] = fault.reason
            logger.warning("%s; %s", fault, consequence)

    def unplanned(self, paths: Iterable[str]) -> None:
        """Warn, in one line, of parts that are ignored as their items are not planned."""
        news = [path for path in paths if self._told.get(path) != _NOT_PLANNED]
        self._told.update(dict.fromkeys(news, _NOT_PLANNED))
        if news:
            more = f" and {len(news) - _NUM_LISTED} more" if len(news) > _NUM_LISTED else ""
            listed = ", ".join(news[:_NUM_LISTED])
            logger.warning(
                "run %s has no such items planned, so it ignores %s%s", self._run_id, listed, more
            )

    def replaced(self, path: str, before: pa.Table, after: pa.Table) -> None:
        """Tell that the part at `path` is replaced: a warning only if both are results."""
        status = _status(before)
        if status == _status(after) == Status.OK:
            logger.warning(
                "%s: the same work gave other rows than before; they replace the earlier ones", path
            )
        elif status:
            logger.info("%s: a part with status %s is replaced", path, status)
        else:
            # What failed has no rows in the tables of results.
            logger.info("%s: a part without rows is replaced", path)

    def written(self, path: str) -> None:
        """Forget what was wrong with a part that is now written again."""
        self._told.pop(path, None)


def _status(rows: pa.Table) -> str:
    """First status other than ok; ok if all are; empty without rows."""
    found = [str(status) for status in rows["status"].unique().to_pylist()]
    return next((status for status in found if status != Status.OK), "".join(found[:1]))
