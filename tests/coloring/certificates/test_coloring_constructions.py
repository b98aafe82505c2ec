"""The published colorings certify as published, and fail when they are changed a little."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest
from moved_vertices import Movable, difference

from tasks.coloring.certificates.constructions import CONSTRUCTIONS, construction
from tasks.coloring.certificates.distances import Distance, Forbidden, Interval
from tasks.coloring.certificates.files import (
    certificate_bytes,
    certificate_record,
    read_certificate,
    verify_certificate,
)
from tasks.coloring.certificates.lattices import Lattice, combination, dot
from tasks.coloring.certificates.numbers import Surd
from tasks.coloring.certificates.polygons.allowed import allowed_interval, slacks
from tasks.coloring.certificates.polygons.tiles import Tile
from tasks.records import InputError

POLYGONS = [name for name in CONSTRUCTIONS if name != "coulson15"]
BILLIONTH = Fraction(1, 10**9)
REMOVED = {"pritikin6": Fraction(495676402400, 3071907839477149)}


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_each_construction_certifies_with_its_fraction_through_its_file(name):
    coloring = construction(name)
    read = read_certificate(certificate_bytes(certificate_record(coloring, {"title": name})))
    verification = verify_certificate(read)
    assert verification.valid, verification.summary
    assert verification.removed == REMOVED.get(name, 0)
    assert certificate_record(read) == certificate_record(coloring)


def test_pritikins_fraction_and_number_of_points_are_those_published():
    removed = REMOVED["pritikin6"]
    assert float(removed) == pytest.approx(0.000161358, abs=1e-9)
    assert float(1 / removed) == pytest.approx(6197.41, abs=0.005)


def test_an_unknown_construction_is_refused_with_a_hint():
    with pytest.raises(InputError, match="did you mean hex7"):
        construction("hex8")


SECOND_SIX_HIGH = Surd.of(Fraction(31747156401, 40000000000), Fraction(-41799, 200000), 3)
ALLOWED = {
    # Color: squares of the largest interval around its forbidden distance.
    ("hex7", 3): (Fraction("0.88") ** 2, Fraction(542076769, 400000000)),
    ("pritikin6", 0): (
        Fraction(3999999699507280001, 4 * 10**18),
        Fraction("1.000000002") ** 2,
    ),
    ("hoffman_soifer", 2): (1, 1),
    ("hoffman_soifer", 5): (Surd.of(3, -2, 2), Surd.of(3, -2, 2)),
    ("octagon_square", 2): (1, 1),
    ("octagon_square", 5): (Fraction(1, 5), Fraction(1, 5)),
    ("mundinger_second_six", 1): (1, 1),
    ("mundinger_second_six", 5): (Fraction("0.41799") ** 2, SECOND_SIX_HIGH),
    ("max_norm_squares", 0): (1, 1),
}


@pytest.mark.parametrize(("name", "color"), ALLOWED)
def test_the_largest_intervals_of_distances_are_exact(name, color):
    allowed = allowed_interval(construction(name), color)
    assert (allowed.low.square, allowed.high.square) == ALLOWED[name, color]


def test_the_last_color_of_the_second_six_coloring_forbids_the_published_interval():
    [*_, last] = slacks(construction("mundinger_second_six"))
    assert last.color == 5 and str(last.forbidden) == "0.418-0.657"
    assert 0 < last.below < 1.1e-5 and 0 < last.above < 3.1e-5


@pytest.mark.parametrize(
    ("name", "slack"), [("hex7", "0.12"), ("pritikin6", "0.000000002"), ("octagon_square", "0")]
)
def test_the_smallest_slack_is_the_one_that_was_published(name, slack):
    found = slacks(construction(name))
    least = min(min(entry.below, entry.above) for entry in found)
    assert least == pytest.approx(float(slack), rel=1e-6, abs=1e-15)


def at_its_limits(name):
    """The construction, every color of which forbids all that its tiles allow, half-open."""
    coloring = replace(construction(name), boundary="half-open")
    allowed = tuple((allowed_interval(coloring, c),) for c in range(coloring.forbidden.num_colors))
    return replace(coloring, forbidden=Forbidden(allowed))


LIMITS = {name: at_its_limits(name) for name in POLYGONS}


@pytest.mark.parametrize("name", POLYGONS)
def test_all_that_tiles_allow_is_certified_and_no_billionth_more(name):
    coloring = LIMITS[name]
    assert verify_certificate(coloring).valid
    for color, (interval,) in enumerate(coloring.forbidden.intervals):
        low, high = interval.low.square, interval.high.square
        for wider in ((low - BILLIONTH, high), (low, high + BILLIONTH)):
            if name == "max_norm_squares":
                wider_interval = Interval.of(*(1 + (w - 1) / 2 for w in wider))
            else:
                wider_interval = Interval(*map(Distance.root, wider))
            intervals = list(coloring.forbidden.intervals)
            intervals[color] = (wider_interval,)
            verification = verify_certificate(
                replace(coloring, forbidden=Forbidden(tuple(intervals)))
            )
            assert not verification.valid
            assert verification.conflict.color == color


@pytest.mark.parametrize("name", POLYGONS)
def test_a_vertex_that_crosses_a_tight_constraint_by_a_billionth_is_named(name):
    """One end of the diameter of a tile moves away from the other one, in all tiles around it."""
    movable = Movable(LIMITS[name])
    for color in {0, LIMITS[name].forbidden.num_colors - 1}:
        number = next(k for k, t in enumerate(movable.coloring.tiles) if t.color == color)
        vertices = movable.coloring.tiles[number].vertices
        i, j = longest(vertices)
        out = difference(vertices[i], vertices[j])
        moved = movable.moved(vertices[i], combination([BILLIONTH], [out]))
        verification = verify_certificate(moved)
        assert verification.conflict, verification.summary
        alone = verify_certificate(replace(moved, tiles=only(moved.tiles, number)))
        if dot(out, out) == LIMITS[name].forbidden[color][0].low.square:
            assert (alone.conflict.first, alone.conflict.second) == (number, number)
            assert alone.conflict.offset == (0, 0)
            assert alone.conflict.realised[1] > float(dot(out, out)) ** 0.5 * (1 + 0.9e-9)


def longest(vertices):
    """Numbers of two vertices at the largest Euclidean distance."""
    pairs = combinations(range(len(vertices)), 2)
    lengths = {pair: difference(*(vertices[i] for i in pair)) for pair in pairs}
    return max(lengths, key=lambda pair: dot(lengths[pair], lengths[pair]))


def only(tiles, number):
    """All tiles but one removed."""
    return tuple(tile if k == number else Tile(None, tile.vertices) for k, tile in enumerate(tiles))


def test_tiles_that_come_closer_by_a_billionth_are_named():
    """A corner of a small square of Hoffman and Soifer moves towards the next small square."""
    movable = Movable(construction("hoffman_soifer"))
    small = next(tile for tile in movable.coloring.tiles if tile.color == 5)
    for place in small.vertices[:2]:
        for step in ((BILLIONTH, 0), (-BILLIONTH, 0), (0, BILLIONTH), (0, -BILLIONTH)):
            moved = movable.moved(place, tuple(map(Surd.of, step)))
            conflict = verify_certificate(moved).conflict
            assert conflict is not None
            low, high = conflict.realised
            bound = float(conflict.forbidden.low)
            assert bound - 2e-9 < low < bound or bound < high < bound + 2e-9


@pytest.mark.parametrize("name", POLYGONS)
def test_a_vertex_moved_in_one_tile_alone_names_an_edge(name):
    coloring = construction(name)
    for number, tile in enumerate(coloring.tiles):
        (x, y), *others = tile.vertices
        changed = Tile(tile.color, ((x + Fraction(1, 10**12), y), *others))
        tiles = (*coloring.tiles[:number], changed, *coloring.tiles[number + 1 :])
        summary = verify_certificate(replace(coloring, tiles=tiles)).summary
        assert summary.startswith("no partition: the edge from (")


def recolored(coloring, old, new):
    if name_of(coloring) == "voronoi":
        cells = tuple((new if color == old else color, point) for color, point in coloring.tiles)
        return replace(coloring, tiles=cells)
    tiles = (
        Tile(new if tile.color == old else tile.color, tile.vertices) for tile in coloring.tiles
    )
    return replace(coloring, tiles=tuple(tiles))


def name_of(coloring):
    return "voronoi" if hasattr(coloring, "basis") else "polygons"


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_any_two_colors_merged_conflict_and_the_pair_is_named(name):
    coloring = construction(name)
    for old, new in combinations(range(min(coloring.forbidden.num_colors, 7)), 2):
        verification = verify_certificate(recolored(coloring, old, new))
        assert not verification.valid
        assert verification.conflict.color == new
        if coloring.forbidden[old] == coloring.forbidden[new]:
            assert verification.conflict.first != verification.conflict.second


@pytest.mark.parametrize("name", ["hex7", "hoffman_soifer", "octagon_square"])
def test_columns_instead_of_the_sublattice_are_a_partition_that_conflicts(name):
    """Tiles k u for all k under the vectors K u and v instead of the published sublattice."""
    coloring = construction(name)
    num_colors = 7 if name == "hex7" else 5
    first, second = (next(t for t in coloring.tiles if t.color == c).vertices[0] for c in (0, 1))
    u = difference(second, first)
    b = coloring.lattice.vectors[1]
    # The grid of all tiles is spanned by u and one more vector.
    v = {
        "hex7": lambda: combination([3, 1], [u, b]),
        "hoffman_soifer": lambda: (-u[1], u[0]),
        "octagon_square": lambda: (-u[1], u[0]),
    }[name]()
    columns = Lattice((combination([num_colors], [u]), v))
    verification = verify_certificate(replace(coloring, lattice=columns))
    assert verification.conflict is not None, verification.summary


@pytest.mark.parametrize("name", POLYGONS)
def test_another_lattice_is_no_partition_and_names_an_edge(name):
    coloring = construction(name)
    a, b = coloring.lattice.vectors
    for vectors in ((combination([2], [a]), b), (a, (b[0], b[1] + Fraction(1, 10**12)))):
        summary = verify_certificate(replace(coloring, lattice=Lattice(vectors))).summary
        assert summary.startswith("no partition: the edge")


def test_coulsons_cells_are_tight():
    coloring = construction("coulson15")
    assert not verify_certificate(replace(coloring, boundary="closed")).valid
    for square, realised in (("1.249999999", (0, 1.118)), ("1.250000001", (1.118, 3.35))):
        bound = Distance.root(Fraction(square))
        forbidden = Forbidden(((Interval(bound, bound),),) * 15)
        verification = verify_certificate(replace(coloring, forbidden=forbidden))
        assert verification.conflict.realised == pytest.approx(realised, abs=0.01)


@pytest.mark.parametrize(
    "period", [((1, 0, 13), (0, 1, 10), (0, 0, 15)), ((1, 0, 0), (0, 1, 0), (0, 0, 15))]
)
def test_other_sublattices_of_coulsons_conflict_and_name_two_cells(period):
    verification = verify_certificate(replace(construction("coulson15"), period=period))
    assert verification.conflict is not None
    assert verification.conflict.what == "cell" and len(verification.conflict.offset) == 3


def test_a_cell_of_coulsons_with_another_color_conflicts():
    coloring = construction("coulson15")
    for color in range(1, 15):
        cells = ((color, coloring.tiles[0][1]), *coloring.tiles[1:])
        conflict = verify_certificate(replace(coloring, tiles=cells)).conflict
        assert conflict.color == color
