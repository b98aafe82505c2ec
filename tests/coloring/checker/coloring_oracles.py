"""Slow and simple decisions in fractions, to compare the second checker with."""

import itertools
import math
from fractions import Fraction as Q


def solved(A, b):
    """The solution of a regular system A x = b; None if it is singular."""
    n = len(b)
    rows = [[*row, value] for row, value in zip(A, b, strict=True)]
    for k in range(n):
        pivot = next((i for i in range(k, n) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def inner(u, v):
    return sum(x * y for x, y in zip(u, v, strict=True))


def combined(coefficients, vectors):
    columns = zip(*vectors, strict=True)
    return [inner(coefficients, column) for column in columns]


def square_range(offset, vectors):
    """The least and the largest |sum of (d_a + s_a) w_a|^2 over s in [-1, 1]^n.

    The least is that of a stationary point on some face of the cube of parameters.
    """
    values = []
    for fixed in itertools.product((-1, 0, 1), repeat=len(vectors)):
        free = [w for w, s in zip(vectors, fixed, strict=True) if not s]
        point = combined([d + s for d, s in zip(offset, fixed, strict=True)], vectors)
        gram = [[Q(inner(v, w)) for w in free] for v in free]
        s = solved(gram, [Q(-inner(w, point)) for w in free])
        if all(-1 <= x <= 1 for x in s):
            for x, w in zip(s, free, strict=True):
                point = [y + x * z for y, z in zip(point, w, strict=True)]
            values.append(inner(point, point))
    return min(values), max(values)


def conflict_offsets(vectors, low, high, reach):
    """The offsets with coordinates up to `reach` that hold a distance of [low, high] (squared)."""
    found = set()
    extent = sum(math.sqrt(inner(w, w)) for w in vectors) + 1e-6
    for offset in itertools.product(range(-reach, reach + 1), repeat=len(vectors)):
        center = combined(offset, vectors)
        far = math.sqrt(inner(center, center))
        if math.sqrt(low) - extent <= far <= math.sqrt(high) + extent and offset not in found:
            least, largest = square_range(offset, vectors)
            if least < high and largest > low:
                found |= {offset, tuple(-x for x in offset)}
    assert all(max(map(abs, offset)) < reach for offset in found), "more are further out"
    return found


def has_conflict(grid, shape, offsets):
    """Whether two cells of one color, or one and its translate, are at one of the offsets."""
    cells = {
        place: grid[index]
        for index, place in enumerate(itertools.product(*map(range, shape)))
        if grid[index] != 255
    }
    for place, color in cells.items():
        for offset in offsets:
            other = tuple((x + d) % m for x, d, m in zip(place, offset, shape, strict=True))
            if cells.get(other) == color:
                return True
    return False


def norm_value(norm, x, y):
    """A norm as the file states it, in floats."""
    if norm == "euclidean":
        return math.hypot(x, y)
    if "p" in norm:
        p = float(Q(norm["p"]))
        return (abs(x) ** p + abs(y) ** p) ** (1 / p)
    ball = [[float(Q(c)) for c in point] for point in norm["ball"]]
    values = []
    for (a, b), (c, d) in zip(ball, ball[1:] + ball[:1], strict=True):
        # The coefficients of (x, y) in the basis of two neighboring vertices.
        det = a * d - b * c
        values.append((x * d - y * c + a * y - b * x) / det)
    return max(values)
