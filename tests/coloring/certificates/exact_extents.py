"""Oracles in fractions: extents of differences of cells, by other formulas than the project's."""

from fractions import Fraction
from itertools import product


def determinant(matrix):
    """By expansion along the first row."""
    if not matrix:
        return 1
    minors = ([row[:k] + row[k + 1 :] for row in matrix[1:]] for k in range(len(matrix)))
    pairs = zip(matrix[0], minors, strict=True)
    return sum((-1) ** k * x * determinant(minor) for k, (x, minor) in enumerate(pairs))


def solve(matrix, right):
    """Solve a regular system by Cramer's rule, in fractions."""
    size, columns = determinant(matrix), range(len(matrix))
    return [
        Fraction(
            determinant([[*r[:k], b, *r[k + 1 :]] for r, b in zip(matrix, right, strict=True)])
        )
        / size
        for k in columns
    ]


def squared_extent(gram, offset):
    """Least and greatest square of sum_a (d_a + s_a) w_a, |s_a| <= 1, by an integer Gram matrix.

    The minimum of a convex quadratic over a box is stationary in the coordinates that are not at a
    bound, so it is among the stationary values of all 3^n faces that lie in the box. With y the sum
    of the fixed part, the stationary value is det Gram(free, y) / det Gram(free).
    """
    n, values, corners = len(gram), [], []
    for pattern in product((-1, 1, None), repeat=n):
        free = [a for a in range(n) if pattern[a] is None]
        c = [d + (s or 0) for d, s in zip(offset, pattern, strict=True)]
        y = [sum(gram[a][b] * c[b] for b in range(n)) for a in range(n)]
        square = sum(c[a] * y[a] for a in range(n))
        minor = [[gram[a][b] for b in free] for a in free]
        size = determinant(minor)
        pulled = [-y[a] for a in free]
        feet = [
            determinant([[*r[:k], t, *r[k + 1 :]] for r, t in zip(minor, pulled, strict=True)])
            for k in range(len(free))
        ]
        if all(abs(foot) <= size for foot in feet):
            bordered = [[*r, y[a]] for r, a in zip(minor, free, strict=True)]
            bordered.append([*(y[a] for a in free), square])
            values.append(Fraction(determinant(bordered), size))
        if not free:
            corners.append(square)
    return min(values), max(corners)


def gauge(ball, x):
    """The norm of x with this unit ball: the largest of the functionals of its edges."""
    values = []
    for (a, b), (c, d) in zip(ball, ball[1:] + ball[:1], strict=True):
        e, f = solve([[a, b], [c, d]], [1, 1])
        values.append(e * x[0] + f * x[1])
    return max(values)


def gauge_extent(ball, edges, offset):
    """Least and greatest norm over the parallelogram at an offset.

    The norm is linear between rays through vertices of the ball, so its minimum on an edge is at an
    end or on such a ray.
    """
    corners = {
        s: tuple(
            sum((d + e) * w[i] for d, e, w in zip(offset, s, edges, strict=True)) for i in (0, 1)
        )
        for s in product((-1, 1), repeat=2)
    }
    points = list(corners.values())
    for s, t in (((-1, -1), (1, -1)), ((1, -1), (1, 1)), ((1, 1), (-1, 1)), ((-1, 1), (-1, -1))):
        p, q = corners[s], corners[t]
        step = (q[0] - p[0], q[1] - p[1])
        for u in ball:
            slope = u[0] * step[1] - u[1] * step[0]
            if slope:
                r = Fraction(-(u[0] * p[1] - u[1] * p[0])) / slope
                if 0 <= r <= 1:
                    points.append((p[0] + r * step[0], p[1] + r * step[1]))
    inside = all(abs(d) <= 1 for d in offset)
    return 0 if inside else min(gauge(ball, x) for x in points), max(
        gauge(ball, x) for x in corners.values()
    )
