import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import triangulations

from tasks.lattice import load_triangulations
from tasks.lattice._text import parse_text
from tasks.records.errors import InputError

TRIANGLES = [[0, 1, 3], [1, 3, 4], [1, 2, 4], [3, 4, 5]]
WEIGHTS = [0, 1, 4, 1, 3, 4]
ONE = {"degree": 2, "triangles": TRIANGLES}


@pytest.mark.parametrize(
    "text",
    [
        "{{0 1 3} {1 3 4} {1 2 4} {3 4 5}}",
        "{{0,1,3},{1,3,4},{1,2,4},{3,4,5}};\n",
        "[[0,1,3],[1,3,4],[1,2,4],[3,4,5]]",
        "((0 1 3)\n (1 3 4)\n (1 2 4)\n (3 4 5))",
        "{0 1 3}\n{1 3 4}\n{1 2 4}\n{3 4 5}\n",
        "0 1 3\n1 3 4\n1 2 4\n3 4 5",
        "FACETS\n{0 1 3}\n{1 3 4}\n{1 2 4}\n{3 4 5}\n\n",
        "<{0 1 3}\n{1 3 4}\n{1 2 4}\n{3 4 5}\n>\n",
        "# found by search\r\n\t{{0 1 3} {1 3 4}\r\n # two more\r\n {1 2 4} {3 4 5}}",
    ],
)
def test_every_layout_gives_the_same_triangulation(text):
    assert parse_text("file", text) == [ONE]


@pytest.mark.parametrize(
    "text",
    [
        "{{0 1 3} {1 3 4} {1 2 4} {3 4 5}} (0 1 4 1 3 4)",
        "{{0 1 3} {1 3 4} {1 2 4} {3 4 5}}\n0 1 4 1 3 4\n",
        "{{0 1 3} {1 3 4} {1 2 4} {3 4 5}} WEIGHTS: 0 1 4 1 3 4",
        "{0 1 3}\n{1 3 4}\n{1 2 4}\n{3 4 5}\n\nWEIGHTS\n0 1 4 1 3 4\n",
        "[[[0,1,3],[1,3,4],[1,2,4],[3,4,5]],[0,1,4,1,3,4]]",
    ],
)
def test_weights_may_follow(text):
    assert parse_text("file", text) == [{**ONE, "weights": WEIGHTS}]


def test_several_triangulations_one_per_line_with_names():
    line = "{{0 1 3} {1 3 4} {1 2 4} {3 4 5}}"
    records = parse_text("file", f"7_a.b: {line}\n{line} (0 1 4 1 3 4)\nc = {line}\n")
    assert [record.get("name") for record in records] == ["7_a.b", None, "c"]
    assert [record.get("weights") for record in records] == [None, WEIGHTS, None]


def test_loose_triples_after_a_heading_start_a_new_triangulation():
    block = "TRIANGLES\n0 1 3\n1 3 4\n1 2 4\n3 4 5\n"
    assert parse_text("file", block + "WEIGHTS 0 1 4 1 3 4\n" + block) == [
        {**ONE, "weights": WEIGHTS},
        ONE,
    ]


def test_three_numbers_after_a_triangulation_of_degree_1_are_its_weights():
    assert parse_text("f", "{{0 1 2}} (0 1 1)") == [
        {"degree": 1, "triangles": [[0, 1, 2]], "weights": [0, 1, 1]}
    ]


def test_a_text_file_is_loaded_with_numbered_names_and_rational_weights(tmp_path):
    path = tmp_path / "found.txt"
    line = "{{0 1 3} {1 3 4} {1 2 4} {3 4 5}}"
    path.write_text(f"{line} (0 1 4 1 3 9/2)\n{line}\n")
    loaded = load_triangulations([str(path)])
    assert [T.name for T in loaded] == ["found-1", "found-2"]
    assert loaded[0].weights == (0, 2, 8, 2, 6, 9)


@given(triangulations(max_degree=6), st.sampled_from(["{} ", "[],", "();", "<>\n"]))
def test_printed_triangulations_are_read_back(T, style):
    start, end, separator = style
    rows = separator.join(
        start + separator.join(map(str, row)) + end for row in T.triangles.tolist()
    )
    [record] = parse_text("file", start + rows + end)
    assert record == {"degree": T.degree, "triangles": T.triangles.tolist()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "f, line 1: unexpected word 'hello'; expected triangulations such as"),
        ("{{0 1 2}}\n\n1 2 3 4 5\n1 2 3 4\n", "f, line 4: 4 numbers are no triangle"),
        ("0 1", "f, line 1: 2 numbers are no triangle"),
        ("WEIGHTS 0 1 1", "line 1: weights without a triangulation before them"),
        ("{{0 1 2}}", None),
        ("{{0 1 2}", "a bracket is not closed by '}'"),
        ("{{0 1 2}]", "']' closes no open bracket"),
        ("}", "'}' closes no open bracket"),
        ("{{{{0 1 2}}}}", "brackets nest too deeply"),
        ("{{0 1 2} 3}", "numbers and brackets are mixed"),
        ("{}", "numbers and brackets are mixed"),
        ("{{0 1 x}}", "'x' inside brackets"),
        ("{{0 1 2.5}}", "cannot read '2.5}}'"),
        ("{{0 1 " + "9" * 500 + "}}", "cannot read '9999"),
        ("{{0 1 2}} \x00", "line 1: cannot read '\\\\x00'"),
        ("{{0 1 3}}", "the largest point is 3, but no degree has 4 lattice points"),
        (
            "{{0 1 " + "9" * 399 + "}}",
            r"point is 9{20}\.\.\. \(399 digits\), but no degree has 10{19}\.",
        ),
        ("w" * 999, r"unexpected word 'w{50,60}\.\.\."),
        ("{{0 1 " + "x" * 999, r"'x{50,60}\.\.\. inside brackets"),
        ("{{0 1 -5}}", "the largest point is 1, but no degree has 2 lattice points"),
    ],
)
def test_what_cannot_be_read_is_reported_with_its_line(text, message):
    if message is None:
        assert parse_text("f", text)
        return
    with pytest.raises(InputError, match=message) as caught:
        parse_text("f", text)
    assert len(str(caught.value)) < 300


@given(st.text(alphabet="{}[]()<>0123456789 ,;\n#:/-WEIGHTS_", max_size=60))
def test_any_text_is_either_read_or_refused_with_one_line(text):
    try:
        records = parse_text("f", text)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all({"degree", "triangles"} <= record.keys() for record in records)
