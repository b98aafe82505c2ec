"""Colorings by polygons against distances by brute force, in three kinds of norms."""

import random
from dataclasses import replace
from fractions import Fraction

import pytest
from exact_tilings import Tiling, edges, exact_tile, random_tiling, squares

from tasks.coloring.certificates.distances import Distance, Forbidden, Interval, parse_distances
from tasks.coloring.certificates.files import (
    certificate_bytes,
    certificate_record,
    verify_certificate,
)
from tasks.coloring.certificates.norms import PNorm, PolygonalNorm
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons import verify_polygons
from tasks.coloring.certificates.polygons.allowed import allowed_interval, slacks
from tasks.coloring.checker import check as check_again
from tasks.records import InputError

TINY = Fraction(1, 10**12)


def colored(seed):
    """A random tiling with its colors, and the squared distances of color 0."""
    tiling = random_tiling(seed)
    chance = random.Random(seed)
    colors = [chance.choice([1, 2, 3, None]) for _ in tiling.polygons]
    colors[0] = colors[chance.randrange(len(colors))] = 0
    return tiling, colors, squares(tiling, colors, 0)


def forbidding(low, high):
    """Color 0 forbids the distances between two roots; the others forbid one that none holds."""
    interval = Interval(Distance.root(low), Distance.root(high))
    nothing = Interval.of("0.000001")
    return Forbidden(((interval,), (nothing,), (nothing,), (nothing,)))


def verdict(tiling, colors, low, high, boundary="half-open"):
    """Of color 0 alone: the others are removed. The second checker agrees."""
    alone = [color if color == 0 else None for color in colors]
    coloring = replace(tiling.coloring(alone, forbidding(low, high)), boundary=boundary)
    verification = verify_polygons(coloring)
    second = check_again(certificate_bytes(certificate_record(coloring)))
    assert second.state == ("valid" if verification.valid else "invalid"), second.reason
    return verification


def gaps(found):
    """Open gaps between the intervals of squared distances, and the one of all that are below."""
    ends, reach = [], Fraction(0)
    for least, largest in sorted(found):
        if least > reach:
            ends.append((reach, least))
        reach = max(reach, largest)
    return [(low, high) for low, high in ends if low < 4]


CHOSEN = [1, 4, 9, 16, 26]
"""Random colorings in which color 0 leaves out distances between those of pairs of tiles."""


@pytest.mark.parametrize("seed", CHOSEN)
def test_a_gap_may_be_forbidden_up_to_its_ends_and_not_beyond(seed):
    tiling, colors, found = colored(seed)
    skewed = tiling.skewed(seed)
    assert gaps(found)
    for low, high in gaps(found):
        assert verdict(skewed, colors, low, high).valid
        assert not verdict(skewed, colors, low, high, "closed").valid
        assert verdict(skewed, colors, low + TINY, high - TINY, "closed").valid
        assert not verdict(skewed, colors, low, high + TINY).valid
        assert not verdict(skewed, colors, low - TINY, high).valid


@pytest.mark.parametrize("seed", range(6))
def test_verdicts_at_random_distances_are_those_of_brute_force(seed):
    tiling, colors, found = colored(seed)
    chance = random.Random(seed)
    some = [end for pair in chance.sample(found, 3) for end in pair if 0 < end < 4]
    for square in [*some, *(Fraction(chance.randint(1, 400), 100) for _ in range(3))]:
        expected = all(largest <= square or least >= square for least, largest in found)
        verification = verdict(tiling.skewed(seed), colors, square, square)
        assert verification.valid == expected
        if not expected:
            low, high = verification.conflict.realised
            assert low - 1e-9 < float(square) ** 0.5 < high + 1e-9
            assert colors[verification.conflict.first] == 0
            assert colors[verification.conflict.second] == 0


@pytest.mark.parametrize("seed", CHOSEN[:4])
def test_the_named_pair_holds_the_named_distances(seed):
    tiling, colors, found = colored(seed)
    low, high = gaps(found)[0]
    conflict = verdict(tiling, colors, low, high + Fraction(1, 100)).conflict
    (a, b), (c, d) = tiling.vectors
    k, l = conflict.offset
    first, second = (tiling.polygons[i] for i in (conflict.first, conflict.second))
    moved = tuple((x + k * a + l * c, y + k * b + l * d) for x, y in second)
    pair = Tiling(tiling.vectors, (first, moved))
    [least, largest] = min(
        (entry for entry in squares(pair, [0, 0], 0)),
        key=lambda entry: (
            abs(float(entry[0]) ** 0.5 - conflict.realised[0])
            + abs(float(entry[1]) ** 0.5 - conflict.realised[1])
        ),
    )
    assert conflict.realised == pytest.approx((float(least) ** 0.5, float(largest) ** 0.5))


@pytest.mark.parametrize("seed", CHOSEN)
def test_the_allowed_interval_around_a_distance_is_the_gap_of_brute_force(seed):
    tiling, colors, found = colored(seed)
    coloring = tiling.skewed(seed).coloring(colors, forbidding(1, 1))
    for low, high in gaps(found):
        for inside in (low, (low + high) / 2, high):
            allowed = allowed_interval(coloring, 0, Distance.root(inside))
            assert (allowed.low.square, allowed.high.square) == (low, high)
        with pytest.raises(InputError, match="holds the distance"):
            allowed_interval(coloring, 0, Distance.root(high + TINY))


def test_a_color_without_tiles_has_no_allowed_interval():
    tiling = random_tiling(0)
    coloring = tiling.coloring([0] * len(tiling.polygons), parse_distances("1", 2))
    with pytest.raises(InputError, match="color 1 has no tiles"):
        allowed_interval(coloring, 1)


def gauge(ball, x, y):
    """The norm of a polygonal ball: (x, y) = s u + t w with s, t >= 0 in one of its sectors."""
    for (a, b), (c, d) in edges(ball):
        area = a * d - b * c
        s, t = Fraction(x * d - y * c) / area, Fraction(a * y - b * x) / area
        if s >= 0 and t >= 0:
            return s + t
    raise AssertionError((x, y))


def least_gauge(ball, p, q):
    """On the segment pq: at an end, or where it meets a ray through a vertex of the ball."""
    (px, py), (dx, dy) = p, (q[0] - p[0], q[1] - p[1])
    found = [gauge(ball, *p), gauge(ball, *q)]
    for a, b in ball:
        area = dx * b - dy * a
        if area:
            part = Fraction(py * a - px * b) / area
            if 0 <= part <= 1:
                found.append(gauge(ball, px + part * dx, py + part * dy))
    return min(found)


BALLS = [
    ((1, 1), (-1, 1), (-1, -1), (1, -1)),
    ((2, 0), (1, 1), (-1, 1), (-2, 0), (-1, -1), (1, -1)),
]


def gauge_pairs(tiling, ball):
    """Least and largest gauges between the first tile and translates of it, as by brute force."""
    one = tiling.polygons[0]
    found = []
    for other in tiling.translates(one):
        differences = [(a - x, b - y) for x, y in one for a, b in other]
        largest = max(gauge(ball, *difference) for difference in differences)
        least = min(
            least_gauge(ball, (a - x, b - y), (c - x, d - y))
            for first, second in ((one, other), (other, one))
            for x, y in first
            for (a, b), (c, d) in edges(second)
        )
        found.append((Fraction(0) if other == one else least, largest))
    return found


@pytest.mark.parametrize(("seed", "ball"), list(enumerate(BALLS, 1)))
def test_polygonal_norms_decide_exactly_as_gauges_do(seed, ball):
    tiling = random_tiling(seed)
    colors = [0] + [None] * (len(tiling.polygons) - 1)
    [(low, high), *_] = gaps(gauge_pairs(tiling, ball))
    norm = PolygonalNorm.of(ball)

    def check(first, last):
        forbidden = Forbidden(((Interval.of(first, last),),))
        return verify_polygons(tiling.skewed(seed).coloring(colors, forbidden, norm)).valid

    assert check(low, high)
    assert not check(low, high + TINY)
    assert not check(low - TINY, high)
    coloring = tiling.coloring(colors, Forbidden(((Interval.of((low + high) / 2),),)), norm)
    assert allowed_interval(coloring, 0) == Interval.of(low, high)


@pytest.mark.parametrize("p", ["1.5", "7"])
def test_p_norms_decide_but_for_a_band_around_the_ends(p):
    """Ends by powers of coordinates: largest at vertices, least by cutting thirds off segments."""
    tiling = random_tiling(5)
    colors = [0] + [None] * (len(tiling.polygons) - 1)
    norm = PNorm.of(p)
    middle = allowed_interval(tiling.coloring(colors, Forbidden(((Interval.of(1.5),),)), norm), 0)
    low, high = middle.floats
    one = tiling.polygons[0]
    power = float(Fraction(p))
    size = max(
        (abs(float(a - x)) ** power + abs(float(b - y)) ** power) ** (1 / power)
        for x, y in one
        for a, b in one
    )
    assert size <= low < size + 1e-9
    assert high == pytest.approx(least_power(tiling, power), abs=1e-9)
    for first, last, expected in [
        (low + 1e-9, high - 1e-9, True),
        (low - 1e-9, high - 1e-9, False),
        (low + 1e-9, high + 1e-9, False),
    ]:
        forbidden = Forbidden(((Interval.of(first, last),),))
        assert verify_polygons(tiling.coloring(colors, forbidden, norm)).valid == expected


def least_power(tiling, power):
    one = tiling.polygons[0]
    return min(
        least_on(power, (float(a - x), float(b - y)), (float(c - x), float(d - y)))
        for other in tiling.translates(one)
        if other != one
        for first, second in ((one, other), (other, one))
        for x, y in first
        for (a, b), (c, d) in edges(second)
    )


def least_on(power, p, q):
    def value(t):
        return sum(abs(a + t * (b - a)) ** power for a, b in zip(p, q, strict=True)) ** (1 / power)

    low, high = 0.0, 1.0
    for _ in range(60):
        third = (high - low) / 3
        if value(low + third) < value(high - third):
            high -= third
        else:
            low += third
    return value((low + high) / 2)


def test_certificates_of_tilings_are_read_back_and_verified():
    tiling, colors, found = colored(CHOSEN[0])
    low, high = gaps(found)[0]
    alone = [color if color == 0 else None for color in colors]
    coloring = tiling.coloring(alone, forbidding(low, high))
    record = certificate_record(coloring)
    verification = verify_certificate(record)
    assert verification.valid and verification.removed == coloring.removed
    [slack] = slacks(coloring)
    assert slack.below == slack.above == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boundary": "open"}, "boundary is one of half-open, closed"),
        ({"tiles": ()}, "at least one tile"),
        ({"forbidden": parse_distances("1", 1)}, "colors are 0 to 0"),
    ],
)
def test_wrong_colorings_are_refused(change, message):
    coloring = random_tiling(0, 1, 1).coloring([1], parse_distances("1", 2))
    with pytest.raises(InputError, match=message):
        replace(coloring, **change)


def test_tiles_of_two_vertices_or_beyond_floats_are_refused():
    with pytest.raises(InputError, match="at least 3 vertices"):
        exact_tile(0, ((0, 0), (1, 0)))
    with pytest.raises(InputError, match=r"at most 10\^100"):
        exact_tile(0, ((0, 0), (10**101, 0), (0, 1)))
    assert exact_tile(0, ((0, 0), (1, 0), (0, 1))).vertices[1] == (Surd.of(1), Surd.of(0))


UNIT = ((0, 0), (1, 0), (1, 1), (0, 1))


def test_a_distance_of_too_many_periods_is_refused():
    tiny = Fraction(1, 10**6)
    square = tuple((x * tiny, y * tiny) for x, y in UNIT)
    tiling = Tiling(((tiny, 0), (0, tiny)), (square,))
    with pytest.raises(InputError, match="too many periods"):
        verify_polygons(tiling.coloring([0], parse_distances("1", 1)))


def test_a_tile_far_away_from_the_origin_is_refused():
    tiling = Tiling(((1, 0), (0, 1)), (tuple((x + 10**7, y) for x, y in UNIT),))
    with pytest.raises(InputError, match="more than 10\\^6 periods away"):
        verify_polygons(tiling.coloring([0], parse_distances("1", 1)))


@pytest.mark.parametrize("size", [Fraction(1, 10**120), 10**120])
def test_lattices_beyond_floats_are_refused(size):
    tiling = Tiling(((size, 0), (0, size)), (UNIT,))
    with pytest.raises(InputError, match="too large or too small"):
        verify_polygons(tiling.coloring([0], parse_distances("1", 1)))
