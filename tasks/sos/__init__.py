"""Sums of squares: exact polynomials, Gram matrices and certificates.

A polynomial p of degree 2d is a sum of squares iff p = z'Qz for a vector z of monomials and a
positive semidefinite matrix Q. All numbers that a claim rests on are rational.

>>> from tasks.sos import parse_polynomial
>>> p = parse_polynomial("(x - y)^2 + 1/3")
>>> print(p, p.degree)
x^2 - 2*x*y + y^2 + 1/3 2
"""

from typing import TYPE_CHECKING

from tasks.records.lazy import lazy_exports

if TYPE_CHECKING:
    from tasks.sos.polynomials.files import (
        PolynomialEntry,
        load_polynomials,
        write_polynomials_json,
    )
    from tasks.sos.polynomials.parsing import from_sympy, parse_polynomial
    from tasks.sos.polynomials.polynomial import Polynomial, rational

__all__ = [
    "Polynomial",
    "PolynomialEntry",
    "from_sympy",
    "load_polynomials",
    "parse_polynomial",
    "rational",
    "write_polynomials_json",
]

__getattr__ = lazy_exports(__name__, __file__)
