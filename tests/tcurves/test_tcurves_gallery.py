"""The gallery: one valid page that holds every scheme, its picture and its certificate."""

import re
from collections import Counter
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pytest
from html_pages import Page
from hypothesis import given, settings
from strategies import signed_triangulations
from study_helpers import joined_tables, replaced

from flows.planning import plan_run
from flows.tcurve_census import STUDY
from tasks.lattice import honeycomb, load_triangulations
from tasks.records import InputError
from tasks.tcurves import (
    CensusConfig,
    Scheme,
    Witness,
    as_word,
    census_witnesses,
    dividing_type,
    gallery_page,
    harnack_signs,
    is_maximal,
    parse_certificate,
    possible_schemes,
    real_scheme,
    verify_certificate,
)
from tasks.tcurves._drawing import drawing
from tasks.tcurves._gallery_svg import curve_svg, tree_svg
from tasks.tcurves.gallery import notation
from tasks.tcurves.witnesses import archive_witnesses

EXAMPLES = settings(max_examples=30, deadline=None)


def tables(*names, **settings_):
    """Histogram and summary of a census."""
    planned = plan_run(STUDY, CensusConfig(triangulations=names, **settings_))
    found = joined_tables(planned, STUDY.stages[0])
    return found["histogram"], found["summary"]


def harnack_witness(degree):
    triangulation = honeycomb(degree)
    word = as_word(harnack_signs(degree))
    return Witness(real_scheme(triangulation, word), triangulation, word)


@pytest.fixture(scope="module")
def sextics():
    return census_witnesses(*tables("6_bat", "6_moth"))


@pytest.fixture(scope="module")
def text(sextics):
    return gallery_page(sextics, known=possible_schemes(6), source="census <1> & co")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


# --- the page -----------------------------------------------------------------------------------


def test_every_scheme_has_one_card_with_its_notation_and_numbers(page, sextics):
    assert len(page.all("article")) == len(sextics) == 55
    titles = [heading["title"] for heading in page.all("h3")]
    assert sorted(titles) == sorted(possible_schemes(6))
    shown = [text for tag, text in page.texts if tag == "h3"]
    assert shown == [notation(Scheme.parse(title)) for title in titles]
    values = iter([text for tag, text in page.texts if tag == "dd"])
    for title in titles:
        scheme = Scheme.parse(title)
        numbers = [next(values) for _ in ("p", "n", "depth", "type")]
        assert numbers[:3] == [str(scheme.p), str(scheme.n), str(scheme.depth)]
        assert numbers[3] in ("I", "II")


def test_cards_are_grouped_by_number_of_ovals_descending(page):
    ovals = [Scheme.parse(heading["title"]).ovals for heading in page.all("h3")]
    assert ovals == sorted(ovals, reverse=True)
    sections = [heading["id"] for heading in page.all("h2")]
    assert sections == [f"ovals-{number}" for number in range(11, 0, -1)]
    links = [a["href"] for a in page.all("a") if a["href"].startswith("#")]
    assert links == [f"#{section}" for section in sections]


def test_ids_are_unique_and_every_inner_reference_leads_somewhere(page):
    ids = Counter(a["id"] for _, a in page.elements if "id" in a)
    assert set(ids.values()) == {1}
    inner = [a["href"] for _, a in page.elements if a.get("href", "").startswith("#")]
    inner += [f"#{a['aria-labelledby']}" for _, a in page.elements if "aria-labelledby" in a]
    assert {reference[1:] for reference in inner} <= set(ids)
    assert not any("#" in i or " " in i for i in ids)


def test_the_page_needs_nothing_else_and_runs_nothing(page, text):
    assert not page.all("script")
    assert not page.all("link")
    assert "url(" not in text
    assert "@import" not in text
    outer = [a[k] for _, a in page.elements for k in ("href", "src") if k in a]
    assert all(place.startswith(("#", "data:")) for place in outer)
    assert not any(name.startswith("on") for _, a in page.elements for name in a)


def test_every_offered_file_is_a_valid_certificate_of_the_scheme_of_its_card(page, sextics):
    links = [a for a in page.all("a") if "download" in a]
    assert len(links) == len(sextics)
    cards = [article["id"] for article in page.all("article")]
    titles = [heading["title"] for heading in page.all("h3")]
    for link, card, title in zip(links, cards, titles, strict=True):
        assert link["download"] == f"{card}.json"
        certificate = parse_certificate(unquote(link["href"].partition(",")[2]))
        verification = verify_certificate(certificate)
        assert verification.valid
        assert verification.scheme == title


def test_pictures_describe_themselves_and_ornaments_are_hidden(page):
    pictures = page.all("svg", **{"class": "curve"})
    assert len(pictures) == 55
    for picture, heading in zip(pictures, page.all("h3"), strict=True):
        assert picture["role"] == "img"
        assert heading["title"] in picture["aria-label"]
    others = [a for a in page.all("svg") if a.get("class") != "curve"]
    assert all(a.get("aria-hidden") == "true" for a in others)
    assert page.all("html") == [{"lang": "en"}]


def test_marks_and_filters_tell_m_curves_and_types(page, sextics):
    for witness in sextics:
        [card] = page.all("article", id=witness.file_stem)
        classes = card["class"].split()
        assert ("maximal" in classes) == is_maximal(witness.scheme, 6)
        kind = dividing_type(witness.triangulation, witness.signs)
        assert ("dividing" in classes) == (kind == "I")
        assert ("nondividing" in classes) == (kind == "II")
    assert [text for tag, text in page.texts if tag == "span"].count("M-curve") == 3
    filters = [a["id"] for a in page.all("input", type="radio", name="show")]
    assert filters == ["show-all", "show-maximal", "show-dividing", "show-nondividing"]


def test_filters_have_the_style_rules_they_need(text):
    style = text[text.index("<style>") : text.index("</style>")]
    for name in ("maximal", "dividing", "nondividing"):
        assert f"#show-{name}:checked) .card:not(.{name})" in style
    assert "prefers-color-scheme: dark" in style
    assert "content-visibility: auto" in style


def test_121_schemes_would_stay_far_below_15_megabytes(text):
    assert len(text.encode()) / 55 < 20_000


def test_the_source_is_text_and_the_same_witnesses_give_the_same_page(text, sextics):
    assert "census &lt;1&gt; &amp; co" in text
    again = gallery_page(sextics[::-1], known=possible_schemes(6), source="census <1> & co")
    assert again == text


def test_missing_schemes_are_listed_and_unlisted_ones_are_marked(sextics):
    some = [witness for witness in sextics if str(witness.scheme) != "<10>"]
    known = [text for text in possible_schemes(6) if text != "<1<9>>"]
    page = Page(gallery_page(some, known=known))
    texts = [text for _, text in page.texts]
    assert "Not found: ⟨10⟩" in texts
    assert "5 of 6 schemes" in texts  # <10> is missing
    assert texts.count("not on the list") == 1
    assert any(text.startswith("53 of the 54 known real schemes, and 1 other;") for text in texts)


def test_without_a_list_nothing_is_missing_or_new():
    page = gallery_page([harnack_witness(9)])
    assert "<p>1 real scheme;" in page
    assert "Not found" not in page
    assert "not on the list" not in page


def test_odd_degrees_explain_the_pseudo_line():
    assert "pseudo-line J" in gallery_page([harnack_witness(5)])
    assert "pseudo-line J</li>" not in gallery_page([harnack_witness(6)])


def test_a_curve_on_an_uncertified_triangulation_is_shown_without_certificate():
    witness = harnack_witness(4)
    bare = Witness(witness.scheme, witness.triangulation.with_weights(None), witness.signs)
    page = Page(gallery_page([bare]))
    assert not [a for a in page.all("a") if "download" in a]
    assert any("no certificate" in text for _, text in page.texts)


@pytest.mark.parametrize(
    ("degrees", "message"), [([], "given are no schemes"), ([3, 4], "given are degrees 3, 4")]
)
def test_a_gallery_of_no_or_several_degrees_is_refused(degrees, message):
    with pytest.raises(InputError, match=message):
        gallery_page([harnack_witness(degree) for degree in degrees])


# --- pictures -----------------------------------------------------------------------------------


@EXAMPLES
@given(signed_triangulations(min_degree=1, max_degree=9))
def test_a_picture_has_every_piece_of_the_curve_and_every_sign_once_and_stays_in_its_box(curve):
    triangulation, signs = curve
    picture = drawing(triangulation, signs)
    svg = curve_svg(picture, triangulation.degree, label="x", edges="t")
    curves = re.findall(r'<path class="k (\w+)" d="([^"]+)"', svg)
    pieces = sum(len(component.paths) for component in picture.components)
    assert sum(data.count("M") for _, data in curves) == pieces
    assert [name == "J" for name, _ in curves].count(True) == picture.scheme.pseudo_line
    dots = re.findall(r'<path class="s" d="([^"]+)"', svg)
    assert sum(data.count("M") for data in dots) == 2 * triangulation.degree**2 + (
        2 * triangulation.degree + 1
    )
    left, *_ = map(int, re.search(r'viewBox="([^"]+)"', svg)[1].split())
    for data in re.findall(r' d="([^"]+)"', svg):
        for subpath in data.split("M")[1:]:
            steps = [[int(n) for n in re.findall(r"-?\d+", s)] for s in re.split("[lh]", subpath)]
            places = np.cumsum([s for s in steps if len(s) == 2], axis=0)
            assert np.abs(places).sum(axis=1).max() <= -left


@pytest.mark.parametrize("viro", ["<J>", "<Jv1v1<3v1<2>>>", "<18v1<3>>", "<1<1<1>>>", "<0>"])
def test_a_tree_has_a_square_for_the_root_and_a_disk_for_each_oval(viro):
    scheme = Scheme.parse(viro)
    svg = tree_svg(scheme)
    assert svg.count("<circle") == svg.count("<path") == scheme.ovals
    assert svg.count("<rect") == 1
    width, height = map(float, re.search(r'viewBox="-6 -6 (\S+) (\S+)"', svg).groups())
    for x, y in re.findall(r'cx="(\S+)" cy="(\S+)"', svg):
        assert -6 <= float(x) - 4.8 <= float(x) + 4.8 <= width - 6
        assert float(y) + 4.8 <= height - 6


# --- witnesses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [6, 7])
def test_file_names_differ_for_different_schemes_and_need_no_quoting(degree):
    triangulation = honeycomb(degree)
    names = [
        Witness(Scheme.parse(text), triangulation, 0).file_stem for text in possible_schemes(degree)
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w.-]+", name) for name in names)
    nests = [Scheme.parse(text) for text in ("<1<1>v1<2>>", "<1<1v1<2>>>")]
    assert [Witness(s, triangulation, 0).file_stem[2:] for s in nests] == ["1_1.v1_2", "1_1v1_2"]


def test_witnesses_have_their_schemes_and_do_not_depend_on_the_order_of_rows(sextics):
    for witness in sextics:
        assert real_scheme(witness.triangulation, witness.signs) == witness.scheme
        assert witness.is_certified
    histogram, summary = tables("6_bat", "6_moth")
    order = np.random.default_rng(1).permutation(histogram.num_rows)
    assert census_witnesses(histogram.take(order), summary) == sextics


def test_regular_triangulations_are_preferred_even_with_larger_weights():
    histogram, summary = tables("6_bat", "6_moth")
    chosen = census_witnesses(histogram, replaced(summary, "regular", [None, True]))
    on_moth = set(
        histogram.filter(pa.compute.field("triangulation") == "6_moth")["scheme"].to_pylist()
    )
    for witness in chosen:
        assert witness.is_certified == (str(witness.scheme) in on_moth)
        assert witness.triangulation.name == ("6_moth" if witness.is_certified else "6_bat")
    assert 0 < sum(witness.is_certified for witness in chosen) < 55


def test_weights_that_were_too_long_to_store_are_found_again():
    histogram, summary = tables("3_honeycomb")
    bare = replaced(summary, "weights", [None])
    assert all(witness.is_certified for witness in census_witnesses(histogram, bare))


def test_rows_without_witnesses_give_none():
    assert census_witnesses(*tables("3_honeycomb", witnesses=False)) == []


def test_of_a_scheme_in_an_archive_the_last_row_counts():
    [bat] = load_triangulations(["6_bat"])
    comb = honeycomb(6)
    word = as_word(harnack_signs(6))
    scheme = real_scheme(bat, word)
    same = next(w for w in census_witnesses(*tables("6_honeycomb")) if w.scheme == scheme)
    rows = [(bat, word), (same.triangulation, same.signs)]
    archive = pa.table(
        {
            "round": [0, 7],
            "scheme": [str(scheme)] * 2,
            "witness": pa.array([w for _, w in rows], pa.uint64()),
            "triangles": [t.triangles.tolist() for t, _ in rows],
            "weights": [list(t.weights) for t, _ in rows],
        }
    )
    [witness] = archive_witnesses(archive)
    assert witness.triangulation.name == "round 7"
    assert witness.triangulation.with_weights(None) == comb.with_weights(None)
    assert witness.degree == 6
    assert witness.signs == same.signs
