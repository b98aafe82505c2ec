"""Slow twins of what the sampling of data sets compiles."""

from collections import Counter
from itertools import product

from tasks.sos.sampling.expansion import content_powers


def expansion(certificate):
    """z' (F F' + D) z by a dictionary of Python integers, also terms that cancel."""
    basis, factor = certificate.basis.tolist(), certificate.factor.tolist()
    terms, touched = Counter(), set()
    for i, first in enumerate(basis):
        for j, second in enumerate(basis):
            value = sum(a * b for a, b in zip(factor[i], factor[j], strict=True))
            value += int(certificate.diagonal[i]) if i == j else 0
            exponent = tuple(a + b for a, b in zip(first, second, strict=True))
            terms[exponent] += value
            if value:
                touched.add(exponent)
    return terms, touched


def terms_of(rows, index):
    """Exponents -> coefficient of a row."""
    exponents, coefficients = rows.terms_of(index)
    keys = map(tuple, exponents.tolist())
    return dict(zip(keys, coefficients.tolist(), strict=True))


def content_of(exponents, coefficients):
    """Content of a polynomial from its terms (T, n), (T,), by Python integers."""
    prime = 2**61 - 1
    powers = content_powers(exponents.shape[1], int(exponents.max(initial=0))).tolist()
    total = 0
    for row, value in zip(exponents.tolist(), coefficients.tolist(), strict=True):
        for i, power in enumerate(row):
            value = value * powers[i][power] % prime
        total += value
    return total % prime


def cube_values(terms, num_variables):
    """Values at all points of {-1, 1}^n."""
    return [
        sum(
            c * (-1) ** sum(e for e, x in zip(a, point, strict=True) if x < 0)
            for a, c in terms.items()
        )
        for point in product((1, -1), repeat=num_variables)
    ]
