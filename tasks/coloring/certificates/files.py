"""Certificate files: one JSON object for a coloring by cells, polygons or Voronoi cells.

docs/coloring_certificates.md specifies the format. A file that has not this form, or states another
digest, shape or removed fraction than its content has, is refused; whether a coloring that is read
holds a forbidden distance, `verify_certificate` decides.

A certificate is named by its content: the SHA-256 of the object as canonical JSON, without `about`.
The name covers the packed colors of cells; another build of zlib may pack the same colors into
other bytes, and then the name differs, while the `sha256` of the unpacked colors does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.coloring.certificates.headers import Header, canonical_digest
from tasks.coloring.certificates.numbers import MAX_CHARACTERS
from tasks.coloring.certificates.verification import Verification
from tasks.records import InputError
from tasks.records.errors import shortened

if TYPE_CHECKING:
    from tasks.coloring.certificates.cells import CellColoring
    from tasks.coloring.certificates.polygons import PolygonColoring
    from tasks.coloring.certificates.voronoi import VoronoiColoring

    Coloring = CellColoring | PolygonColoring | VoronoiColoring

__all__ = ["MAX_BYTES", "certificate_bytes", "certificate_name", "certificate_record", "check_name"]
__all__ += [
    "coloring_of",
    "parse_certificate",
    "read_certificate",
    "verify_certificate",
    "write_certificate",
]

MAX_BYTES = 1 << 28
"""Larger files are refused."""
_NAME = re.compile(r"coloring-[0-9a-f]{16}\.json", re.ASCII)
_FORMS = {"CellColoring": "cells", "PolygonColoring": "polygons", "VoronoiColoring": "voronoi"}


def certificate_record(
    coloring: Coloring, about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The object of the file of a coloring.

    Parameters
    ----------
    coloring
        By cells, polygons or Voronoi cells.
    about
        Free text such as title and source, which proves nothing.
    """
    header = Header(
        form=_FORMS[type(coloring).__name__],
        lattice=coloring.lattice,
        forbidden=coloring.forbidden,
        norm=coloring.norm,
        removed=coloring.removed,
        surd=coloring.surd,
        boundary=coloring.boundary,
    )
    return header.record() | coloring.record() | ({"about": dict(about)} if about else {})


def certificate_name(record: Mapping[str, Any]) -> str:
    """The file name of a certificate: ``coloring-`` and 16 digits of the digest of its content."""
    content = {key: value for key, value in record.items() if key != "about"}
    return f"coloring-{canonical_digest(content)[:16]}.json"


def check_name(name: str, record: Mapping[str, Any]) -> None:
    """Check that a file which is named like a certificate has the name of its content.

    Raises
    ------
    InputError
        If it has the name of another certificate.
    """
    if _NAME.fullmatch(name) and name != certificate_name(record):
        raise InputError(f"the content is not that of its name, but of {certificate_name(record)}")


def certificate_bytes(record: Mapping[str, Any]) -> bytes:
    """The content of the file: one line for each key, the same bytes for the same object."""
    lines = (
        f"{json.dumps(key)}: {json.dumps(record[key], sort_keys=True)}" for key in sorted(record)
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")


def write_certificate(
    coloring: Coloring, folder: str | Path, about: Mapping[str, Any] | None = None
) -> Path:
    """Write the certificate of a coloring into a folder, in one step; returns its path.

    The coloring is not verified. A file of the same content is written over.

    Raises
    ------
    StoreError
        If that fails.
    """
    from tasks.records.volume import replace_file  # takes a while to import

    record = certificate_record(coloring, about)
    path = Path(folder) / certificate_name(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, certificate_bytes(record), "certificate")
    return path


def read_certificate(source: str | Path | bytes) -> Coloring:
    """Read the coloring of a certificate; whether it is valid, `verify_certificate` decides.

    Parameters
    ----------
    source
        The path of a file, or its content.

    Raises
    ------
    InputError
        If it cannot be read, has not the form of a certificate, states another digest, shape or
        removed fraction than its coloring has, or has the name of another certificate.
    """
    if isinstance(source, bytes):
        return coloring_of(parse_certificate(source))
    try:
        with Path(source).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from error
    try:
        record = parse_certificate(data)
        check_name(Path(source).name, record)
        return coloring_of(record)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def parse_certificate(data: bytes) -> dict[str, Any]:
    """The JSON object in the content of a file.

    Raises
    ------
    InputError
        If there is none, a key occurs twice, a number is not finite or too long, or the content is
        larger than `MAX_BYTES`.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"the certificate has more than {MAX_BYTES} bytes")
    try:
        record = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as error:
        raise InputError("the certificate is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise InputError(f"the certificate is not JSON: {error}") from error
    except RecursionError as error:
        raise InputError("the certificate nests too deeply") from error
    if not isinstance(record, dict):
        raise InputError(f"a certificate is a JSON object, not {shortened(record)}")
    return record


def verify_certificate(certificate: Mapping[str, Any] | Coloring) -> Verification:
    """Decide exactly whether a certificate proves what it states.

    Parameters
    ----------
    certificate
        The object of a file, or a coloring.

    Raises
    ------
    InputError
        If the object is not a certificate; see `read_certificate`.
    """
    if isinstance(certificate, Mapping):
        certificate = coloring_of(dict(certificate))
    return _form(_FORMS[type(certificate).__name__])[1](certificate)


def coloring_of(record: dict[str, Any]) -> Coloring:
    """The coloring of the object of a file; errors as those of `read_certificate`."""
    header = Header.from_record(record)
    coloring = _form(header.form)[0].from_record(record)
    if coloring.removed != header.removed:
        raise InputError(
            f"removed is stated as {header.removed}, but the coloring removes {coloring.removed}"
        )
    return coloring


def _form(form: str) -> tuple[Any, Callable[[Any], Verification]]:
    """The class of a form and its verification, which are imported when they are needed."""
    if form == "cells":
        from tasks.coloring.certificates.cells import CellColoring, verify_cells

        return CellColoring, verify_cells
    if form == "polygons":
        from tasks.coloring.certificates.polygons import PolygonColoring, verify_polygons

        return PolygonColoring, verify_polygons
    from tasks.coloring.certificates.voronoi import VoronoiColoring, verify_voronoi

    return VoronoiColoring, verify_voronoi


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the key {shortened(twice)} occurs twice in the certificate")
    return record


def _integer(text: str) -> int:
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"a number of the certificate has more than {MAX_CHARACTERS} characters")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise InputError(f"the certificate has a number that is not finite: {shortened(text)}")
    return number


def _constant(text: str) -> float:
    raise InputError(f"the certificate has a number that is not finite: {text}")
