"""Hypothesis strategies for exact polynomials."""

from fractions import Fraction

from hypothesis import strategies as st

from tasks.sos import Polynomial

VARIABLES = ("x", "y", "z")


def fractions(bits: int = 12) -> st.SearchStrategy[Fraction]:
    """Fractions whose numerator and denominator have at most so many bits."""
    return st.builds(Fraction, st.integers(-(2**bits), 2**bits), st.integers(1, 2**bits))


def points(n: int = len(VARIABLES)) -> st.SearchStrategy[list[Fraction]]:
    """Rational points with n coordinates."""
    return st.lists(fractions(6), min_size=n, max_size=n)


@st.composite
def polynomials(
    draw: st.DrawFn, variables: tuple[str, ...] = VARIABLES, max_exponent: int = 4
) -> Polynomial:
    """Polynomials with up to eight terms; examples shrink towards zero."""
    row = st.tuples(*[st.integers(0, max_exponent)] * len(variables))
    return Polynomial.of(variables, draw(st.dictionaries(row, fractions(), max_size=8)))
