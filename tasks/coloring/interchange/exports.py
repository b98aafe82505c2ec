"""What leaves a stored run of colorings: certificates, grids, polygons, a table.

Everything is made from the stored rows and the certificates in the run's folder. Files are named by
their certificate, which is named by its content, so that equal names hold equal colorings.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.files import (
    certificate_name,
    coloring_of,
    parse_certificate,
    verify_certificate,
)
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certified import certified_rows, chosen_rows, verdicts_of
from tasks.coloring.interchange.grids import grid_csv, grid_npz
from tasks.coloring.interchange.polygon_exports import (
    polygons_json,
    polygons_wkt,
    tiles_json,
    tiles_wkt,
)
from tasks.records import InputError, LatticeworkError, Stored
from tasks.records.volume import Volume

if TYPE_CHECKING:
    from tasks.coloring.certificates.files import Coloring

__all__ = ["certified_rows", "export"]

Row = Mapping[str, Any]

_COLUMNS = ("item", "problem", "num_colors", "distances", "dimension", "norm", "form", "size")
_COLUMNS += ("lattice", "removed", "removed_percent", "offsets", "allowed", "run", "methods")
_COLUMNS += ("verified", "certificate")
_POLYGONS = ".polygons.json"


# --- files --------------------------------------------------------------------------------------


def export(stored: Stored, *, item: str = "", to: str = "") -> Iterator[str]:
    """Write the certified colorings of a run, each verified before; the places of their files.

    ============================  ================================================================
    ``coloring-ID.json``          the certificate
    ``coloring-ID.npz``           of cells: the grid and its lattice
    ``coloring-ID.csv``           of cells of the plane: the grid as a table of colors
    ``polygons-ID.json``          of the plane: regions, or tiles, with exact vertices
    ``coloring-ID.wkt``           the same as well-known text, rounded
    ``FLOW-RUN.csv``              a table of all certified colorings of the run
    ============================  ================================================================

    Files that are there with the same content are left alone.

    Parameters
    ----------
    stored : Stored
    item : str
        Only this coloring, by its key or the name of its certificate.
    to : str
        Local folder or URI.

    Raises
    ------
    InputError
        Without a folder, for an unknown coloring, or if a file of a coloring is there with other
        content: it is not written over.
    LatticeworkError
        At the end, if a certificate is damaged or not valid; it is left out.
    StoreError
        If a file cannot be written.
    """
    if not to:
        raise InputError("export needs a folder: give --to FOLDER")
    place = Volume.open(to)
    if place.local and Path(place.root).is_file():
        raise InputError(f"--to {to} is a file; give a folder")
    return _exported(stored, chosen_rows(stored, item), place)


def _exported(stored: Stored, rows: Sequence[Row], place: Volume) -> Iterator[str]:
    left_out = []
    for row in rows:
        data = bytes(stored.run.volume.read(row["certificate"]))
        try:
            record = parse_certificate(data)
            coloring = coloring_of(record)
            found = verify_certificate(coloring)
        except InputError as error:
            left_out.append(f"{row['item']}: its certificate is damaged: {error}")
            continue
        if not found.valid:
            left_out.append(f"{row['item']}: its certificate is not valid: {found.summary}")
            continue
        name = certificate_name(record)
        for suffix, content in _contents(coloring, data).items():
            own = f"{name.removesuffix('.json')}{suffix}"
            if suffix == _POLYGONS:  # coloring-*.json are certificates alone
                own = name.replace("coloring-", "polygons-", 1)
            yield _put(place, own, content)
    table = f"{stored.run.identity.flow}-{stored.run.run_id}.csv"
    place.write(table, constructions_csv(stored).encode())
    yield place.location(table)
    if left_out:
        raise LatticeworkError(f"not exported: {'; '.join(left_out)}")


def _contents(coloring: Coloring, certificate: bytes) -> dict[str, bytes]:
    """Ends of names of the files of a coloring -> their contents."""
    found = {".json": certificate}
    if isinstance(coloring, CellColoring):
        grid, lattice = coloring.grid, coloring.lattice
        found[".npz"] = grid_npz(grid, lattice)
        if lattice.dimension == 2:
            found[".csv"] = grid_csv(grid).encode()
            found[_POLYGONS] = polygons_json(grid, lattice).encode()
            found[".wkt"] = polygons_wkt(grid, lattice).encode()
    elif isinstance(coloring, PolygonColoring):
        found[_POLYGONS] = tiles_json(coloring).encode()
        found[".wkt"] = tiles_wkt(coloring).encode()
    return found


def _put(place: Volume, name: str, content: bytes) -> str:
    """Write a file unless it is there; its place, and whether it was."""
    where = place.location(name)
    if not place.exists(name):
        place.write(name, content)
        return where
    if not _is_same(name, bytes(place.read(name)), content):
        raise InputError(f"{where} is there with other content: give another folder or remove it")
    return f"{where} (was there)"


def _is_same(name: str, there: bytes, content: bytes) -> bool:
    """Whether a file holds this; of a certificate, whatever it tells about it."""
    if there == content:
        return True
    try:
        return name == certificate_name(parse_certificate(there))
    except InputError:
        return False


def constructions_csv(stored: Stored) -> str:
    """A table of all certified colorings of a run; items of lists are separated by semicolons."""
    checks = verdicts_of(stored)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in certified_rows(stored):
        size = "x".join(map(str, row["shape"] or (row["tiles"],)))
        lists = {name: ";".join(row[name] or ()) for name in ("distances", "allowed", "methods")}
        verified = {True: "yes", False: "no", None: "not yet"}[checks.get(row["certificate"])]
        certificate = Path(row["certificate"]).name
        lattice = ";".join(" ".join(map(str, vector)) for vector in row["lattice"])
        own = {"size": size, "lattice": lattice, "verified": verified, "certificate": certificate}
        writer.writerow({**row, **lists, **own})
    return buffer.getvalue()
