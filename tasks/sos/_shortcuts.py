"""Exact decisions without a Gram problem: before any numbers, and where they were not enough."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from flint import fmpq, fmpq_mat

from tasks.lattice import positions, sort_monomials
from tasks.lattice.monomials import Rows
from tasks.sos._work import Certification, Work
from tasks.sos.certificates import GramBlock, NegativeCertificate, SosCertificate
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.polynomials.square_factors import square_factor
from tasks.sos.proofs.directions import negative_vertex_point
from tasks.sos.proofs.negativity import (
    find_negative_point,
    negative_at_infinity,
    negative_corner,
)
from tasks.sos.verdict import Verdict

Point = tuple[fmpq, ...]


def decide_at_once(work: Work) -> Certification | None:
    """Constants, odd degrees, sums of squares of monomials, bad vertices of the Newton polytope."""
    p = work.polynomial
    if p.is_zero:
        return work.finished(Verdict.PROVED, "zero", SosCertificate(polynomial=p, gram=()))
    if p.degree == 0:
        return _constant(work)
    if p.degree % 2:
        with work.stage("refute"):
            point = negative_at_infinity(p, seed=work.settings.seed)
        return _negative(work, "odd degree", point)
    if not (p.exponents & 1).any() and all(c > 0 for c in p.coefficients):
        return _monomial_squares(work)
    with work.stage("refute"):
        found = negative_vertex_point(p, seed=work.settings.seed)
    return None if found is None else _negative(work, "vertex of the Newton polytope", found)


def decide_at_last(
    work: Work, undecided: Certification, again: Callable[[Polynomial], Certification]
) -> Certification:
    """What numbers left open: a negative point that they missed, or a square factor.

    Parameters
    ----------
    work : Work
    undecided : Certification
        Returned if nothing helps.
    again : callable
        Certifies a factor.
    """
    with work.stage("refute"):
        point = find_point(work)
    if point is not None:
        return _negative(work, "negative point", point)
    with work.stage("prove"):
        root, rest = square_factor(work.polynomial, seed=work.settings.seed)
    if root.degree <= 0:
        return undecided
    with work.stage("prove"):
        found = again(rest)
    work.attempts += found.attempts
    certificate = found.certificate
    if isinstance(certificate, NegativeCertificate):
        if work.polynomial.evaluate(certificate.point) < 0:
            return _negative(work, "negative point of a factor", certificate.point)
    elif isinstance(certificate, SosCertificate):
        blocks = tuple(_times(root, block) for block in certificate.gram)
        whole = SosCertificate(polynomial=work.polynomial, gram=blocks)
        return work.finished(Verdict.PROVED, f"square factor, {found.reason}", whole)
    return undecided


def find_point(work: Work, hints: tuple[np.ndarray, ...] = ()) -> Point | None:
    """A rational point at which the polynomial is negative, in its own variables.

    Parameters
    ----------
    work : Work
    hints : tuple of float64 (n,)
        Where to look first, in the scaled variables.
    """
    corner = negative_corner(work.polynomial)
    if corner is not None:
        return corner
    found = find_negative_point(work.scaled, hints, seed=work.settings.seed)
    return None if found is None else work.scaling.point(found)


def _negative(work: Work, reason: str, point: Point) -> Certification:
    certificate = NegativeCertificate.of(work.polynomial, point)
    return work.finished(Verdict.NEGATIVE, reason, certificate)


def _constant(work: Work) -> Certification:
    """A number other than 0: a square, or negative everywhere."""
    p = work.polynomial
    value = p.coefficient((0,) * p.num_variables)
    if value < 0:
        return _negative(work, "constant", (fmpq(0),) * p.num_variables)
    block = GramBlock.of(np.zeros((1, p.num_variables), dtype=np.int32), [[value]])
    return work.finished(Verdict.PROVED, "constant", SosCertificate(polynomial=p, gram=(block,)))


def _monomial_squares(work: Work) -> Certification:
    """All terms are squares: a diagonal Gram matrix."""
    p = work.polynomial
    with work.stage("prove"):
        basis = tuple(map(tuple, (p.exponents // 2).tolist()))
        entries = tuple((i, i, c) for i, c in enumerate(p.coefficients))
        certificate = SosCertificate(polynomial=p, gram=(GramBlock(basis, entries),))
    return work.finished(Verdict.PROVED, "squares of monomials", certificate)


def _times(root: Polynomial, block: GramBlock) -> GramBlock:
    """The block of g^2 z'Qz: with g z = Z y for the monomials y, it is y'(Z'QZ)y."""
    basis = np.array(block.basis, dtype=np.int32).reshape(-1, root.num_variables)
    sums = basis[:, None, :] + root.exponents[None, :, :]
    monomials: Rows = sort_monomials(sums.reshape(-1, root.num_variables))
    place = positions(sums.reshape(-1, root.num_variables), monomials).reshape(sums.shape[:2])
    spread = fmpq_mat(len(basis), len(monomials))
    for i, row in enumerate(place.tolist()):
        for column, value in zip(row, root.coefficients, strict=True):
            spread[i, column] = value
    return GramBlock.of(monomials, spread.transpose() * block.gram * spread)
