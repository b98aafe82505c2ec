"""Certificates: files that prove what is claimed about one polynomial.

The file is one JSON object with "kind": "sos-certificate", "version": 1, a "claim", the
"polynomial" {"variables": [...], "exponents": [[...], ...], "coefficients": ["-3/2", ...]} and

claim "sos"
    p - bound = sum over the blocks of g z'Qz + sum over the equalities of h q, where
    "gram" lists {"multiplier": null or g, "basis": [[...], ...] for z, "entries":
    [[i, j, "a/b"], ...] for the nonzero entries of Q with i >= j}, "equalities" lists
    {"polynomial": h, "multiplier": q}, "constraints" lists the polynomials that may be multipliers
    g (null is 1), and "bound" is a number; the last three may be missing.  All Q are positive
    semidefinite, hence p >= bound where all g >= 0 and all h = 0.
claim "not_sos"
    "inequalities" lists integer vectors w: squares that add up to p have only monomials b with
    2 w.b <= max over supp p of w.a.  "removed" lists, in order, those that then go by diagonal
    consistency.  "functional" {"exponents": [[...], ...], "values": ["a/b", ...]} is a linear
    functional L, 0 elsewhere, nonnegative on the squares of what is left, with L(p) < 0.
claim "negative"
    "point" ["a/b", ...] with p(point) < 0.  "constraints" and "equalities", which may be missing,
    list polynomials g and h with g(point) >= 0 and h(point) = 0: p is negative on their set.

Polynomials other than p are objects of "exponents" and "coefficients".  Optional are "provenance",
an object of texts that prove nothing, and "sha256", the digest of the rest as JSON with sorted
keys, no spaces and ASCII only.  The digest finds any change of a finished file; as anybody can
compute it, it proves nothing.

`tasks.sos.checker.verification` decides whether a certificate is valid; it uses nothing of this
module.

References
----------
H. Peyrl, P. Parrilo, Computing sum of squares decompositions with rational coefficients (2008).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from flint import fmpq
from numpy.typing import ArrayLike

from tasks.records import InputError
from tasks.records.volume import replace_file
from tasks.sos._certificate_data import (
    Equality,
    GramBlock,
    Row,
    as_rows,
    checked_data,
    digest,
    graded_order,
    part,
)
from tasks.sos.checker._form import (
    KIND,
    VERSION,
    Block,
    PointClaim,
    RefutationClaim,
    Stated,
    SumClaim,
    Terms,
)
from tasks.sos.checker._values import read_object
from tasks.sos.polynomials.polynomial import Polynomial, Rational, rational

__all__ = [
    "AnyCertificate",
    "Equality",
    "GramBlock",
    "NegativeCertificate",
    "NotSosCertificate",
    "SosCertificate",
    "parse_sos_certificate",
    "read_sos_certificate",
]


@dataclass(frozen=True, kw_only=True)
class _Certificate(ABC):
    """What all certificates have; an instance is a claim, not a proof."""

    claim: ClassVar[str]

    polynomial: Polynomial
    provenance: tuple[tuple[str, str], ...] = ()
    """Notes such as ("solver", "clarabel"), sorted by key; they prove nothing."""

    def with_provenance(self, notes: Mapping[str, object]) -> Self:
        """The same certificate with other notes, kept as text."""
        return replace(self, provenance=tuple(sorted((str(k), str(v)) for k, v in notes.items())))

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """The keys of this claim."""

    def to_data(self) -> dict[str, Any]:
        """The JSON object, with its digest; what `verify_sos_certificate` takes."""
        p = {"variables": list(self.polynomial.variables), **part(self.polynomial)}
        data = {"kind": KIND, "version": VERSION, "claim": self.claim, "polynomial": p}
        data |= self._content()
        if self.provenance:
            data["provenance"] = dict(self.provenance)
        return data | {"sha256": digest(data)}

    def to_json(self) -> str:
        """The file's text: one line per key, the same bytes for the same content."""
        lines = (f" {json.dumps(k)}: {json.dumps(v)}" for k, v in self.to_data().items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def write(self, path: str | Path) -> None:
        """Write the file in one step: a reader sees the old content or the new one.

        Raises
        ------
        StoreError
            If that fails; an earlier file is as it was.
        """
        replace_file(path, self.to_json().encode(), "certificate")


@dataclass(frozen=True, kw_only=True)
class SosCertificate(_Certificate):
    """p - bound = sum of g z'Qz over the blocks + sum of h q over the equalities.

    Attributes
    ----------
    gram
        The blocks; multipliers are among the constraints.
    constraints
        The g_i that are assumed nonnegative.
    equalities
        The h_k that are assumed to vanish, with their multipliers.
    bound
        None if p itself is represented.
    """

    claim: ClassVar[str] = "sos"

    gram: tuple[GramBlock, ...]
    constraints: tuple[Polynomial, ...] = ()
    equalities: tuple[Equality, ...] = ()
    bound: fmpq | None = None

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {} if self.bound is None else {"bound": str(self.bound)}
        content["gram"] = [block.to_data() for block in self.gram]
        if self.constraints:
            content["constraints"] = [part(g) for g in self.constraints]
        if self.equalities:
            content["equalities"] = [equality.to_data() for equality in self.equalities]
        return content


@dataclass(frozen=True, kw_only=True)
class NotSosCertificate(_Certificate):
    """p is separated from the sums of squares by a functional; make one with `of`.

    Attributes
    ----------
    inequalities
        Integer vectors w with 2 w.b <= max over supp p of w.a.
    removed
        Exponents that go by diagonal consistency, in order.
    functional
        (exponent, value) with nonzero values, by exponent, largest first.
    """

    claim: ClassVar[str] = "not_sos"

    inequalities: tuple[Row, ...]
    removed: tuple[Row, ...]
    functional: tuple[tuple[Row, fmpq], ...]

    @classmethod
    def of(
        cls,
        polynomial: Polynomial,
        *,
        inequalities: ArrayLike,
        removed: ArrayLike = (),
        functional: Mapping[Row, Rational],
    ) -> NotSosCertificate:
        """Certificate with the functional given by exponent; zeros are dropped."""
        values = {tuple(int(e) for e in row): rational(v) for row, v in functional.items()}
        rows = graded_order(values)
        return cls(
            polynomial=polynomial,
            inequalities=as_rows(inequalities),
            removed=as_rows(removed),
            functional=tuple((row, values[row]) for row in rows if values[row] != 0),
        )

    def _content(self) -> dict[str, Any]:
        return {
            "inequalities": [list(w) for w in self.inequalities],
            "removed": [list(row) for row in self.removed],
            "functional": {
                "exponents": [list(row) for row, _ in self.functional],
                "values": [str(value) for _, value in self.functional],
            },
        }


@dataclass(frozen=True, kw_only=True)
class NegativeCertificate(_Certificate):
    """p is negative at a rational point.

    Attributes
    ----------
    constraints
        Polynomials that are nonnegative there.
    equalities
        Polynomials that vanish there.
    """

    claim: ClassVar[str] = "negative"

    point: tuple[fmpq, ...]
    constraints: tuple[Polynomial, ...] = ()
    equalities: tuple[Polynomial, ...] = ()

    @classmethod
    def of(
        cls,
        polynomial: Polynomial,
        point: Sequence[Rational],
        *,
        constraints: Sequence[Polynomial] = (),
        equalities: Sequence[Polynomial] = (),
    ) -> NegativeCertificate:
        """Certificate with the point's coordinates taken exactly."""
        return cls(
            polynomial=polynomial,
            point=tuple(rational(x) for x in point),
            constraints=tuple(constraints),
            equalities=tuple(equalities),
        )

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {"point": [str(x) for x in self.point]}
        if self.constraints:
            content["constraints"] = [part(g) for g in self.constraints]
        if self.equalities:
            content["equalities"] = [part(h) for h in self.equalities]
        return content


AnyCertificate = SosCertificate | NotSosCertificate | NegativeCertificate


def read_sos_certificate(path: str | Path) -> AnyCertificate:
    """Read a certificate file; whether it is valid, `verify_sos_certificate` decides.

    Raises
    ------
    InputError
        If the file cannot be read, does not have the form of a certificate, or was changed since
        it was written.
    """
    try:
        return parse_sos_certificate(read_object(path))
    except InputError as error:
        message = str(error)
        raise error if str(path) in message else InputError(f"{path}: {message}") from error


def parse_sos_certificate(data: Mapping[str, Any]) -> AnyCertificate:
    """The certificate of a JSON object.

    Raises
    ------
    InputError
        If it does not have the form of a certificate, or its digest differs.
    """
    stated = checked_data(data)
    polynomial = Polynomial.of(stated.variables, _terms(stated.polynomial))
    return _certificate(stated, polynomial).with_provenance(data.get("provenance", {}))


def _certificate(stated: Stated, p: Polynomial) -> AnyCertificate:
    def polynomials(given: tuple[Terms, ...]) -> list[Polynomial]:
        return [Polynomial.of(p.variables, _terms(terms)) for terms in given]

    match stated.content:
        case PointClaim(point, constraints, equalities):
            return NegativeCertificate.of(
                p,
                point,
                constraints=polynomials(constraints),
                equalities=polynomials(equalities),
            )
        case RefutationClaim(inequalities, removed, functional):
            values = _terms(functional)
            return NotSosCertificate.of(
                p, inequalities=inequalities, removed=removed, functional=values
            )
        case SumClaim() as claim:
            return _sum_certificate(claim, p)


def _sum_certificate(claim: SumClaim, p: Polynomial) -> SosCertificate:
    def polynomial(terms: Terms) -> Polynomial:
        return Polynomial.of(p.variables, _terms(terms))

    def block(each: Block) -> GramBlock:
        entries = tuple((i, j, rational(q)) for (i, j), q in sorted(each.entries.items()))
        return GramBlock(
            each.basis, entries, polynomial(each.multiplier) if each.multiplier else None
        )

    return SosCertificate(
        polynomial=p,
        gram=tuple(map(block, claim.blocks)),
        constraints=tuple(map(polynomial, claim.constraints)),
        equalities=tuple(Equality(polynomial(h), polynomial(q)) for h, q in claim.equalities),
        bound=None if claim.bound is None else rational(claim.bound),
    )


def _terms(terms: Terms) -> dict[Row, fmpq]:
    return {row: rational(value) for row, value in terms.items()}
