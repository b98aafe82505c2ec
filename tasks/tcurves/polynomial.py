"""Explicit integer polynomials of T-curves.

Let w be integer weights that induce the regular triangulation T, s signs and B >= 2 an integer, the
*base*.  The T-polynomial is Viro's sum of (-1)^s_p t^w_p x^p at t = 1/B, made homogeneous and
multiplied by a power of B:

    f = sum over p = (i, j) in A_d of (-1)^s_p B^(max w - w_p) x^i y^j z^(d-i-j).

By Viro's theorem the curve f = 0 in RP^2 is nonsingular and isotopic to the T-curve if B is large
enough; `tasks.tcurves.base_bound` proves from which B on.  A smaller base may be asked for; then
nothing is claimed.

References
----------
O. Viro, Gluing of plane real algebraic curves (1984); O. Viro, Patchworking real algebraic
varieties, arXiv math/0611382.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from numpy.typing import ArrayLike

from tasks.lattice import Triangulation, lattice_points
from tasks.records import InputError
from tasks.tcurves.base_bound import base_bound, inducing_weights
from tasks.tcurves.signs import as_signs

MAX_COEFFICIENT_BITS = 1 << 22
"""Larger coefficients are refused; `shrink_weights` makes them smaller."""


@dataclass(frozen=True)
class TPolynomial:
    """A homogeneous integer polynomial: sum of (-1)^sign base^exponent x^i y^j z^(d-i-j)."""

    degree: int
    signs: tuple[int, ...]
    exponents: tuple[int, ...]
    """max w - w_p >= 0 for each lattice point (i, j), as in `lattice_points`."""
    base: int
    proved_from: int
    """Every base from here on is proved to give the T-curve, see `BaseBound`."""

    def coefficients(self) -> dict[tuple[int, int, int], int]:
        """Map exponents (i, j, d-i-j) of x, y, z to coefficients.

        Raises
        ------
        InputError
            If a coefficient has more than `MAX_COEFFICIENT_BITS` bits.
        """
        bits = max(self.exponents) * self.base.bit_length()
        if bits > MAX_COEFFICIENT_BITS:
            raise InputError(
                f"coefficients of up to {bits} bits are too long: use smaller weights "
                "(shrink_weights), or print the polynomial, which keeps powers"
            )
        return {
            monomial: (-1) ** sign * self.base**exponent
            for monomial, sign, exponent in self._terms()
        }

    def evaluate(self, x: int | Fraction, y: int | Fraction, z: int | Fraction = 1) -> Fraction:
        """Compute the exact value at a rational point."""
        terms = self.coefficients().items()
        return Fraction(sum(c * x**i * y**j * z**k for (i, j, k), c in terms))

    def _terms(self) -> list[tuple[tuple[int, int, int], int, int]]:
        """List (exponents of x, y, z; sign; exponent of the base)."""
        points = lattice_points(self.degree).tolist()
        monomials = [(i, j, self.degree - i - j) for i, j in points]
        return list(zip(monomials, self.signs, self.exponents, strict=True))

    def __str__(self) -> str:
        """Write the polynomial with powers of the base, as computer algebra systems read it.

        >>> from tasks.lattice import honeycomb
        >>> print(t_polynomial(honeycomb(1), [0, 1, 0], base=3))
        + 3^1*z - 3^0*y + 3^0*x
        """
        return " ".join(
            f"{'-' if sign else '+'} {self.base}^{exponent}{_monomial(monomial)}"
            for monomial, sign, exponent in self._terms()
        )


def _monomial(exponents: tuple[int, int, int]) -> str:
    """Write a monomial with a leading *."""
    powers = zip("xyz", exponents, strict=True)
    return "".join(f"*{name}^{e}" if e > 1 else f"*{name}" for name, e in powers if e)


def t_polynomial(
    triangulation: Triangulation, signs: int | ArrayLike, *, base: int | None = None
) -> TPolynomial:
    """Write down the polynomial of a T-curve.

    Parameters
    ----------
    triangulation : Triangulation
        With weights that induce it, of degree up to `MAX_BOUND_DEGREE`.
    signs : int or array of 0 and 1, shape (n,)
    base : int, optional
        At least 2; by default the least one that `base_bound` proves.

    Raises
    ------
    InputError
        If the weights are missing or do not induce the triangulation, or the base is too small.
    """
    bound = base_bound(triangulation)
    if base is not None and base < 2:
        raise InputError(f"base {base} is not allowed: give an integer from 2 on")
    weights = inducing_weights(triangulation)
    return TPolynomial(
        triangulation.degree,
        tuple(as_signs(triangulation.degree, signs).tolist()),
        tuple(max(weights) - w for w in weights),
        bound.base if base is None else base,
        bound.base,
    )
