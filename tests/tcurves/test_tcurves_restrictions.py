"""Classical restrictions."""

import pytest

from tasks.tcurves import Scheme, genus, harnack_bound, is_maximal, violated_restrictions


def test_genus_and_harnack_bound():
    assert [genus(d) for d in range(1, 10)] == [0, 0, 1, 3, 6, 10, 15, 21, 28]
    assert [harnack_bound(d) for d in (6, 7, 8, 9)] == [11, 16, 22, 29]


@pytest.mark.parametrize(
    ("text", "degree", "maximal"),
    [("<9v1<1>>", 6, True), ("<10>", 6, False), ("<Jv15>", 7, True), ("<J>", 1, True)],
)
def test_maximal_schemes_have_genus_plus_one_components(text, degree, maximal):
    assert is_maximal(Scheme.parse(text), degree) is maximal


@pytest.mark.parametrize(
    ("text", "degree", "reason"),
    [
        ("<12>", 6, "Harnack"),
        ("<Jv16>", 7, "Harnack"),
        ("<11>", 6, "Gudkov-Rokhlin"),
        ("<3v1<7>>", 6, "Gudkov-Rokhlin"),
        ("<7v1<2>>", 6, "Gudkov-Krakhnov-Kharlamov"),
        ("<1<1<1<1>>>>", 6, "Bezout: a line"),
        ("<1<1>v1<1>>", 6, "Bezout: a line"),
        ("<1v1<1>>", 4, "Bezout: a line"),
        ("<1v1<1<1<1>>>>", 8, "Bezout: a line"),
        ("<1<1>v1<1>v1<1>v1<1>v1<1>>", 7, "parity"),
        ("<Jv1<1>v1<1>v1<1>v1<1>>", 7, "Bezout: a line"),
        ("<4>", 6, None),
        ("<1<1<1>>>", 6, None),
        ("<J>", 6, "parity"),
        ("<1>", 5, "parity"),
    ],
)
def test_impossible_schemes_violate_the_restriction_that_excludes_them(text, degree, reason):
    violated = violated_restrictions(Scheme.parse(text), degree)
    if reason is None:
        assert violated == ()
    else:
        assert any(v.startswith(reason) for v in violated)


def test_a_conic_through_four_nests_and_an_outer_point_bounds_their_depth():
    # Four nests of depth 2 and one of depth 3 in degree 8: lines allow 4, conics 8 ovals.
    allowed = Scheme.parse("<1<1>v1<1>v1<1>v1<1>>")
    assert violated_restrictions(allowed, 8) == ()
    deeper = Scheme.parse("<1<1<1>>v1<1<1>>v1<1<1>>v1<1<1>>>")
    assert (
        any(v.startswith("Bezout: a conic") for v in violated_restrictions(deeper, 11 + 1)) is False
    )
    assert any(v.startswith("Bezout: a conic") for v in violated_restrictions(deeper, 10))
