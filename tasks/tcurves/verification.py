"""Verification of certificates: exact, and independent of how they were made.

Checked are, in this order and all of them as far as the earlier ones allow:

* digest: the content is the one that was sealed;
* kind: the certificate is of a regular T-curve;
* triangulation: the triangles are a unimodular triangulation of d*Delta_2;
* weights: one integer per point, and they fold strictly upwards at every interior edge;
* signs: one 0 or 1 per point;
* scheme: union-find with potentials, and graph search with Euler characteristics, give the stated
  one, and the rank over F2 of the component matrix gives its number of components;
* restrictions: no classical restriction is violated (Harnack, Bezout, congruences, Petrovsky).

A certificate with a digest made again passes the first check only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.lattice import Triangulation, folding_forms
from tasks.records import InputError
from tasks.tcurves.certificates import KIND, MAX_WEIGHT_BITS, Certificate
from tasks.tcurves.isotopy import NotACurveError, real_scheme, real_scheme_by_euler
from tasks.tcurves.restrictions import violated_restrictions
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.twists import dividing_type, num_components_by_rank


@dataclass(frozen=True)
class Verification:
    """The outcome of a verification."""

    valid: bool
    reasons: tuple[str, ...]
    """What is wrong, each as ``check: reason``; empty exactly if valid."""
    degree: int
    stated: str
    """The scheme that the certificate states."""
    scheme: str
    """The scheme derived from triangles and signs; "" if they do not allow that."""
    dividing: str
    """"I" or "II", the type of the curve; "" if there is no scheme."""

    @property
    def summary(self) -> str:
        """One line."""
        if not self.valid:
            return f"not valid: {'; '.join(self.reasons)}"
        return (
            f"valid: a nonsingular real algebraic curve of degree {self.degree} has the real "
            f"scheme {self.scheme} (type {self.dividing})"
        )


def verify_certificate(certificate: Certificate) -> Verification:
    """Check a certificate with exact integer arithmetic; never raises for a wrong one.

    O(d^2 log d).
    """
    reasons = [*_check_digest(certificate), *_check_kind(certificate)]
    scheme = dividing = ""
    triangulation = _triangulation(certificate, reasons)
    signs = _signs(certificate, reasons)
    if triangulation is not None:
        reasons += _check_weights(triangulation, certificate.weights)
        if signs is not None and len(signs) == triangulation.num_points:
            scheme = _derived_scheme(triangulation, signs, reasons)
            dividing = dividing_type(triangulation, signs).value if scheme else ""
            reasons += _check_scheme(certificate, scheme)
        elif signs is not None:
            reasons.append(f"signs: {len(signs)} given, {triangulation.num_points} needed")
    return Verification(
        not reasons, tuple(reasons), certificate.degree, certificate.scheme, scheme, dividing
    )


def _check_digest(certificate: Certificate) -> Iterator[str]:
    """Compare the stated with the computed digest."""
    try:
        digest = certificate.digest()
    except (TypeError, ValueError) as error:
        yield f"digest: the content cannot be written as JSON ({error})"
        return
    if certificate.sha256 != digest:
        yield "digest: the content differs from what was sealed"


def _check_kind(certificate: Certificate) -> Iterator[str]:
    """Refuse claims that Viro's theorem does not cover."""
    if certificate.kind != KIND:
        yield (
            f"kind: {certificate.kind!r} proves no algebraic curve, only {KIND!r} does (regular: "
            "the triangulation is induced by weights)"
        )


def _triangulation(certificate: Certificate, reasons: list[str]) -> Triangulation | None:
    """Validate the triangles."""
    try:
        return Triangulation.of(certificate.degree, certificate.triangles, name="certificate")
    except InputError as error:
        reasons.append(f"triangulation: {error}")
    return None


def _check_weights(triangulation: Triangulation, weights: tuple[int, ...]) -> Iterator[str]:
    """Check number, type and length of the weights, and every folding inequality."""
    if len(weights) != triangulation.num_points:
        yield f"weights: {len(weights)} given, {triangulation.num_points} needed"
    elif not all(isinstance(w, int) and not isinstance(w, bool) for w in weights):
        yield "weights: not all are integers"
    elif any(w.bit_length() > MAX_WEIGHT_BITS for w in weights):
        yield f"weights: one has more than {MAX_WEIGHT_BITS} bits"
    else:
        wrong = [edge for edge, fold in _folds(triangulation, weights) if fold <= 0]
        if wrong:
            a, b = wrong[0]
            yield (
                "weights: they do not induce the triangulation: they do not fold upwards at "
                f"{len(wrong)} interior edges, the first is {a}-{b}"
            )


def _folds(
    triangulation: Triangulation, weights: tuple[int, ...]
) -> Iterator[tuple[tuple[int, int], int]]:
    """List each interior edge with its fold, a Python integer."""
    indices, coefficients = folding_forms(triangulation)
    for (a, b, c, f), factors in zip(indices.tolist(), coefficients.tolist(), strict=True):
        heights = (weights[a], weights[b], weights[c], weights[f])
        yield (a, b), sum(k * h for k, h in zip(factors, heights, strict=True))


def _signs(certificate: Certificate, reasons: list[str]) -> NDArray[np.int64] | None:
    """Read the signs."""
    if isinstance(certificate.signs, str) and set(certificate.signs) <= {"0", "1"}:
        return np.array([int(c) for c in certificate.signs], dtype=np.int64)
    reasons.append("signs: not a string of 0 and 1")
    return None


def _derived_scheme(
    triangulation: Triangulation, signs: NDArray[np.int64], reasons: list[str]
) -> str:
    """Derive the scheme by two algorithms and its number of components by a third."""
    try:
        scheme = real_scheme(triangulation, signs)
        other = real_scheme_by_euler(triangulation, signs)
    except NotACurveError as error:
        reasons.append(f"scheme: none can be derived: {error}")
        return ""
    if scheme != other:
        reasons.append(f"scheme: one algorithm derives {scheme}, the other {other}")
    components = num_components_by_rank(triangulation, signs)
    if scheme.components != components:
        reasons.append(f"scheme: {scheme} derived, but {components} components by rank")
    return str(scheme)


def _check_scheme(certificate: Certificate, derived: str) -> Iterator[str]:
    """Compare the stated with the derived scheme and with the classical restrictions."""
    if not isinstance(certificate.scheme, str):
        yield "scheme: not a string"
        return
    try:
        stated = Scheme.parse(certificate.scheme)
    except InputError as error:
        yield f"scheme: {error}"
        return
    if str(stated) != derived:
        yield f"scheme: {stated} stated, {derived or 'none'} derived"
    for violated in violated_restrictions(stated, certificate.degree):
        yield f"restrictions: {violated}"
