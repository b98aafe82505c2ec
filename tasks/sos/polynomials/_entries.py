"""Entries of polynomial files: records to polynomials and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.records import InputError
from tasks.records.errors import shortened
from tasks.sos.polynomials._records import EXPECTED, WrittenFloat
from tasks.sos.polynomials.parsing import check_degree, parse_polynomial
from tasks.sos.polynomials.polynomial import Polynomial

_ARRAYS = ("variables", "exponents", "coefficients")
_FIELDS = ("name", "text", *_ARRAYS)


@dataclass(frozen=True)
class PolynomialEntry:
    """A named polynomial of an input, or the reason why it could not be read.

    Attributes
    ----------
    name
        Unique among the entries loaded together.
    polynomial
        None if there is a problem.
    problem
        One line; empty if there is none.
    known
        Further fields of the file, such as ``is_sos``; not checked.
    """

    name: str
    polynomial: Polynomial | None
    problem: str = ""
    known: Mapping[str, Any] = field(default_factory=dict)


def entry_of(record: Any, default: str) -> PolynomialEntry:
    """The entry of a text or an object; a wrong one has a problem. Its name may be left out."""
    if isinstance(record, str):
        record = {"text": record}
    if not isinstance(record, dict):
        return PolynomialEntry(default, None, f"{shortened(record)} is no polynomial: {EXPECTED}")
    name, known = record.get("name") or default, _known(record)
    # JSON can write a lone surrogate, but no table can store it.
    if not isinstance(name, str) or any("\ud800" <= letter <= "\udfff" for letter in name):
        problem = f"the name {shortened(name)} is no text"
        return PolynomialEntry(default, None, problem, known)
    try:
        return PolynomialEntry(name, _polynomial(record), known=known)
    except InputError as error:
        return PolynomialEntry(name, None, str(error), known)


def _polynomial(record: Mapping[str, Any]) -> Polynomial:
    given = [key for key in ("text", *_ARRAYS) if record.get(key) is not None]
    if "text" in given:
        if "exponents" in given or "coefficients" in given:
            raise InputError("both text and exponents are given: leave out one of them")
        return parse_polynomial(record["text"], record.get("variables"))
    if missing := [key for key in _ARRAYS if key not in given]:
        raise InputError(f"missing: {', '.join(missing)}; {EXPECTED}")
    coefficients = record["coefficients"]
    if not isinstance(coefficients, list):
        raise InputError(f"the coefficients {shortened(coefficients)} are no list")
    values = [c.text if isinstance(c, WrittenFloat) else c for c in coefficients]
    return check_degree(Polynomial.from_arrays(record["variables"], record["exponents"], values))


def _known(record: Mapping[str, Any]) -> dict[str, Any]:
    """The other fields; those in a text ``known``, as Arrow files have it, among them."""
    known = {key: value for key, value in record.items() if key not in _FIELDS}
    if isinstance(known.get("known"), str):
        try:
            nested = json.loads(known["known"])
        except (ValueError, RecursionError):  # a field of that name with another meaning
            return known
        if isinstance(nested, dict):
            del known["known"]
            known |= nested
    return known


def entry_record(entry: PolynomialEntry) -> dict[str, Any]:
    """The object of an entry, which `entry_of` reads back; `InputError` if it has a problem."""
    p = entry.polynomial
    if p is None:
        raise InputError(f"{shortened(entry.name)} cannot be written: {entry.problem}")
    return {
        **entry.known,
        "name": entry.name,
        "variables": list(p.variables),
        "exponents": p.exponents.tolist(),
        "coefficients": [str(c) for c in p.coefficients],
    }
