"""Classical restrictions on the real scheme of a nonsingular real plane curve of degree d.

* Harnack: at most g + 1 components, g = (d-1)(d-2)/2; equality makes it an *M-curve*.
* Bezout with lines: a line through points inside two ovals meets every oval around either of them
  twice, and J once, hence at most floor(d/2) ovals surround one of two points.
* Bezout with conics: a conic through five points meets twice every oval that surrounds some but not
  all of them, hence there are at most d of these.
* Gudkov-Rokhlin, d = 2k: an M-curve has p - n = k^2 mod 8; Gudkov-Krakhnov-Kharlamov: an
  (M-1)-curve has p - n = k^2 +- 1 mod 8.
* Petrovsky, d = 2k: p - n <= 3k(k-1)/2 + 1 and n - p <= 3k(k-1)/2.

All are necessary, together not sufficient (sufficient for d <= 5).

References
----------
O. Viro, Progress in the topology of real algebraic varieties over the last six years (1986),
Sections 1-3; V. Rokhlin, Congruences modulo sixteen in Hilbert's sixteenth problem (1972).
"""

from __future__ import annotations

from tasks.tcurves.schemes import Forest, Scheme


def genus(degree: int) -> int:
    """Return (d-1)(d-2)/2."""
    return (degree - 1) * (degree - 2) // 2


def harnack_bound(degree: int) -> int:
    """Return the largest number of components of a curve, J included: genus + 1."""
    return genus(degree) + 1


def is_maximal(scheme: Scheme, degree: int) -> bool:
    """Tell whether a scheme has the largest number of components (M-curve)."""
    return scheme.components == harnack_bound(degree)


def _chains(forest: Forest) -> tuple[list[int], int]:
    """Split a forest greedily into downward chains; return their lengths and the tallest tree."""
    lengths: list[int] = []
    tallest = 0
    for tree in forest:
        below, height = _chains(tree)
        below.sort(reverse=True)
        # The longest chain of the tree below is prolonged by the tree's own oval.
        lengths += [height + 1, *below[1:]]
        tallest = max(tallest, height + 1)
    return lengths, tallest


def most_ovals_around(forest: Forest, points: int) -> int:
    """Return the largest number of ovals that surround at least one of some points.

    The best points lie in leaves; taking the longest remaining chain first is optimal.
    """
    lengths, _ = _chains(forest)
    return sum(sorted(lengths, reverse=True)[:points])


def _bezout(scheme: Scheme, degree: int) -> list[str]:
    """Check lines through two points and conics through four points and one outside all ovals."""
    violated = []
    lines = most_ovals_around(scheme.forest, 2)
    if lines > degree // 2:
        violated.append(f"Bezout: a line would meet {lines} ovals, at most {degree // 2} possible")
    conics = most_ovals_around(scheme.forest, 4)
    if conics > degree:
        violated.append(f"Bezout: a conic would meet {conics} ovals, at most {degree} possible")
    return violated


def _even_degree(scheme: Scheme, k: int, deficiency: int) -> list[str]:
    """Check congruences and Petrovsky's inequalities for degree 2k."""
    violated = []
    difference = scheme.p - scheme.n
    residue = (difference - k * k) % 8
    if deficiency == 0 and residue != 0:
        violated.append(f"Gudkov-Rokhlin: p - n = {difference}, not {k * k % 8} mod 8")
    if deficiency == 1 and residue not in (1, 7):
        violated.append(f"Gudkov-Krakhnov-Kharlamov: p - n = {difference}, not {k * k} +- 1 mod 8")
    bound = 3 * k * (k - 1) // 2
    if not -bound <= difference <= bound + 1:
        violated.append(f"Petrovsky: p - n = {difference}, not in {-bound}..{bound + 1}")
    return violated


def violated_restrictions(scheme: Scheme, degree: int) -> tuple[str, ...]:
    """List the classical restrictions that a scheme violates in degree d; empty if none."""
    if scheme.pseudo_line != bool(degree % 2):
        return (
            f"parity: a curve of degree {degree} has {'a' if degree % 2 else 'no'} pseudo-line",
        )
    deficiency = harnack_bound(degree) - scheme.components
    violated = []
    if deficiency < 0:
        violated.append(
            f"Harnack: {scheme.components} components, at most {harnack_bound(degree)} possible"
        )
    violated += _bezout(scheme, degree)
    if degree % 2 == 0:
        violated += _even_degree(scheme, degree // 2, deficiency)
    return tuple(violated)
