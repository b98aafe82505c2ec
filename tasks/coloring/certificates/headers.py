"""What certificates of all forms state: lattice, norm, forbidden distances, removed fraction.

The file is one JSON object with the keys `KEYS`, one key named for the form, and perhaps `surd` and
`about`; docs/coloring_certificates.md specifies it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tasks.coloring.certificates.distances import Forbidden, check_num_colors
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import Euclidean, Norm, PolygonalNorm, norm_of
from tasks.coloring.certificates.numbers import (
    Number,
    Surd,
    check_surd,
    format_number,
    parse_number,
)
from tasks.records import InputError
from tasks.records.errors import shortened

__all__ = ["BOUNDARIES", "FORMS", "KIND", "VERSION", "Header", "canonical_digest", "surd_of"]

KIND = "plane-coloring"
VERSION = 1
FORMS = ("cells", "polygons", "voronoi")
BOUNDARIES = ("half-open", "closed")
KEYS = frozenset(
    ["kind", "version", "form", "norm", "lattice", "num_colors", "forbidden", "boundary", "removed"]
)


def canonical_digest(value: object) -> str:
    """SHA-256 of a value as canonical JSON: sorted keys, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Header:
    """The statements of a certificate but for its coloring.

    Attributes
    ----------
    form
        "cells", "polygons" or "voronoi".
    lattice, forbidden, norm
        As of the coloring.
    removed
        The removed fraction, as stated.
    surd
        The n of all numbers a + b sqrt(n); None if all are rational.
    boundary
        "half-open" or "closed".
    """

    form: str
    lattice: Lattice
    forbidden: Forbidden
    norm: Norm
    removed: Number
    surd: int | None = None
    boundary: str = "half-open"

    @classmethod
    def from_record(cls, record: object) -> Header:
        """Read the statements of a certificate and check their form.

        Raises
        ------
        InputError
            If it is of another kind or version, a key is missing or unknown, or a value is not what
            the format allows.
        """
        if not isinstance(record, dict):
            raise InputError(f"a certificate is a JSON object, not {shortened(record)}")
        _check_keys(record)
        surd = check_surd(record["surd"]) if "surd" in record else None
        lattice = Lattice.from_record(record["lattice"], surd)
        norm = norm_of(record["norm"], surd)
        norm.check_dimension(lattice.dimension)
        is_euclidean = isinstance(norm, Euclidean)
        forbidden = Forbidden.from_record(record["forbidden"], surd, squares=is_euclidean)
        if check_num_colors(record["num_colors"]) != forbidden.num_colors:
            raise InputError(
                f"num_colors is {record['num_colors']}, but forbidden has entries for "
                f"{forbidden.num_colors} colors"
            )
        return cls(
            form=record["form"],
            lattice=lattice,
            forbidden=forbidden,
            norm=norm,
            removed=parse_number(record["removed"], surd),
            surd=surd,
            boundary=_boundary(record["boundary"], record["form"]),
        )

    def record(self) -> dict[str, Any]:
        """The statements as in files, with kind and version."""
        surd = {} if self.surd is None else {"surd": self.surd}
        return {
            "kind": KIND,
            "version": VERSION,
            "form": self.form,
            "norm": self.norm.record(),
            **surd,
            "lattice": self.lattice.texts(),
            "num_colors": self.forbidden.num_colors,
            "forbidden": self.forbidden.record(),
            "boundary": self.boundary,
            "removed": _fraction(self.removed),
        }


def surd_of(lattice: Lattice, forbidden: Forbidden, norm: Norm) -> int | None:
    """The n of the field of all numbers of a coloring by cells; None if all are rational.

    Raises
    ------
    InputError
        If there are several.
    """
    numbers = [entry for vector in lattice.vectors for entry in vector]
    for intervals in forbidden.intervals:
        for bound in (b for interval in intervals for b in (interval.low, interval.high)):
            numbers.append(bound.square if bound.value is None else bound.value)
    if isinstance(norm, PolygonalNorm):
        numbers += [x for vertex in norm.vertices for x in vertex]
    found = {number.n for number in numbers if number.b}
    if len(found) > 1:
        raise InputError(f"a coloring has one surd, not {sorted(found)}")
    return found.pop() if found else None


def _fraction(removed: Number) -> str | list[str]:
    """The removed fraction: in lowest terms if rational."""
    if isinstance(removed, Surd) and removed.b:
        return format_number(removed)
    return str(removed)


def _check_keys(record: dict[str, Any]) -> None:
    kind, version, form = (record.get(key) for key in ("kind", "version", "form"))
    if kind != KIND or type(version) is not int or version != VERSION:
        raise InputError(
            f"the kind is {shortened(kind)} and the version {shortened(version)}: what is read is "
            f'"{KIND}", version {VERSION}'
        )
    if form not in FORMS:
        raise InputError(f"unknown form {shortened(form)}; known: {', '.join(FORMS)}")
    wanted = KEYS | {form}
    missing, unknown = wanted - set(record), set(record) - wanted - {"surd", "about"}
    if missing or unknown:
        what = (
            f"lacks the key {min(missing)!r}" if missing else f"has a key {shortened(min(unknown))}"
        )
        raise InputError(f"a certificate of the form {form} {what}")
    if not isinstance(record.get("about", {}), dict):
        raise InputError(f"about is a JSON object, not {shortened(record['about'])}")


def _boundary(boundary: object, form: str) -> str:
    allowed = BOUNDARIES[:1] if form == "cells" else BOUNDARIES
    if boundary not in allowed:
        raise InputError(
            f"the boundary of {form} is {' or '.join(allowed)}, not {shortened(boundary)}"
        )
    return str(boundary)
