"""The store: ``<root>/<flow>/<run id>/`` holds one run each.

::

    run.json                              identity, tables, planned items, citations; written first
    <table>/<table>-<item>.arrow, .json   parts and their sidecars
    execution/execution-<item>~<n>.arrow  who did what, when, in which time
    manifest.json                         rows, checksums and status; written last
"""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tasks.records.errors import InputError, StoreError, abridged, shortened
from tasks.records.identity import RunIdentity
from tasks.records.layout import dump_json, parse_json
from tasks.records.manifest import RunRecord
from tasks.records.parts import EXECUTION_TABLE, encode_item
from tasks.records.roots import check_text, is_uri
from tasks.records.run import Run
from tasks.records.volume import Volume

logger = logging.getLogger(__name__)

ROOT_VARIABLE = "LATTICEWORK_STORE"
DEFAULT_ROOT = "results"
UNFINISHED, DAMAGED = "unfinished", "damaged"
_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_NUM_LISTED = 5


@dataclass(frozen=True)
class RunInfo:
    """One line of a list of runs.

    Attributes
    ----------
    status
        ``complete`` or ``partial`` by the manifest, ``unfinished`` before there is one or while
        it is damaged, ``damaged`` if ``run.json`` is.
    rows
        Rows of all science tables.
    modified
        Last change of anything in the folder, UTC.
    """

    flow: str
    run_id: str
    path: str
    status: str
    rows: int
    modified: datetime


@dataclass(frozen=True)
class Store:
    """A folder of runs, on a local disk or in an object store."""

    volume: Volume

    @classmethod
    def open(cls, root: str | Path | None = None) -> "Store":
        """Store at a local path or URI; default ``$LATTICEWORK_STORE``, else ``results``.

        Touches nothing: whether the store can be written is tested by `open_run`.

        Raises
        ------
        InputError
            If no store can have this root: it is blank, not text, or names no home folder.
        StoreError
            If the URI is not understood.

        Examples
        --------
        >>> Store.open("/data/results").root
        '/data/results'
        """
        default = os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT
        return cls(Volume.open(default if root is None else root))

    @property
    def root(self) -> str:
        """Absolute local path or URI."""
        return self.volume.root

    def open_run(
        self,
        identity: RunIdentity,
        tables: Sequence[str],
        planned: Sequence[str] = (),
        *,
        citations: Sequence[str] = (),
    ) -> Run:
        """Create or reopen the run of `identity`.

        Parameters
        ----------
        tables
            Names of its tables; ``execution`` exists in every run and need not be named.
        planned
            Item keys in the order in which tables are read.
        citations
            Keys of `CITATIONS` that the results rest on.

        Raises
        ------
        InputError
            For bad table names or item keys.
        StoreError
            If the store cannot be written.
        """
        _check_tables(tables)
        _check_items(planned)
        record = RunRecord.of(identity, tables, planned=planned, citations=citations)
        folder = f"{identity.flow}/{identity.run_id}"
        self.volume.probe(folder)
        run = Run(self.volume.below(folder), record)
        content = dump_json(record)
        if not run.volume.exists("run.json") or run.volume.read("run.json") != content:
            run.volume.write("run.json", content, opening=True)
        return run

    def runs(self) -> list[RunInfo]:
        """All runs, the most recently changed first; a damaged file is named in a warning."""
        infos = [self._info(folder) for folder in self._folders()]
        return sorted(infos, key=lambda info: (info.modified, info.run_id), reverse=True)

    def runs_of(self, flow: str) -> list[Run]:
        """All runs of one flow that can be read, by id; a damaged one is named in a warning."""
        found = []
        for entry in self.volume.entries(flow):
            folder = f"{flow}/{entry.base_name}"
            if not entry.is_file and self.volume.exists(f"{folder}/run.json"):
                try:
                    found.append(self._load(folder))
                except StoreError as error:
                    logger.warning("damaged run: %s", error)
        return found

    def find_run(self, ref: str) -> Run:
        """Run named by id, unique beginning of an id, flow/id, folder, or ``latest``.

        The latest run is the one changed last among those with a readable ``run.json``.

        Raises
        ------
        InputError
            If there is no such run or more than one; the message lists what exists.
        StoreError
            If its ``run.json`` is damaged.
        """
        run = _run_at(ref)
        if run:
            return run
        infos = self.runs()
        found = _latest(infos) if ref == "latest" else [i for i in infos if _matches(i, ref)]
        if len(found) != 1:
            raise InputError(_not_found(self.root, ref, found or infos, ambiguous=bool(found)))
        return self._load(f"{found[0].flow}/{found[0].run_id}")

    def _folders(self) -> Iterator[str]:
        for flow in self.volume.entries():
            if not flow.is_file and not flow.base_name.startswith("."):
                for folder in self.volume.entries(flow.path):
                    if self.volume.exists(f"{folder.path}/run.json"):
                        yield folder.path

    def _load(self, folder: str) -> Run:
        path = f"{folder}/run.json"
        where = abridged(self.volume.location(path))
        record = parse_json(RunRecord, self.volume.read(path), where=where)
        try:
            identity = record.identity()
        except StoreError as error:
            raise StoreError(f"{where}: {str(error).removeprefix('run.json: ')}") from error
        if f"{identity.flow}/{identity.run_id}" != "/".join(Path(folder).parts[-2:]):
            raise StoreError(f"{where}: belongs to {record.flow}/{record.run_id}")
        return Run(self.volume.below(folder), record)

    def _info(self, folder: str) -> RunInfo:
        flow, run_id = Path(folder).parts[-2:]
        status, rows = self._state(folder)
        volume = self.volume.below(folder)
        return RunInfo(flow, run_id, volume.root, status, rows=rows, modified=_modified(volume))

    def _state(self, folder: str) -> tuple[str, int]:
        """Status and number of rows."""
        try:
            run = self._load(folder)
        except StoreError as error:
            logger.warning("damaged run: %s", error)
            return DAMAGED, 0
        try:
            manifest = run.manifest()
        except StoreError as error:
            logger.warning("%s; the run counts as unfinished, its tables can be read", error)
            manifest = None
        try:
            return (manifest.status, manifest.rows) if manifest else (UNFINISHED, run.count_rows())
        except StoreError as error:
            logger.warning("%s; its rows are not counted", error)
            return UNFINISHED, 0


def _modified(volume: Volume) -> datetime:
    epoch = datetime.fromtimestamp(0, UTC)
    try:
        times = [info.mtime for info in volume.entries(recursive=True) if info.mtime]
    except StoreError as error:
        logger.warning("%s", error)
        return epoch
    return max(times, default=epoch)


def _latest(infos: list[RunInfo]) -> list[RunInfo]:
    readable = [info for info in infos if info.status != DAMAGED]
    return (readable or infos)[:1]


def _run_at(ref: str) -> Run | None:
    if not ref.strip():
        return None
    check_text(ref, "the run")
    parts = ref.rstrip("/").rsplit("/", 2) if is_uri(ref) else _absolute_parts(ref)
    if len(parts) < 3 or "" in parts[-2:] or (is_uri(ref) and parts[0].rstrip("/").endswith(":")):
        return None
    root = parts[0] if is_uri(ref) else str(Path(*parts[:-2]))
    folder = f"{parts[-2]}/{parts[-1]}"
    volume = Volume.open(root)
    return Store(volume)._load(folder) if volume.exists(f"{folder}/run.json") else None


def _absolute_parts(ref: str) -> tuple[str, ...]:
    try:
        return Path(ref).absolute().parts
    except FileNotFoundError:  # the current folder is gone, so nothing can be found from here
        return ()


def _matches(info: RunInfo, ref: str) -> bool:
    flow, _, start = ref.rpartition("/")
    return bool(start) and info.run_id.startswith(start) and flow in ("", info.flow)


def _not_found(root: str, ref: str, infos: Sequence[RunInfo], *, ambiguous: bool) -> str:
    ref, root = repr(abridged(ref)), abridged(root)
    if not infos:
        return f"no run matches {ref}: the store {root} holds no runs"
    names = [f"{info.flow}/{info.run_id} ({info.status})" for info in infos[:_NUM_LISTED]]
    more = f" and {len(infos) - _NUM_LISTED} more" if len(infos) > _NUM_LISTED else ""
    if ambiguous:
        return f"{ref} names more than one run of the store {root}: {', '.join(names)}{more}"
    return f"{ref} names no run of the store {root}, which holds {', '.join(names)}{more}"


def _check_tables(tables: Sequence[str]) -> None:
    bad = [table for table in tables if not _TABLE_NAME.fullmatch(table)]
    if bad:
        raise InputError(
            f"{shortened(bad[0])} cannot name a table; "
            "use a letter, then up to 31 letters, digits and '_', all lower case"
        )
    if not set(tables) - {EXECUTION_TABLE}:
        raise InputError("a run needs at least one science table")
    _check_unique(tables, "table")


def _check_items(planned: Sequence[str]) -> None:
    for item in planned:
        encode_item(item)
    _check_unique(planned, "item")


def _check_unique(names: Sequence[str], what: str) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise InputError(f"{what} {shortened(doubles[0])} is named more than once")
