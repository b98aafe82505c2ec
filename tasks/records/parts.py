"""Parts: one table of one item as an Arrow IPC file with a sidecar that has its checksum.

``<table>/<table>-<item>.arrow`` holds the rows, uncompressed, in batches of at most 65536 rows;
``<table>/<table>-<item>.json`` (the sidecar) holds item, rows, bytes and SHA-256 and is written
second. A part counts only if both are there and agree. Parts of the execution table carry a number,
``execution-<item>~<n>``, so that attempts never replace each other.

Equal rows give equal bytes: the layout of a table in memory (chunks, offsets, what lies beneath
nulls) is normalized before it is written, and the schema's metadata is set by the run.
"""

import hashlib
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tasks.records.canonical import canonical_json
from tasks.records.errors import CorruptPartError, InputError, StoreError
from tasks.records.layout import SCHEMA_VERSION, dump_json, parse_json
from tasks.records.status import Status
from tasks.records.volume import Volume

EXECUTION_TABLE = "execution"
RUN_COLUMNS = ("fingerprint", "code_version")
"""Columns of a science table that name a run and its code."""
BATCH_ROWS = 65_536
MAX_METADATA = 1 << 16
"""Letters of a config or of the inputs in the metadata of a part."""
_STEM = re.compile(r"(?P<item>(?:[A-Za-z0-9._-]|%[0-9A-F]{2})+)(?:~(?P<attempt>[0-9]{1,9}))?")
_MAX_ITEM_BYTES = 200  # with table, number and suffix a file name stays below 255 bytes


@dataclass(frozen=True)
class PartRef:
    """A finished part; `path` is relative to the run's folder."""

    table: str
    item: str
    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Origin:
    """What a part was made from; two parts of equal origin hold the same science.

    Attributes
    ----------
    made_from
        Digest of the settings and inputs that the rows depend on.
    code
        Digest of the code that made them.
    code_version
        Release and digest of the code of the run that made them, in words.
    accepted
        Digest of newer code with which a run was continued that holds the part; usually empty.
    files
        Path in the run's folder -> SHA-256, of files that belong to the part.
    """

    made_from: str = ""
    code: str = ""
    code_version: str = ""
    accepted: str = ""
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sidecar:
    """Size, checksum and status of a part, and what it was made from.

    `status` is the first of its rows that is not ok, `content` a digest of its rows without the
    columns that name a run, so that equal science in two runs has equal content. Sidecars of
    layout 1 know neither these nor an origin.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic from the class

    schema_version: int
    run_id: str
    table: str
    item: str
    rows: int
    bytes: int
    sha256: str
    status: str = ""
    content: str = ""
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True)
class PartName:
    """Which table, item and attempt (1, 2, ... in the execution table, else 0) a file holds."""

    table: str
    item: str
    attempt: int

    @classmethod
    def of(cls, table: str, item: str) -> "PartName":
        """Name of the only, or first, part of an item."""
        return cls(table, item, attempt=int(table == EXECUTION_TABLE))

    @property
    def stem(self) -> str:
        """Path below the run, without suffix."""
        attempt = f"~{self.attempt}" if self.attempt else ""
        return f"{self.table}/{self.table}-{encode_item(self.item)}{attempt}"

    @property
    def path(self) -> str:
        """Path of the data."""
        return f"{self.stem}.arrow"

    @property
    def sidecar(self) -> str:
        """Path of the sidecar."""
        return f"{self.stem}.json"

    @classmethod
    def parse(cls, table: str, stem: str) -> "PartName | None":
        """Inverse of `stem`, given the file's name without folder; None for foreign files."""
        match = _STEM.fullmatch(stem.removeprefix(f"{table}-"))
        if not match:
            return None
        name = cls(table, urllib.parse.unquote(match["item"]), int(match["attempt"] or 0))
        numbered = name.attempt > 0
        known = numbered == (table == EXECUTION_TABLE) and name.stem == f"{table}/{stem}"
        return name if known else None


def encode_item(item: str) -> str:
    """File name of an item: all but ``A-Z a-z 0-9 . _ -`` is percent-encoded (UTF-8).

    Raises
    ------
    InputError
        If `item` is empty, no Unicode text, or its encoding is longer than 200 bytes.
    """
    try:
        encoded = urllib.parse.quote(item, safe="").replace("~", "%7E")
    except UnicodeEncodeError:
        raise InputError(f"item key {item[:40]!r} is no Unicode text (lone surrogate)") from None
    if not 0 < len(encoded) <= _MAX_ITEM_BYTES:
        raise InputError(
            f"item key {item[:40]!r} takes {len(encoded)} bytes as a file name; "
            f"use 1 to {_MAX_ITEM_BYTES}"
        )
    return encoded


def serialize(data: pa.Table, metadata: Mapping[str, str]) -> pa.Buffer:
    """IPC file of `data` with exactly `metadata`; a function of the rows and types alone."""
    # `take` rebuilds every buffer: no offsets, no spare bits, zeros beneath nulls.
    rows = np.arange(data.num_rows, dtype=np.int64)
    data = data.combine_chunks().take(pa.array(rows)).combine_chunks()
    data = data.replace_schema_metadata(dict(sorted(metadata.items())))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, data.schema) as writer:
        writer.write_table(data, max_chunksize=BATCH_ROWS)
    return sink.getvalue()


def brief(text: str) -> str:
    """The text; of a long one, which every part would repeat, the digest of what run.json holds."""
    if len(text) <= MAX_METADATA:
        return text
    return canonical_json({"sha256": hashlib.sha256(text.encode()).hexdigest()})


def part_ref(name: PartName, *, rows: int, data: pa.Buffer) -> PartRef:
    """Reference of the part `name` with content `data`."""
    digest = hashlib.sha256(memoryview(data)).hexdigest()
    return PartRef(name.table, name.item, name.path, rows=rows, bytes=data.size, sha256=digest)


def sidecar_bytes(part: PartRef, run_id: str, rows: pa.Table, origin: Origin) -> bytes:
    """Content of the sidecar of `part`, which holds `rows`."""
    sidecar = Sidecar(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        table=part.table,
        item=part.item,
        rows=part.rows,
        bytes=part.bytes,
        sha256=part.sha256,
        status=worst_status(rows),
        content=content_digest(rows),
        origin=origin,
    )
    return dump_json(sidecar)


def worst_status(rows: pa.Table) -> str:
    """First status other than ok; ok if all are, also without rows."""
    found = rows["status"].unique().to_pylist() if "status" in rows.column_names else []
    return next((str(status) for status in found if status != Status.OK), Status.OK.value)


def content_digest(rows: pa.Table) -> str:
    """SHA-256 of the rows without the columns that name a run."""
    own = [name for name in rows.column_names if name not in RUN_COLUMNS]
    return hashlib.sha256(memoryview(serialize(rows.select(own), {}))).hexdigest()


def load_part(volume: Volume, name: PartName, run_id: str) -> tuple[PartRef, pa.Table]:
    """Verified part, memory-mapped on a local disk; `volume` is the run's folder.

    Raises
    ------
    CorruptPartError
        If data and sidecar are not both there, do not agree, or belong elsewhere.
    """
    sidecar = read_sidecar(volume, name, run_id)
    data = _read_data(volume, name)
    if data.size != sidecar.bytes:
        raise CorruptPartError(
            name.path, f"has {data.size} bytes where its sidecar says {sidecar.bytes}"
        )
    part = part_ref(name, rows=sidecar.rows, data=data)
    if part.sha256 != sidecar.sha256:
        raise CorruptPartError(name.path, "sha256 differs from its sidecar")
    return part, _open_table(data, name, rows=sidecar.rows)


def reopen_part(volume: Volume, name: PartName, rows: int) -> pa.Table:
    """Rows of a part that was verified before and whose files are as they were; O(1) locally.

    Raises
    ------
    CorruptPartError
        If it cannot be read.
    """
    return _open_table(_read_data(volume, name), name, rows=rows)


def _read_data(volume: Volume, name: PartName) -> pa.Buffer:
    try:
        return volume.read(name.path)
    except StoreError as error:
        raise CorruptPartError(name.path, f"cannot be read ({error})") from error


def read_sidecar(volume: Volume, name: PartName, run_id: str) -> Sidecar:
    """Sidecar of a part of which both files are there.

    Raises
    ------
    CorruptPartError
        If a file is absent, or the sidecar is damaged or another part's.
    """
    if not volume.exists(name.sidecar):
        raise CorruptPartError(name.path, "has no sidecar, so its write never finished")
    if not volume.exists(name.path):
        raise CorruptPartError(name.path, "is missing although its sidecar is there")
    try:
        sidecar = parse_json(Sidecar, volume.read(name.sidecar), where=name.sidecar)
    except StoreError as error:
        raise CorruptPartError(name.path, f"its sidecar is damaged ({error})") from error
    owner = (sidecar.run_id, sidecar.table, sidecar.item)
    if owner != (run_id, name.table, name.item):
        raise CorruptPartError(name.path, f"its sidecar is that of {'/'.join(owner)}")
    return sidecar


def _open_table(data: pa.Buffer, name: PartName, *, rows: int) -> pa.Table:
    try:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise CorruptPartError(name.path, f"is no Arrow IPC file ({error})") from error
    if table.num_rows != rows:
        raise CorruptPartError(
            name.path, f"has {table.num_rows} rows where its sidecar says {rows}"
        )
    return table
