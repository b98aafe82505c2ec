"""The form of a certificate file, part of the checker.

The file is one JSON object, described in `tasks.sos.certificates`.  Here its keys and the types of
their values are checked, and numbers become integers and `Fraction`; what it claims is judged in
`tasks.sos.checker.verification`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tasks.records import InputError
from tasks.records.errors import shortened
from tasks.sos.checker._values import Row, as_list, as_number, as_numbers, as_rows, is_integer

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

KIND = "sos-certificate"
VERSION = 1

Terms = dict[Row, Fraction]
"""Coefficients by exponent."""


@dataclass(frozen=True)
class Block:
    """Multiplier g (empty: 1), monomials z and Gram matrix Q of g z'Qz."""

    multiplier: Terms
    basis: tuple[Row, ...]
    entries: dict[tuple[int, int], Fraction]


@dataclass(frozen=True)
class SumClaim:
    """p - bound is a sum of g z'Qz and of q h, with g from the constraints or 1."""

    blocks: tuple[Block, ...]
    equalities: tuple[tuple[Terms, Terms], ...]
    constraints: tuple[Terms, ...]
    bound: Fraction | None


@dataclass(frozen=True)
class RefutationClaim:
    """p is separated from the sums of squares by a functional."""

    inequalities: tuple[Row, ...]
    removed: tuple[Row, ...]
    functional: Terms


@dataclass(frozen=True)
class PointClaim:
    """p is negative at a point where the constraints are nonnegative and the equalities vanish."""

    point: tuple[Fraction, ...]
    constraints: tuple[Terms, ...]
    equalities: tuple[Terms, ...]


@dataclass(frozen=True)
class Stated:
    """What a certificate states."""

    claim: str
    variables: tuple[str, ...]
    polynomial: Terms
    content: SumClaim | RefutationClaim | PointClaim


def parse_certificate_data(data: Mapping[str, Any]) -> Stated:
    """Check the form of a certificate.

    Raises
    ------
    InputError
        If it has another kind or version, or a key is missing, unknown or ill-typed.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{shortened(data)} is no certificate: it must be an object")
    if data.get("kind") != KIND or not _is(data.get("version"), VERSION):
        given = f"{shortened(data.get('kind'))}, version {shortened(data.get('version'))}"
        raise InputError(f"its kind is {given}; known is {KIND!r}, version {VERSION}")
    claim = data.get("claim")
    if not isinstance(claim, str) or claim not in _CLAIMS:
        raise InputError(f"claim is {shortened(claim)}: it must be one of {', '.join(_CLAIMS)}")
    required, optional, parse = _CLAIMS[claim]
    _check_keys(data, {*_ALWAYS, *required}, {*_NOTES, *optional}, "the certificate")
    _check_notes(data)
    variables, polynomial = _polynomial(data["polynomial"])
    return Stated(claim, variables, polynomial, parse(data, len(variables)))


def _is(value: Any, number: int) -> bool:
    return value == number and not isinstance(value, bool)


def _check_keys(value: Any, required: set[str], optional: set[str], what: str) -> None:
    if not isinstance(value, Mapping):
        raise InputError(f"{what} is {shortened(value)}: it must be an object")
    wrong = (required - value.keys()) | (value.keys() - required - optional)
    if wrong:
        raise InputError(
            f"{what} has missing or unknown keys: {', '.join(sorted(map(str, wrong)))}"
        )


def _check_notes(data: Mapping[str, Any]) -> None:
    notes = data.get("provenance", {})
    if not isinstance(notes, Mapping) or not all(isinstance(v, str) for v in notes.values()):
        raise InputError(f"provenance is {shortened(notes)}: it must be an object of texts")
    if not isinstance(data.get("sha256", ""), str):
        raise InputError(f"sha256 is {shortened(data['sha256'])}: it must be a text")


def _polynomial(value: Any) -> tuple[tuple[str, ...], Terms]:
    _check_keys(value, {"variables", "exponents", "coefficients"}, set(), "polynomial")
    names = value["variables"]
    is_right = isinstance(names, list | tuple) and all(map(_is_name, names))
    if not is_right or len(set(names)) < len(names):
        raise InputError(
            f"variables are {shortened(names)}: they must be a list of distinct names of letters, "
            "digits and underscores"
        )
    return tuple(names), _terms(value, len(names), "polynomial", "coefficients")


def _is_name(value: Any) -> bool:
    """Whether a value is a name that cannot be taken for an operator or another line."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _terms(value: Mapping[str, Any], n: int, what: str, values: str) -> Terms:
    rows = as_rows(value["exponents"], n, f"{what}: exponents")
    numbers = as_numbers(value[values], f"{what}: {values}")
    if len(rows) != len(numbers):
        raise InputError(f"{what}: {len(rows)} exponents, but {len(numbers)} {values}")
    if not all(numbers):
        raise InputError(f"{what}: one of the {values} is 0, which is left out")
    return dict(zip(rows, numbers, strict=True))


def _part(value: Any, n: int, what: str) -> Terms:
    """A polynomial without names."""
    _check_keys(value, {"exponents", "coefficients"}, set(), what)
    return _terms(value, n, what, "coefficients")


def _sum(data: Mapping[str, Any], n: int) -> SumClaim:
    blocks = (_block(b, n, f"gram block {k}") for k, b in enumerate(as_list(data["gram"], "gram")))
    equalities = as_list(data.get("equalities", []), "equalities")
    constraints = as_list(data.get("constraints", []), "constraints")
    return SumClaim(
        blocks=tuple(blocks),
        equalities=tuple(_equality(e, n, f"equality {k}") for k, e in enumerate(equalities)),
        constraints=tuple(_part(c, n, f"constraint {k}") for k, c in enumerate(constraints)),
        bound=as_number(data["bound"], "bound") if "bound" in data else None,
    )


def _equality(value: Any, n: int, what: str) -> tuple[Terms, Terms]:
    _check_keys(value, {"polynomial", "multiplier"}, set(), what)
    return _part(value["polynomial"], n, what), _part(value["multiplier"], n, what)


def _block(value: Any, n: int, what: str) -> Block:
    _check_keys(value, {"multiplier", "basis", "entries"}, set(), what)
    stated = value["multiplier"]
    multiplier = {} if stated is None else _part(stated, n, f"{what}: multiplier")
    if stated is not None and not multiplier:
        raise InputError(f"{what}: its multiplier is 0")
    basis = as_rows(value["basis"], n, f"{what}: basis")
    entries: dict[tuple[int, int], Fraction] = {}
    for entry in as_list(value["entries"], f"{what}: entries"):
        place, number = _entry(entry, len(basis), what)
        if place in entries or not number:
            raise InputError(f"{what}: the entry at {place} is 0 or given twice")
        entries[place] = number
    return Block(multiplier, tuple(basis), entries)


def _entry(value: Any, size: int, what: str) -> tuple[tuple[int, int], Fraction]:
    if isinstance(value, list | tuple) and len(value) == 3:
        i, j, number = value
        if is_integer(i) and is_integer(j) and 0 <= j <= i < size:
            return (i, j), as_number(number, f"{what}: entry")
    raise InputError(
        f"{what}: the entry {shortened(value)} must be [i, j, 'a/b'] with 0 <= j <= i < {size}"
    )


def _refutation(data: Mapping[str, Any], n: int) -> RefutationClaim:
    _check_keys(data["functional"], {"exponents", "values"}, set(), "functional")
    return RefutationClaim(
        inequalities=_normals(data["inequalities"], n),
        removed=as_rows(data["removed"], n, "removed"),
        functional=_terms(data["functional"], n, "functional", "values"),
    )


def _normals(value: Any, n: int) -> tuple[Row, ...]:
    for row in as_list(value, "inequalities"):
        if not isinstance(row, list | tuple) or len(row) != n or not all(map(is_integer, row)):
            raise InputError(f"inequalities: {shortened(row)} must be a list of {n} integers")
    return tuple(map(tuple, value))


def _point(data: Mapping[str, Any], n: int) -> PointClaim:
    point = as_numbers(data["point"], "point")
    if len(point) != n:
        raise InputError(f"point: {len(point)} coordinates for {n} variables")
    constraints = as_list(data.get("constraints", []), "constraints")
    equalities = as_list(data.get("equalities", []), "equalities")
    return PointClaim(
        point,
        tuple(_part(g, n, f"constraint {k}") for k, g in enumerate(constraints)),
        tuple(_part(h, n, f"equality {k}") for k, h in enumerate(equalities)),
    )


_ALWAYS = ("kind", "version", "claim", "polynomial")
_NOTES = ("provenance", "sha256")
_Parser = Callable[[Mapping[str, Any], int], SumClaim | RefutationClaim | PointClaim]
_CLAIMS: dict[str, tuple[tuple[str, ...], tuple[str, ...], _Parser]] = {
    "sos": (("gram",), ("equalities", "constraints", "bound"), _sum),
    "not_sos": (("inequalities", "removed", "functional"), (), _refutation),
    "negative": (("point",), ("constraints", "equalities"), _point),
}
