"""Classical problems of polynomial optimization, with their known answers."""

from fractions import Fraction

from flint import fmpq

from tasks.sos import Polynomial, load_polynomials, parse_polynomial
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.conic.solvers import SolverChoice

INLINE = SolverChoice(isolated=False)
"""No process for solves of milliseconds."""


def polynomials(names: str, *texts: str) -> list[Polynomial]:
    """Texts as polynomials in variables given by one text."""
    return [parse_polynomial(text, tuple(names.split())) for text in texts]


def benchmark(name: str) -> Polynomial:
    [entry] = load_polynomials([f"benchmarks#{name}"])
    return entry.polynomial


def is_valid(certificate) -> bool:
    return verify_sos_certificate(certificate.to_data()).valid


def as_float(value: fmpq) -> float:
    return float(Fraction(str(value)))


def cut_of_cycle(n: int):
    """The sum of x_i x_{i+1} over a cycle, with x_i = 1 or -1: -n for even n, 2 - n for odd n."""
    names = " ".join(f"x{i}" for i in range(n))
    objective = " + ".join(f"x{i}*x{(i + 1) % n}" for i in range(n))
    p, *signs = polynomials(names, objective, *(f"x{i}^2 - 1" for i in range(n)))
    return p, signs


def floudas_two_quartics():
    """Floudas and Pardalos 1990, problem 4.7: -5.5080 at (2.3295, 3.1785)."""
    p, *g = polynomials(
        "x1 x2",
        "-x1 - x2",
        "2*x1^4 - 8*x1^3 + 8*x1^2 + 2 - x2",
        "4*x1^4 - 32*x1^3 + 88*x1^2 - 96*x1 + 36 - x2",
        "x1",
        "3 - x1",
        "x2",
        "4 - x2",
    )
    return p, g


def three_disks():
    """Lasserre 2001, example 5: a concave quadratic on a nonconvex set, -2 at three points."""
    p, *g = polynomials(
        "x y",
        "-(x-1)^2 - (x-y)^2 - (y-3)^2",
        "1 - (x-1)^2",
        "1 - (x-y)^2",
        "1 - (y-3)^2",
    )
    return p, g
