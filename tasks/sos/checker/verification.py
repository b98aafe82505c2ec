"""Verification of sum-of-squares certificates: exact, and independent of how they were made.

Everything is done with integers and `fractions.Fraction` by code of its own; what makes
certificates shares the reading of their form, and nothing that decides.  Checked are, as far as the
claim needs them:

* digest: if there is one, the content is the one that was sealed;
* multiplier: those of the Gram blocks are 1 or stated constraints;
* gram: the Gram matrices are positive semidefinite;
* identity: the polynomial (minus the bound) is the sum of all that is stated;
* removed: every monomial removed from the half Newton polytope may be;
* moments: the matrix (L(x^(b + b'))) on the remaining monomials is positive semidefinite;
* functional: L(p) < 0;
* point: p < 0 there.

Moments and functional together exclude p = sum_k q_k^2, since L(q^2) >= 0 for all q that can occur.

A certificate with a digest made again, or none, passes the first check only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Any

from tasks.sos.checker._basis import TooLargeError, candidate_basis, wrong_removal
from tasks.sos.checker._form import (
    PointClaim,
    RefutationClaim,
    Stated,
    SumClaim,
    Terms,
    parse_certificate_data,
)
from tasks.sos.checker._psd import is_semidefinite
from tasks.sos.checker._squares import Square, written_out
from tasks.sos.checker._terms import (
    Packing,
    difference,
    entry_integers,
    monomial_text,
    number_text,
    short_number,
    short_quotient,
    value_at,
    value_steps,
)
from tasks.sos.checker._values import Row, parse_object, read_object

__all__ = [
    "SosVerification",
    "Square",
    "parse_certificate_file",
    "read_certificate_data",
    "squares",
    "squares_text",
    "verify_sos_certificate",
]

MAX_VALUE_STEPS = 1e12
"""Bit operations that a value at a point may take, roughly; ten seconds."""

read_certificate_data = read_object
parse_certificate_file = parse_object


@dataclass(frozen=True)
class SosVerification:
    """The outcome of a verification.

    Attributes
    ----------
    valid
        Whether the claim is proved.
    reasons
        What is wrong, each as ``check: reason``; empty exactly if valid.
    claim
        "sos", "not_sos" or "negative".
    statement
        What the certificate says of its polynomial p, and proves if valid.
    num_variables, degree
        Of p; the degree of 0 is -1.
    block_sizes
        Sizes of the Gram matrices; of the moment matrix for "not_sos".
    """

    valid: bool
    reasons: tuple[str, ...]
    claim: str
    statement: str
    num_variables: int
    degree: int
    block_sizes: tuple[int, ...]

    @property
    def summary(self) -> str:
        """One line."""
        return f"valid: {self.statement}" if self.valid else f"not valid: {'; '.join(self.reasons)}"


def verify_sos_certificate(data: Mapping[str, Any]) -> SosVerification:
    """Check a certificate, given as the JSON object of its file.

    Raises
    ------
    InputError
        If it does not have the form of a certificate; never for a wrong one.
    """
    stated = parse_certificate_data(data)
    reasons = [*_check_digest(data)]
    content = stated.content
    if isinstance(content, SumClaim):
        sizes = tuple(len(block.basis) for block in content.blocks)
        reasons += [*_check_sum(stated, content)]
        statement = _sum_statement(content)
    elif isinstance(content, RefutationClaim):
        sizes = _check_refutation(stated, content, reasons)
        statement = "p is not a sum of squares"
    else:
        sizes = ()
        reasons += [*_check_point(stated.polynomial, content)]
        statement = _point_statement(content)
    degree = max(map(sum, stated.polynomial), default=-1)
    outcome = (not reasons, tuple(reasons), stated.claim, statement)
    return SosVerification(*outcome, len(stated.variables), degree, sizes)


def squares(data: Mapping[str, Any]) -> list[Square]:
    """The explicit squares of a certificate that is valid; none unless it claims "sos".

    The sum of the squares, and of the products of the equalities if there are any, is p - bound.
    """
    return written_out(parse_certificate_data(data))[0]


def squares_text(data: Mapping[str, Any]) -> str:
    """``p = ...`` with a line per square or equality; "" unless the certificate claims "sos"."""
    stated = parse_certificate_data(data)
    if not isinstance(stated.content, SumClaim):
        return ""
    found, products = written_out(stated)
    bound = stated.content.bound or Fraction(0)
    shift = f" {'-' if bound > 0 else '+'} {number_text(abs(bound))}" if bound else ""
    lines = [*map(str, found), *products] or ["0"]
    return "\n".join([f"p{shift} =", f"    {lines[0]}", *(f"  + {line}" for line in lines[1:])])


def content_digest(data: Mapping[str, Any]) -> str:
    """SHA-256 of all but the stated digest, as JSON with sorted keys, no spaces, ASCII only."""
    content = {key: value for key, value in data.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode("ascii")).hexdigest()


def _check_digest(data: Mapping[str, Any]) -> Iterator[str]:
    if "sha256" in data and data["sha256"] != content_digest(data):
        yield "digest: the content differs from what was sealed"


# --- sums of squares ----------------------------------------------------------------------------


def _sum_statement(claim: SumClaim) -> str:
    bound = number_text(claim.bound or 0)
    if region := _region(claim):
        return f"p >= {bound} on {region}"
    if claim.bound is not None:
        return f"p - ({bound}) is a sum of squares, hence p >= {bound}"
    return "p is a sum of squares"


def _region(claim: SumClaim | PointClaim) -> str:
    """The set that a claim is about; "" if there are no constraints."""
    parts = [
        f"{len(given)} {one if len(given) == 1 else many}"
        for given, one, many in (
            (claim.constraints, "inequality", "inequalities"),
            (claim.equalities, "equation", "equations"),
        )
        if given
    ]
    return f"the set given by {' and '.join(parts)}" if parts else ""


def _check_sum(stated: Stated, claim: SumClaim) -> Iterator[str]:
    for k, block in enumerate(claim.blocks):
        if block.multiplier and block.multiplier not in claim.constraints:
            yield f"multiplier: that of block {k} is none of the constraints"
        if not is_semidefinite(entry_integers(block.entries)[1]):
            yield f"gram: the matrix of block {k} is not positive semidefinite"
    rest = difference(len(stated.variables), stated.polynomial, claim)
    if rest:
        row = max(rest, key=lambda row: (sum(row), row))
        yield (
            f"identity: the coefficient of {monomial_text(row, stated.variables)} is off by "
            f"{short_number(rest[row])} ({len(rest)} wrong in all)"
        )


# --- refutations --------------------------------------------------------------------------------


def _check_refutation(
    stated: Stated, claim: RefutationClaim, reasons: list[str]
) -> tuple[int, ...]:
    """Check all of it; the size of the moment matrix."""
    support = stated.polynomial
    value = sum((c * claim.functional.get(a, 0) for a, c in support.items()), Fraction(0))
    if value >= 0:
        reasons.append(
            f"functional: its value at the polynomial is {short_number(value)}, not negative"
        )
    try:
        candidates = candidate_basis(support, claim.inequalities)
    except TooLargeError as error:
        reasons.append(f"basis: it cannot be checked: its enumeration takes {error}")
        return ()
    basis = set(candidates)
    wrong = wrong_removal(basis, claim.removed, support)
    if wrong:
        reasons.append(
            f"removed: {monomial_text(wrong[0], stated.variables)} must stay: {wrong[1]}"
        )
        return ()
    left = [row for row in candidates if row in basis]
    if not is_semidefinite(moment_entries(left, claim.functional)):
        reasons.append("moments: their matrix is not positive semidefinite")
    return (len(left),)


def moment_entries(basis: list[Row], functional: Terms) -> dict[tuple[int, int], int]:
    """The nonzero entries D L(x^(b_i + b_j)), i >= j, of the moment matrix; D > 0 clears all.

    O(m min(m, number of nonzero moments)).
    """
    packing = Packing([*basis, *functional])
    keys = [packing.pack(row) for row in basis]
    places = {key: i for i, key in enumerate(keys)}
    moments = packing.terms(functional)
    entries: dict[tuple[int, int], Fraction] = {}
    for i, key in enumerate(keys):
        if len(moments) < i:
            found = ((places.get(total - key), value) for total, value in moments.items())
            entries |= {(i, j): value for j, value in found if j is not None and j <= i}
        else:
            sums = ((j, moments.get(key + keys[j])) for j in range(i + 1))
            entries |= {(i, j): value for j, value in sums if value}
    return entry_integers(entries)[1]


# --- points -------------------------------------------------------------------------------------


def _point_statement(claim: PointClaim) -> str:
    region = _region(claim)
    return f"p < 0 at ({', '.join(map(number_text, claim.point))}){region and f' of {region}'}"


def _check_point(polynomial: Terms, claim: PointClaim) -> Iterator[str]:
    polynomials = [polynomial, *claim.constraints, *claim.equalities]
    if sum(value_steps(each, claim.point) for each in polynomials) > MAX_VALUE_STEPS:
        yield f"point: it cannot be checked: its values take more than {MAX_VALUE_STEPS:.0e} steps"
        return
    above, below = value_at(polynomial, claim.point)
    if above >= 0:
        yield f"point: the value there is {short_quotient(above, below)}, not negative"
    for k, g in enumerate(claim.constraints):
        above, below = value_at(g, claim.point)
        if above < 0:
            value = short_quotient(above, below)
            yield f"point: the value of constraint {k} there is {value}, negative"
    for k, h in enumerate(claim.equalities):
        above, below = value_at(h, claim.point)
        if above:
            yield f"point: the value of equality {k} there is {short_quotient(above, below)}, not 0"
