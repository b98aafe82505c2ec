import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polynomial_strategies import polynomials

from tasks.records import InputError
from tasks.sos import (
    Polynomial,
    PolynomialEntry,
    load_polynomials,
    parse_polynomial,
    write_polynomials_json,
)
from tasks.sos.polynomials import _records as records

OBJECT = {"variables": ["x", "y"], "exponents": [[2, 0], [0, 2]], "coefficients": ["1", "3/2"]}
POLYNOMIAL = parse_polynomial("x^2 + 3/2*y^2")


def written(folder, content, name="stem.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


# --- built-in ---------------------------------------------------------------------------------


def test_the_benchmarks_are_fifty_polynomials_without_a_problem():
    entries = load_polynomials(["benchmarks"])
    assert len(entries) == len({entry.name for entry in entries}) == 50
    assert [entry.problem for entry in entries] == [""] * 50
    for entry in entries:
        assert entry.polynomial.degree == entry.known["degree"]
        assert isinstance(entry.known["is_sos"], bool)


def test_the_known_minimizers_of_the_benchmarks_attain_the_known_minima():
    checked = 0
    for entry in load_polynomials(["benchmarks"]):
        minimum, point = entry.known["known_global_min"], entry.known["known_minimizer"]
        if isinstance(minimum, int | float) and isinstance(point, list):
            checked += 1
            value = float(entry.polynomial.evaluate_floats(np.array(point, dtype=float)))
            # The file gives minimizers to about six digits.
            assert value == pytest.approx(minimum, abs=1e-4, rel=1e-4), entry.name
    assert checked >= 20


@pytest.mark.parametrize("text", ["motzkin", "benchmarks#motzkin"])
def test_a_benchmark_is_named_with_or_without_its_file(text):
    [entry] = load_polynomials([text])
    assert entry.polynomial == parse_polynomial("x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1")
    assert (entry.name, entry.known["is_sos"]) == ("motzkin", False)


# --- texts and names --------------------------------------------------------------------------


def test_a_text_is_named_by_itself():
    short, long = load_polynomials(["x^2 +\n 1", "+".join(["x"] * 100)])
    assert (short.name, short.polynomial) == ("x^2 + 1", parse_polynomial("x^2 + 1"))
    assert len(long.name) == 60 and long.name.endswith("...")


def test_repeated_names_are_numbered(tmp_path):
    rows = [{**OBJECT, "name": name} for name in ("a", "a", "a#2", "a", "b")]
    path = written(tmp_path, rows)
    names = [entry.name for entry in load_polynomials([path, f"{path}#b", "motzkin", "motzkin"])]
    assert names == ["a", "a#2", "a#2#2", "a#3", "b", "b#2", "motzkin", "motzkin#2"]


def test_a_name_selects_from_a_file_even_with_a_hash_in_either(tmp_path):
    path = written(tmp_path, [{**OBJECT, "name": "a#1"}, {"text": "x", "name": "b"}], "f#g.json")
    [entry] = load_polynomials([f"{path}#a#1"])
    assert entry.polynomial == POLYNOMIAL
    with pytest.raises(InputError, match="has no polynomial 'c'; it has a#1, b"):
        load_polynomials([f"{path}#c"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("motzkn", "unknown polynomial 'motzkn': did you mean 'motzkin'"),
        ("benchmark", "did you mean 'benchmarks'"),
        ("benchmarks#motzkn", "benchmarks has no polynomial 'motzkn'; did you mean 'motzkin'"),
        ("x +", "'x \\+' is neither a file nor a polynomial: expected a number"),
        ("", "'' is no polynomial"),
        (" ", "is no polynomial"),
        ("#", "neither a file nor a polynomial"),
        ("\0", "neither a file nor a polynomial"),
        (None, "None is no polynomial"),
        (["x"], "is no polynomial"),
        ("missing.json", "no such file: missing.json"),
        ("missing.arrow#a", "no such file: missing.arrow"),
        ("file:///missing.json", "cannot read file:///missing.json: No such file"),
        ("unknown://x.json", "cannot read unknown://x.json"),
        ("/" * 5000, "is not a file|neither a file"),
        ("nofile", "'nofile' is neither a file nor a known polynomial; .* write 1\\*nofile"),
        ("my_file2", "'my_file2' is neither a file nor a known polynomial"),
    ],
)
def test_what_is_no_input_is_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        load_polynomials([text])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["x", "x1", "x_12", "_", "1*nofile", "nofile + 1", "7"])
def test_short_variables_numbers_and_expressions_are_polynomials(text):
    [entry] = load_polynomials([text])
    assert entry.polynomial == parse_polynomial(text)


def test_a_single_string_is_no_list_of_inputs():
    with pytest.raises(InputError, match="give a list of inputs"):
        load_polynomials("x^2")


# --- formats ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (OBJECT, ["stem"]),
        ([OBJECT], ["stem"]),
        ({"polynomials": [OBJECT]}, ["stem"]),
        ({"polynomials": [OBJECT, {**OBJECT, "name": "b"}, OBJECT]}, ["stem-1", "b", "stem-3"]),
        ({"text": "x^2 + 3/2*y^2", "name": "t"}, ["t"]),
        ({"text": "3/2*y^2 + x^2", "variables": ["x", "y"], "name": None}, ["stem"]),
        (["x^2 + 3/2*y^2"], ["stem"]),
        ({**OBJECT, "coefficients": [1, 1.5]}, ["stem"]),
        ({**OBJECT, "exponents": [[0, 2], [2, 0]], "coefficients": ["1.5", 1]}, ["stem"]),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".txt", ""])
def test_every_json_shape_is_read(tmp_path, content, names, suffix):
    entries = load_polynomials([written(tmp_path, content, f"stem{suffix}")])
    assert [entry.name for entry in entries] == names
    assert all(entry.polynomial == POLYNOMIAL for entry in entries)


def test_a_text_file_has_one_polynomial_per_line(tmp_path):
    path = written(tmp_path, "\ufeff# two\nx^2 + 3/2*y^2  # this\n\n \nx y\n", "f.txt")
    good, bad = load_polynomials([path])
    assert (good.name, good.polynomial) == ("f-1", POLYNOMIAL)
    assert (bad.name, bad.polynomial) == ("f-2", None)
    assert "position 3" in bad.problem


def test_decimals_in_json_are_taken_as_written(tmp_path):
    row = {"variables": ["x"], "exponents": [[1], [0]], "coefficients": [0.1, 1e-7]}
    [entry] = load_polynomials([written(tmp_path, row)])
    assert str(entry.polynomial) == "1/10*x + 1/10000000"
    long = '{"variables": ["x"], "exponents": [[1]], "coefficients": [0.10000000000000000000001]}'
    [entry] = load_polynomials([written(tmp_path, long)])
    assert str(entry.polynomial.coefficients[0].p) == "10000000000000000000001"


def test_numbers_of_any_length_are_read(tmp_path):
    digits = "1" + "0" * 5000
    content = f'{{"variables": ["x"], "exponents": [[1]], "coefficients": [{digits}]}}'
    [entry] = load_polynomials([written(tmp_path, content)])
    assert entry.polynomial.coefficient((1,)) == parse_polynomial("10^5000").coefficients[0]


@pytest.mark.parametrize(
    "column", [pa.array([["1", "3/2"]]), pa.array([[1.0, 1.5]]), pa.array([["1.0", "1.5"]])]
)
@pytest.mark.parametrize("opener", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_files_and_streams_are_read(tmp_path, column, opener):
    table = pa.table(
        {
            "variables": [["x", "y"]],
            "exponents": [[[2, 0], [0, 2]]],
            "coefficients": column,
            "is_sos": [True],
            "note": pa.array([None], pa.string()),
        }
    )
    path = tmp_path / "f.arrow"
    with opener(str(path), table.schema) as writer:
        writer.write_table(table)
    [entry] = load_polynomials([str(path)])
    assert entry == PolynomialEntry("f", POLYNOMIAL, known={"is_sos": True})


def test_a_local_uri_is_read(tmp_path):
    uri = (tmp_path / "stem.json").as_uri()
    written(tmp_path, {**OBJECT, "name": "a"})
    assert load_polynomials([uri]) == load_polynomials([f"{uri}#a"])


# --- wrong files and wrong polynomials --------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (5, "5 is no polynomial: expected"),
        (None, "None is no polynomial: expected"),
        ([1], "is no polynomial: expected"),
        ({}, "missing: variables, exponents, coefficients"),
        ({**OBJECT, "exponents": None}, "missing: exponents"),
        ({"text": 5}, "5 is no text"),
        ({"text": ""}, "the text is empty"),
        ({"text": "x^2 +"}, "at the end of 'x\\^2 \\+'"),
        ({"text": "x", "variables": ["y"]}, "unknown variable 'x'"),
        ({"text": "x", "exponents": [[1]]}, "both text and exponents"),
        ({**OBJECT, "variables": ["x", "x"]}, "'x' is given twice"),
        ({**OBJECT, "variables": "xy"}, "give a list of names"),
        ({**OBJECT, "variables": ["x"]}, "do not fit 2 coefficients and 1 variables"),
        ({**OBJECT, "exponents": [[2, 0], [0, -2]]}, "-2 is none"),
        ({**OBJECT, "exponents": [[2, 0], [0, 0.5]]}, "0.5 is none"),
        ({**OBJECT, "exponents": [[2, 0], [0]]}, "no list of rows"),
        ({**OBJECT, "exponents": {"a": 1}}, "shape"),
        ({**OBJECT, "exponents": [[2, 0], [0, 20000]]}, "the degree is 20000: at most 10000"),
        ({**OBJECT, "exponents": [[2, 0], [0, 10**4200]]}, "is none"),
        ({**OBJECT, "coefficients": {"a": 1}}, "are no list"),
        ({**OBJECT, "coefficients": "12"}, "are no list"),
        ({**OBJECT, "coefficients": [1]}, "1 coefficients"),
        ({**OBJECT, "coefficients": [1, True]}, "True is no rational number"),
        ({**OBJECT, "coefficients": [1, None]}, "None is no rational number"),
        ({**OBJECT, "coefficients": [1, float("nan")]}, "nan is no rational number"),
        ({**OBJECT, "coefficients": [1, float("inf")]}, "inf is no rational number"),
        ({**OBJECT, "coefficients": [1, "1/0"]}, "denominator 0"),
        ({**OBJECT, "coefficients": [1, "one"]}, "'one' is no rational number"),
        ({**OBJECT, "name": 7}, "the name 7 is no text"),
        ({**OBJECT, "name": "a\ud800"}, r"the name 'a\\ud800' is no text"),
    ],
    ids=range(30),
)
def test_a_bad_polynomial_is_an_entry_with_a_problem(tmp_path, row, problem):
    path = written(tmp_path, [row, {**OBJECT, "name": "good"}])
    bad, good = load_polynomials([path])
    assert (bad.name, bad.polynomial) == ("stem-1", None)
    with pytest.raises(InputError, match=problem):
        raise InputError(bad.problem)
    assert "\n" not in bad.problem and len(bad.problem) < 400
    assert good.polynomial == POLYNOMIAL


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"# only a comment", "holds no polynomial"),
        (b"[]", "holds no polynomial"),
        (b'{"polynomials": []}', "holds no polynomial"),
        (b"{}", "wrong shape"),
        (b'{"a": 1}', "wrong shape"),
        (b'{"polynomials": {"a": 1}}', "wrong shape"),
        (b'{"polynomials": 5}', "wrong shape"),
        (b'{"polynomials": [', "is not JSON: Expecting value at line 1, column 18"),
        (b"[" * 100_000, "nests too deeply"),
        (b'[{"text": "x", "name": "a", "text": "y"}]', "has the key 'text' twice"),
        (b"\xff\xfe\x80", "neither text in UTF-8 nor an Arrow file \\(byte 0\\)"),
        (b"x\0" * 100, "is no text: it holds null characters"),
        (b"ARROW1" + bytes(range(200)), "not a readable Arrow IPC file"),
    ],
    ids=range(15),
)
@pytest.mark.parametrize("suffix", ["", ".txt"])
def test_an_unreadable_file_is_refused_in_one_line(tmp_path, content, message, suffix):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_polynomials([str(path)])
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=400))
def test_binary_noise_is_refused_or_gives_entries(tmp_path_factory, noise):
    folder = tmp_path_factory.mktemp("noise")
    for name in ("a", "a.json", "a.arrow"):
        (folder / name).write_bytes(noise)
        try:
            entries = load_polynomials([str(folder / name)])
        except InputError:
            continue
        assert all((entry.polynomial is None) == bool(entry.problem) for entry in entries)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"text": ["x^2"], "when": pa.array([2**62], pa.timestamp("s"))}, "not a readable"),
        ({"text": ["x^2"], "when": pa.array([0], pa.timestamp("ns", "Nowhere/Zone"))}, "Nowhere"),
    ],
)
def test_columns_that_python_cannot_hold_are_refused_in_one_line(tmp_path, columns, reason):
    path = tmp_path / "a.arrow"
    table = pa.table(columns)
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    with pytest.raises(InputError, match=reason):
        load_polynomials([str(path)])


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "a.arrow"
    table = pa.table([["x^2"], ["y^2"]], names=["text", "text"])
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    with pytest.raises(InputError, match="has the column text twice"):
        load_polynomials([str(path)])


@pytest.mark.parametrize("text", ["nan", "inf", "Infinity"])
def test_a_float_that_is_no_number_is_said_to_be_none(text):
    with pytest.raises(InputError, match=f"'{text}' is no rational number"):
        load_polynomials([text])


def test_a_damaged_arrow_file_is_refused(tmp_path):
    path = tmp_path / "a.arrow"
    table = pa.table({"name": ["a", "b"], "text": ["x^2", "y^4 + 1"]})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    data = path.read_bytes()
    for size in range(6, len(data), len(data) // 20):
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match="not a readable Arrow IPC file"):
            load_polynomials([str(path)])


def test_arrow_files_with_other_columns_are_refused(tmp_path):
    path = tmp_path / "a.arrow"
    table = pa.table({"degree": [2]})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match="has the columns degree; needed are text, or variables"):
        load_polynomials([str(path)])


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        load_polynomials([str(tmp_path)])


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path, OBJECT)

    def deny(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", deny)
    with pytest.raises(InputError, match=r"cannot read .*: Permission denied"):
        load_polynomials([path])


def test_files_beyond_the_limit_are_refused(tmp_path, monkeypatch):
    path = written(tmp_path, OBJECT)
    monkeypatch.setattr(records, "MAX_FILE_BYTES", Path(path).stat().st_size - 1)
    with pytest.raises(InputError, match="is larger than"):
        load_polynomials([path])


# --- writing ----------------------------------------------------------------------------------

KNOWN = st.dictionaries(
    st.sampled_from(["is_sos", "note", "sizes"]),
    st.booleans() | st.text(max_size=5) | st.floats(allow_nan=False) | st.lists(st.integers()),
)


@given(rows=st.lists(st.tuples(polynomials(), KNOWN), min_size=1, max_size=4))
def test_written_entries_are_read_back(tmp_path_factory, rows):
    entries = [PolynomialEntry(f"p{i}", p, known=known) for i, (p, known) in enumerate(rows)]
    path = tmp_path_factory.mktemp("written") / "file.json"
    write_polynomials_json(path, entries)
    assert load_polynomials([str(path)]) == entries


def test_the_benchmarks_survive_writing_and_pickling(tmp_path):
    entries = load_polynomials(["benchmarks"])
    write_polynomials_json(tmp_path / "b.json", entries)
    assert load_polynomials([str(tmp_path / "b.json")]) == entries
    assert pickle.loads(pickle.dumps(entries)) == entries


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(InputError, match="'bad' cannot be written: it is wrong"):
        write_polynomials_json(tmp_path / "f", [PolynomialEntry("bad", None, "it is wrong")])
    with pytest.raises(InputError, match="known fields cannot be written"):
        write_polynomials_json(
            tmp_path / "f", [PolynomialEntry("a", POLYNOMIAL, known={"k": object()})]
        )
    assert not (tmp_path / "f").exists()
    with pytest.raises(InputError, match="cannot write"):
        write_polynomials_json(tmp_path / "no" / "f", [PolynomialEntry("a", POLYNOMIAL)])


def test_hundred_thousand_terms_are_written_and_read(tmp_path):
    rows = np.random.default_rng(0).integers(0, 20, (100_000, 6))
    p = Polynomial.from_arrays([f"x{i}" for i in range(6)], rows, range(1, 100_001))
    write_polynomials_json(tmp_path / "p.json", [PolynomialEntry("p", p)])
    [entry] = load_polynomials([str(tmp_path / "p.json")])
    assert entry.polynomial == p
