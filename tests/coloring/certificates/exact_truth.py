"""Whether a coloring holds no forbidden distance, by brute force: all pairs, all translations.

Exact in the Euclidean norm and in polygonal ones, by other formulas than the project's, and within
1e-9 in p-norms. Floats decide what is clear by 1e-9.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from math import ceil, sqrt

import numpy as np
from exact_extents import determinant
from exact_tilings import edges, square_to_segment

from tasks.coloring.certificates.cells import CellColoring
from tasks.coloring.certificates.lattices import Lattice, combination, dot
from tasks.coloring.certificates.norms import Euclidean, PNorm, PolygonalNorm
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.certificates.voronoi import VoronoiColoring
from tasks.coloring.certificates.voronoi.cells import VoronoiCell

_CLEAR = 1e-9


def is_proper(coloring):
    """Whether no color of a coloring of any form holds a distance that it forbids."""
    is_closed = coloring.boundary == "closed"
    for color, floats, exact in _pairs(coloring):
        for interval in coloring.forbidden[color]:
            answer = _clear_answer(floats, *interval.floats)
            if answer is None:
                answer = _meets(exact(), _bounds(interval, coloring.norm), is_closed)
            if answer:
                return False
    return True


def _clear_answer(lengths, low, high):
    """Whether lengths meet an interval; None if that is not clear by far."""
    if lengths[1] < low - _CLEAR or lengths[0] > high + _CLEAR:
        return False
    return True if lengths[1] > low + _CLEAR and lengths[0] < high - _CLEAR else None


def _meets(measures, bounds, is_closed):
    (least, largest), (low, high) = measures, bounds
    return least <= high and largest >= low if is_closed else least < high and largest > low


def _bounds(interval, norm):
    """The ends as the norm measures: squares in the Euclidean norm."""
    if isinstance(norm, Euclidean):
        return interval.low.square, interval.high.square
    if isinstance(norm, PolygonalNorm):
        return interval.low.value, interval.high.value
    return float(interval.low) + _CLEAR, float(interval.high) - _CLEAR


def covers_once(coloring):
    """Whether polygons have the area of the torus, and hold each of 50 points of it once."""
    twice = sum(
        (a[0] * b[1] - a[1] * b[0] for t in coloring.tiles for a, b in edges(t.vertices)),
        Surd.of(0),
    )
    if twice != 2 * abs(coloring.lattice.determinant):
        return False
    points = np.random.default_rng(0).random((50, 2)) @ coloring.lattice.floats
    count = np.zeros(50, int)
    shifts = np.array(list(product(range(-9, 10), repeat=2))) @ coloring.lattice.floats
    for tile in coloring.tiles:
        polygon = np.array([[float(x) for x in v] for v in tile.vertices])
        places = (points[:, None] + shifts).reshape(-1, 2)
        count += _is_inside(places, polygon).reshape(50, -1).sum(axis=1)
    return bool((count == 1).all())


def _is_inside(places, polygon):
    """By the parity of edges to the right."""
    x, y = places.T[:, :, None]
    (ax, ay), (bx, by) = polygon.T, np.roll(polygon, -1, axis=0).T
    is_between = (ay > y) != (by > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = ax + (y - ay) / (by - ay) * (bx - ax)
    return (is_between & (x < crossing)).sum(axis=1) % 2 == 1


def _pairs(coloring):
    """All pairs of one color within reach: the color, least and largest length, and a call.

    The lengths are rounded; the call gives them exactly, as the norm measures.
    """
    if isinstance(coloring, PolygonColoring):
        tiles = [(tile.color, tile.vertices) for tile in coloring.tiles]
        return _polygon_pairs(tiles, coloring.lattice, coloring)
    if coloring.lattice.dimension == 2:
        return _polygon_pairs(_cells_as_polygons(coloring), coloring.lattice, coloring)
    return _body_pairs(coloring)


def _cells_as_polygons(coloring):
    """Every cell of a grid or of a lattice in the plane as a color and its corners."""
    if isinstance(coloring, VoronoiColoring):
        corners = _in_order(VoronoiCell.of(coloring.basis).vertices)
        halved = [combination([Surd.of(1) / 2], [corner]) for corner in corners]
        places = [(color, combination(p, coloring.basis.vectors)) for color, p in coloring.tiles]
        return [(c, [combination([1, 1], [p, v]) for v in halved]) for c, p in places]
    sides = coloring.lattice.divided(coloring.shape).vectors
    ring = ((0, 0), (1, 0), (1, 1), (0, 1))
    return [
        (
            None if color == 255 else int(color),
            [combination([i + a, j + b], sides) for a, b in ring],
        )
        for (i, j), color in np.ndenumerate(coloring.grid)
    ]


def _in_order(points):
    return sorted(points, key=lambda p: np.arctan2(float(p[1]), float(p[0])))


def _polygon_pairs(tiles, lattice, coloring):
    norm, reach = coloring.norm, _reach(coloring)
    vectors = lattice.reduced()[0].vectors
    floats = [np.array([[float(x) for x in p] for p in tile]) for _, tile in tiles]
    for i, (color, one) in enumerate(tiles):
        for j, (other_color, other) in enumerate(tiles[i:], i):
            if color is None or color != other_color:
                continue
            for shift, moved in _translates(floats[i], floats[j], vectors, reach):
                is_same = i == j and not any(shift)
                lengths = _float_lengths(floats[i], moved, is_same, norm)
                yield color, lengths, partial(_exact, one, other, shift, vectors, is_same, norm)


def _exact(one, other, shift, vectors, is_same, norm):
    moved = [combination([1, *shift], [p, *vectors]) for p in other]
    return _measures(one, moved, is_same, norm)


def _float_lengths(one, other, is_same, norm):
    """Least and largest distance of polygons, rounded."""
    largest = _lengths(norm, (one[:, None] - other).reshape(-1, 2)).max()
    return (0.0 if is_same else _segment_lengths(one, other, norm).min()), largest


def _segment_lengths(one, other, norm):
    """Least lengths on edge - vertex, in the order of `_segments`, by cutting off thirds."""
    starts, steps = [], []
    for p, q in ((one, other), (other, one)):
        starts.append((q - p[:, None]).reshape(-1, 2))
        steps.append(np.tile(np.roll(q, -1, axis=0) - q, (len(p), 1)))
    start, step = np.concatenate(starts), np.concatenate(steps)
    low, high = np.zeros((len(start), 1)), np.ones((len(start), 1))
    for _ in range(60):
        third = (high - low) / 3
        left, right = (_lengths(norm, start + t * step) for t in (low + third, high - third))
        rises = (left < right)[:, None]
        low, high = np.where(rises, low, low + third), np.where(rises, high - third, high)
    return _lengths(norm, start + low * step)


def _segments(one, other):
    """A vertex and both ends of an edge of the other polygon."""
    return [
        (p, q, r) for a, b in ((one, other), (other, one)) for p in a for q, r in edges(tuple(b))
    ]


def _lengths(norm, x):
    if isinstance(norm, PNorm):
        p = float(norm.p)
        return (np.abs(x) ** p).sum(axis=1) ** (1 / p)
    if isinstance(norm, PolygonalNorm):
        u = np.array([[float(c) for c in vertex] for vertex in norm.vertices])
        w = np.roll(u, -1, axis=0)
        normals = np.column_stack([w[:, 1] - u[:, 1], u[:, 0] - w[:, 0]])
        return (x @ (normals / (normals * u).sum(axis=1)[:, None]).T).max(axis=1)
    return np.hypot(*x.T)


def _reach(coloring):
    """Euclidean length beyond all forbidden distances."""
    ends = [i.high for intervals in coloring.forbidden.intervals for i in intervals]
    return 1.0001 * float(max(ends)) * coloring.norm.radii[1]


def _translates(one, other, vectors, reach):
    """Shifts that may bring the other polygon within reach, and the polygon moved by them."""
    floats = np.array([[float(x) for x in v] for v in vectors])
    width = sum(np.hypot(*np.ptp(p, axis=0)) for p in (one, other))
    center = (one.mean(axis=0) - other.mean(axis=0)) @ np.linalg.inv(floats)
    spread = ceil((reach + width) * np.linalg.norm(np.linalg.inv(floats), 2)) + 1
    for shift in product(*(range(int(c) - spread, int(c) + spread + 1) for c in center)):
        moved = other + np.array(shift) @ floats
        gap = np.maximum(one.min(axis=0) - moved.max(axis=0), moved.min(axis=0) - one.max(axis=0))
        if np.hypot(*np.maximum(gap, 0.0)) < reach:
            yield shift, moved


def _measures(one, other, is_same, norm):
    """Least and largest measure, exactly, over what floats cannot tell from these."""
    places = [np.array([[float(x) for x in p] for p in polygon]) for polygon in (one, other)]
    if isinstance(norm, PNorm):
        return _float_lengths(*places, is_same, norm)
    lengths = _lengths(norm, (places[0][:, None] - places[1]).reshape(-1, 2))
    pairs = list(product(one, other))
    far = [combination([1, -1], pairs[k]) for k in np.flatnonzero(lengths > lengths.max() - 1e-6)]
    near = []
    if not is_same:
        values, segments = _segment_lengths(*places, norm), _segments(one, other)
        near = [segments[k] for k in np.flatnonzero(values < values.min() + 1e-6)]
    if isinstance(norm, Euclidean):
        largest = max(dot(d, d) for d in far)
        return min((square_to_segment(*segment) for segment in near), default=0), largest
    largest = max(_gauge(norm.vertices, d) for d in far)
    ends = ([combination([1, -1], [q, p]) for q in edge] for p, *edge in near)
    return min((_least_gauge(norm.vertices, *pair) for pair in ends), default=0), largest


def _gauge(ball, d):
    """d = s u + t w in one of the sectors of the ball, s, t >= 0."""
    for u, w in edges(tuple(ball)):
        area = u[0] * w[1] - u[1] * w[0]
        s, t = (d[0] * w[1] - d[1] * w[0]) / area, (u[0] * d[1] - u[1] * d[0]) / area
        if s >= 0 and t >= 0:
            return s + t
    raise AssertionError(d)


def _least_gauge(ball, p, q):
    """On a segment: at an end, or where it meets a ray through a vertex of the ball."""
    step = combination([1, -1], [q, p])
    found = [_gauge(ball, p), _gauge(ball, q)]
    for u in ball:
        area = step[0] * u[1] - step[1] * u[0]
        if area:
            part = (p[1] * u[0] - p[0] * u[1]) / area
            if 0 <= part <= 1:
                found.append(_gauge(ball, combination([1, part], [p, step])))
    return min(found)


def _body_pairs(coloring):
    """Pairs of cells in space; each kind of difference is a body moved by a vector."""
    lattice, reach = coloring.lattice, _reach(coloring)
    points, vectors, extent, size = _bodies(coloring)
    periods = lattice.reduced()[0].vectors
    floats = np.array([[float(x) for x in v] for v in vectors.vectors])
    spread = ceil(3 * (reach + size) * np.linalg.norm(np.linalg.inv(lattice.floats), 2)) + 3
    shifts = np.array(list(product(range(-spread, spread + 1), repeat=3)))
    moves = shifts @ np.array([[float(x) for x in v] for v in periods])
    known = {}
    for i, (color, p) in enumerate(points):
        for other_color, q in points[i:]:
            if color is None or color != other_color:
                continue
            place = np.subtract(q, p) @ floats
            for k in np.flatnonzero(np.linalg.norm(place + moves, axis=1) < reach + size):
                step = combination(np.subtract(q, p).tolist(), vectors.vectors)
                center = combination([1, *shifts[k].tolist()], [step, *periods])
                if center not in known:
                    known[center] = extent(center)
                exact = known[center]
                yield color, [sqrt(float(x)) for x in exact], partial(_same, exact)


def _same(value):
    return value


def _bodies(coloring):
    """Colored points, the vectors they are coordinates of, extents of differences, their size."""
    if isinstance(coloring, CellColoring):
        sides = coloring.lattice.divided(coloring.shape)
        points = [
            (None if color == 255 else int(color), place)
            for place, color in np.ndenumerate(coloring.grid)
        ]
        size = float(np.linalg.norm(sides.floats, axis=1).sum())
        return points, sides, lambda center: _extent(sides, center), size
    cell = VoronoiCell.of(coloring.basis)
    size = max(sqrt(float(dot(v, v))) for v in cell.vertices)
    points = list(coloring.tiles)
    return (
        points,
        coloring.basis,
        lambda center: (cell.least_square(center), cell.greatest_square(center)),
        size,
    )


def _extent(sides: Lattice, center):
    """Squares on center + sum_a s_a w_a, |s_a| <= 1, which are stationary on the faces of a box."""
    least, corners, n = [], [], sides.dimension
    for pattern in product((-1, 1, None), repeat=n):
        free = [sides.vectors[a] for a in range(n) if pattern[a] is None]
        y = combination([1, *(s or 0 for s in pattern)], [center, *sides.vectors])
        gram = [[dot(v, w) for w in free] for v in free]
        pulled = [-dot(v, y) for v in free]
        scale = determinant(gram)
        feet = [
            determinant([[*r[:k], t, *r[k + 1 :]] for r, t in zip(gram, pulled, strict=True)])
            for k in range(len(free))
        ]
        if all(abs(foot) <= scale for foot in feet):
            place = combination([1, *(foot / scale for foot in feet)], [y, *free])
            least.append(dot(place, place))
        if not free:
            corners.append(dot(y, y))
    return min(least), max(corners)
