"""Certificates made by hand; each is a function that returns a fresh one."""

from fractions import Fraction

from flint import fmpq

from tasks.sos.certificates import Equality, GramBlock, NotSosCertificate, SosCertificate
from tasks.sos.certificates import NegativeCertificate as Negative
from tasks.sos.polynomials.polynomial import Polynomial

X, Y = (Polynomial.variable(("x", "y"), i) for i in range(2))
ONE = Polynomial.constant(("x", "y"), 1)
MOTZKIN = X**4 * Y**2 + X**2 * Y**4 - 3 * X**2 * Y**2 + 1
CHOI_LAM = Polynomial.of(
    ("x", "y", "z", "w"),
    {(2, 2, 0, 0): 1, (0, 2, 2, 0): 1, (2, 0, 2, 0): 1, (0, 0, 0, 4): 1, (1, 1, 1, 1): -4},
)
# The three edges of its Newton polytope: half of it holds 1, xy, x^2 y, x y^2.
MOTZKIN_NORMALS = ((1, -2), (-2, 1), (1, 1))


def difference_square() -> SosCertificate:
    """(x - y)^2: a Gram matrix of rank 1."""
    block = GramBlock.of([[1, 0], [0, 1]], [[1, -1], [-1, 1]])
    return SosCertificate(polynomial=(X - Y) ** 2, gram=(block,))


def two_blocks() -> SosCertificate:
    """2/3 (x^2 - y/2)^2 + 3 (x y + 1/5)^2 + 7: two blocks, denominators."""
    p = (X**2 - Y / 2) ** 2 * Fraction(2, 3) + (X * Y + Fraction(1, 5)) ** 2 * 3 + 7
    first = GramBlock.of(
        [[2, 0], [0, 1]],
        [[Fraction(2, 3), Fraction(-1, 3)], [Fraction(-1, 3), Fraction(1, 6)]],
    )
    second = GramBlock.of([[1, 1], [0, 0]], [["3", "3/5"], ["3/5", "178/25"]])
    return SosCertificate(polynomial=p, gram=(first, second)).with_provenance({"solver": "hand"})


def lower_bound() -> SosCertificate:
    """x^4 - 3 x^2 + 1 >= -5/4, attained."""
    block = GramBlock.of(
        [[2, 0], [0, 0]], [[1, Fraction(-3, 2)], [Fraction(-3, 2), Fraction(9, 4)]]
    )
    return SosCertificate(polynomial=X**4 - 3 * X**2 + 1, gram=(block,), bound=fmpq(-5, 4))


def on_the_disk() -> SosCertificate:
    """x + 2 on 1 - x^2 - y^2 >= 0: 2 (x + 2) = (x + 1)^2 + y^2 + 2 + (1 - x^2 - y^2)."""
    disk = ONE - X**2 - Y**2
    squares = GramBlock.of(
        [[1, 0], [0, 1], [0, 0]], [["1/2", 0, "1/2"], [0, "1/2", 0], ["1/2", 0, "3/2"]]
    )
    last = GramBlock.of([[0, 0]], [["1/2"]], multiplier=disk)
    return SosCertificate(polynomial=X + 2, gram=(squares, last), constraints=(disk, X + 5))


def on_the_circle() -> SosCertificate:
    """1 - x >= 0 on x^2 + y^2 = 1: 1 - x = ((1 - x)^2 + y^2) / 2 - (x^2 + y^2 - 1) / 2."""
    circle = X**2 + Y**2 - 1
    block = GramBlock.of(
        [[1, 0], [0, 1], [0, 0]], [["1/2", 0, "-1/2"], [0, "1/2", 0], ["-1/2", 0, "1/2"]]
    )
    equality = Equality(circle, Polynomial.constant(("x", "y"), Fraction(-1, 2)))
    return SosCertificate(polynomial=1 - X, gram=(block,), equalities=(equality,))


def motzkin() -> NotSosCertificate:
    """A diagonal moment matrix; L(p) = 3 - 21/5."""
    values = {(4, 2): 1, (2, 4): 1, (2, 2): "7/5", (0, 0): 1}
    return NotSosCertificate.of(MOTZKIN, inequalities=MOTZKIN_NORMALS, functional=values)


def choi_lam() -> NotSosCertificate:
    """x y z w is no sum of two elements of the basis."""
    normals = ((1, -1, -1, 0), (-1, 1, -1, 0), (-1, -1, 1, 0))
    return NotSosCertificate.of(CHOI_LAM, inequalities=normals, functional={(1, 1, 1, 1): 1})


def without_x() -> NotSosCertificate:
    """x^4 - x + y^2: x^2 is a square only, and with x in the basis the moments would not do."""
    values = {(1, 0): 1, (3, 0): 1}
    return NotSosCertificate.of(
        X**4 - X + Y**2, inequalities=((-1, -1), (1, 2)), removed=[(1, 0)], functional=values
    )


def negative_value() -> Negative:
    """x^2 - 3 x y + y^2 = -1/4 at (1/2, 1/2)."""
    return Negative.of(X**2 - 3 * X * Y + Y**2, ["1/2", "1/2"])


def negative_on_a_set() -> Negative:
    """1 + x + y = -1/5 at (-3/5, -3/5), where x^2 + y^2 <= 1 and x = y."""
    return Negative.of(
        1 + X + Y, ["-3/5", "-3/5"], constraints=[1 - X**2 - Y**2], equalities=[X - Y]
    )


SUMS = (difference_square, two_blocks, lower_bound, on_the_disk, on_the_circle)
REFUTATIONS = (motzkin, choi_lam, without_x)
POINTS = (negative_value, negative_on_a_set)
ALL = (*SUMS, *REFUTATIONS, *POINTS)
