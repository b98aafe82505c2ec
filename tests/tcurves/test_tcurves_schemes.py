"""Real schemes and Viro notation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records import InputError
from tasks.tcurves import Scheme, known_schemes, violated_restrictions
from tasks.tcurves.hunt import reported_schemes

FORESTS = st.recursive(st.just(()), lambda inner: st.lists(inner, max_size=4).map(tuple))


@st.composite
def schemes(draw):
    return Scheme.of(draw(FORESTS), pseudo_line=draw(st.booleans()))


def shuffled(forest, random):
    trees = [shuffled(tree, random) for tree in forest]
    random.shuffle(trees)
    return tuple(trees)


@given(schemes())
def test_printing_and_parsing_are_inverse(scheme):
    assert Scheme.parse(str(scheme)) == scheme


@given(FORESTS, st.randoms(use_true_random=False))
def test_a_scheme_does_not_depend_on_the_order_of_its_ovals(forest, random):
    scheme = Scheme.of(forest, pseudo_line=False)
    assert Scheme.of(shuffled(forest, random), pseudo_line=False) == scheme


@given(schemes().filter(lambda scheme: scheme.ovals <= 31))
def test_codes_and_schemes_are_in_bijection(scheme):
    assert Scheme.from_code(scheme.code, pseudo_line=scheme.pseudo_line) == scheme
    assert scheme.code.bit_count() == scheme.ovals


@given(schemes())
def test_every_oval_is_even_or_odd(scheme):
    assert scheme.p + scheme.n == scheme.ovals
    assert (scheme.depth == 0) == (scheme.ovals == 0)


@pytest.mark.parametrize(
    ("text", "ovals", "p", "n", "depth"),
    [
        ("<0>", 0, 0, 0, 0),
        ("<J>", 0, 0, 0, 0),
        ("<9v1<1>>", 11, 10, 1, 2),
        ("<1v1<9>>", 11, 2, 9, 2),
        ("<1<1<1<1>>>>", 4, 2, 2, 4),
        ("<Jv1v1<3>>", 5, 2, 3, 2),
        ("<18v1<3>>", 22, 19, 3, 2),
    ],
)
def test_invariants_of_classical_schemes(text, ovals, p, n, depth):
    scheme = Scheme.parse(text)
    assert (scheme.ovals, scheme.p, scheme.n, scheme.depth) == (ovals, p, n, depth)
    assert str(scheme) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("<10v2<1>v1<2>>", "<10v1<1>v1<1>v1<2>>"),
        ("< J ⊔ 1<3> ⊔ 1 >", "<Jv1v1<3>>"),
        ("1<1>v3v1", "<4v1<1>>"),
        ("<1<2v1<1>>v1<2>>", "<1<2>v1<2v1<1>>>"),
        ("<1<0>>", "<1>"),
        ("<Jv0>", "<J>"),
    ],
)
def test_other_spellings_are_read(text, canonical):
    assert str(Scheme.parse(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<",
        "<>",
        "<Jv",
        "<J1>",
        "<2v>",
        "1<2>>",
        "<1<>>",
        "<1J>",
        "x",
        "<-1>",
        "<" + "9" * 30 + ">",
    ],
)
def test_what_is_not_viro_notation_is_refused_in_one_line(text):
    with pytest.raises(InputError, match=r"Viro notation \(at character \d+\)") as caught:
        Scheme.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "ovals"),
    [
        ("1<" * 63 + "1" + ">" * 63, 64),
        ("<9999>", 9999),
        ("<99<100>>", 99 * 101),
        ("<0<9999>v1>", 1),
        ("v".join(["1"] * 10_000), 10_000),
    ],
)
def test_long_notation_is_read_up_to_the_limits(text, ovals):
    assert Scheme.parse(text).ovals == ovals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<" + "9" * 5000 + ">", r"not a real scheme in Viro notation \(at character 2\)"),
        ("<00001>", r"\(at character 2\)"),
        ("1<" * 3000 + "1" + ">" * 3000, "more than 64 ovals in a nest"),
        ("1<" * 64 + "1" + ">" * 64, "more than 64 ovals in a nest"),
        ("<1000<1000<1000<1>>>>", "more than 10000 ovals"),
        ("<9999v2>", "more than 10000 ovals"),
        ("v".join(["1"] * 10_001), "more than 10000 ovals"),
        ("1v" * 100_000, r"\(at character 200001\)"),
        (" " * 1_000_000 + "x", r"\(at character 1\)"),
    ],
)
def test_notation_beyond_the_limits_is_refused_in_one_short_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        Scheme.parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_the_numbers_of_real_schemes_are_the_classical_ones():
    assert [len(known_schemes(d)) for d in range(1, 8)] == [1, 2, 2, 6, 8, 56, 121]


@pytest.mark.parametrize("degree", range(1, 8))
def test_classified_schemes_are_canonical_and_violate_nothing(degree):
    for text in known_schemes(degree):
        scheme = Scheme.parse(text)
        assert str(scheme) == text
        assert violated_restrictions(scheme, degree) == ()


def test_unclassified_degrees_are_refused():
    with pytest.raises(InputError, match="known are degrees 1 to 7"):
        known_schemes(8)


def test_the_reported_schemes_of_degree_8_are_distinct_and_violate_nothing():
    texts = reported_schemes()
    parsed = {Scheme.parse(text) for text in texts}
    assert len(parsed) == len(texts) == 2415
    assert [str(scheme) for scheme in sorted(parsed)] == list(texts)
    assert not [s for s in parsed if violated_restrictions(s, 8)]
