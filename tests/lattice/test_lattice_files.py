import json

import pyarrow as pa
import pytest
from commands import run_python
from hypothesis import given
from hypothesis import strategies as st
from strategies import regular_triangulations, triangulations

from tasks.lattice import (
    InvalidTriangulation,
    builtin_names,
    honeycomb,
    load_triangulations,
    write_triangulations_json,
)
from tasks.lattice import _formats as formats
from tasks.records.errors import InputError

OBJECT = {"degree": 2, "triangles": [[0, 3, 1], [3, 1, 4], [1, 4, 2], [3, 5, 4]]}
WEIGHTS = [0, 1, 4, 1, 3, 4]


def test_builtin_names_are_the_published_ones():
    assert set(builtin_names()) == {
        *(f"{d}_honeycomb" for d in range(2, 9)),
        *("6_bat", "6_moth", "7_fra", "7_spl", "7_cen"),
    }


@pytest.mark.parametrize("degree", range(2, 9))
def test_builtin_honeycombs_equal_the_generated_ones(degree):
    assert load_triangulations([f"{degree}_honeycomb"]) == [honeycomb(degree)]


def test_honeycombs_of_other_degrees_are_generated():
    [made] = load_triangulations(["60_honeycomb"])
    assert (made.name, made.degree) == ("60_honeycomb", 60)


@pytest.mark.parametrize("degree", [0, 61, -1, 123456789])
def test_honeycombs_outside_1_to_60_are_refused(degree):
    with pytest.raises(InputError, match=f"degree {degree} is not allowed"):
        load_triangulations([f"{degree}_honeycomb"])


def test_order_of_the_references_is_kept(tmp_path):
    path = tmp_path / "two.json"
    path.write_text(json.dumps({"z": OBJECT, "a": OBJECT}))
    names = [T.name for T in load_triangulations(["7_fra", str(path), "6_bat"])]
    assert names == ["7_fra", "z", "a", "6_bat"]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (OBJECT, ["stem"]),
        ({**OBJECT, "name": "mine"}, ["mine"]),
        ([OBJECT], ["stem"]),
        ([OBJECT, OBJECT], ["stem-1", "stem-2"]),
        ([OBJECT, {**OBJECT, "name": "b", "weights": None}], ["stem-1", "b"]),
        ({"a": OBJECT, "b": {**OBJECT, "weights": WEIGHTS}}, ["a", "b"]),
        ({"a": {**OBJECT, "name": "other"}}, ["other"]),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".txt", ""])
def test_every_json_shape_is_read(tmp_path, content, names, suffix):
    path = tmp_path / f"stem{suffix}"
    path.write_text(json.dumps(content))
    loaded = load_triangulations([str(path)])
    assert [T.name for T in loaded] == names
    assert all(T.triangles.tolist() == honeycomb(2).triangles.tolist() for T in loaded)


@given(st.lists(regular_triangulations() | triangulations(), max_size=4))
def test_written_json_is_read_back(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("json") / "file.json"
    named = [T.with_name(f"t{i}") for i, T in enumerate(made)]
    write_triangulations_json(path, named)
    if made:
        loaded = load_triangulations([str(path)])
        assert loaded == named
        assert [T.name for T in loaded] == [T.name for T in named]


@pytest.mark.parametrize("writer", [pa.ipc.new_file, pa.ipc.new_stream])
@pytest.mark.parametrize("triple", [pa.list_(pa.int32()), pa.list_(pa.uint8(), 3)])
def test_arrow_files_and_streams_are_read(tmp_path, writer, triple):
    table = pa.table(
        {
            "name": ["a", None],
            "degree": pa.array([2, 2], pa.int8()),
            "triangles": pa.array([OBJECT["triangles"]] * 2, pa.list_(triple)),
            "weights": pa.array([WEIGHTS, None], pa.list_(pa.int64())),
            "comment": ["x", "y"],
        }
    )
    path = tmp_path / "some.arrow"
    with writer(str(path), table.schema) as sink:
        sink.write_table(table)
    loaded = load_triangulations([str(path)])
    assert [(T.name, T.weights) for T in loaded] == [("a", tuple(WEIGHTS)), ("some-2", None)]


@pytest.mark.parametrize("kept", [slice(6), slice(200), slice(-1), slice(1, None)])
def test_a_damaged_arrow_file_is_refused(tmp_path, kept):
    table = pa.table({"degree": [2], "triangles": [OBJECT["triangles"]]})
    path = tmp_path / "bad.arrow"
    with pa.ipc.new_file(str(path), table.schema) as sink:
        sink.write_table(table)
    path.write_bytes(path.read_bytes()[kept])
    with pytest.raises(InputError, match=r"bad.arrow is not a readable Arrow IPC file"):
        load_triangulations([str(path)])


def test_an_arrow_file_without_the_columns_lists_its_own(tmp_path):
    path = tmp_path / "other.arrow"
    table = pa.table({"a": [1]})
    with pa.ipc.new_file(str(path), table.schema) as sink:
        sink.write_table(table)
    with pytest.raises(InputError, match="has the columns a; needed are degree and triangles"):
        load_triangulations([str(path)])


def test_a_hash_mark_selects_one_triangulation_of_a_file(tmp_path):
    path = tmp_path / "many.json"
    path.write_text(json.dumps({"a": OBJECT, "b": OBJECT}))
    assert [T.name for T in load_triangulations([f"{path}#b"])] == ["b"]
    with pytest.raises(InputError, match="has no triangulation 'c'; it has a, b"):
        load_triangulations([f"{path}#c"])


def test_a_file_whose_own_name_has_a_hash_mark_is_read_whole(tmp_path):
    path = tmp_path / "odd#name.json"
    path.write_text(json.dumps({"a": OBJECT, "b": OBJECT}))
    assert len(load_triangulations([str(path)])) == 2


def test_a_file_uri_is_read_like_the_path(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(json.dumps(OBJECT))
    assert load_triangulations([path.as_uri()]) == load_triangulations([str(path)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bad.json is empty: expected one object"),
        (b" \n ", "bad.json is empty"),
        (b"{}", "bad.json holds no triangulation"),
        (b"[]", "bad.json holds no triangulation"),
        (b"7", "bad.json has the wrong shape: expected one object"),
        (b'"x"', "bad.json has the wrong shape"),
        (b"[[0, 1, 2]]", "bad.json has the wrong shape"),
        (b'{"a": 1}', "bad.json has the wrong shape at 'a': expected one object"),
        (b'{"a": {"degree": 2}}', "bad.json has the wrong shape"),
        (b'{"triangles": [[0, 1, 2]]}', "bad.json has the wrong shape"),
        (b'{"degree": 1, "triangles": [[0, 1, 2]], "name": 7}', "name 7 is not a string"),
        (b'{"degree": "1", "triangles": [[0, 1, 2]]}', "bad.json, bad: degree '1' is not allowed"),
        (b'{"degree": 0, "triangles": [[0, 1, 2]]}', "bad.json, bad: degree 0 is not allowed"),
        (
            b'{"degree": 1, "triangles": [[0, 1, 2]], "name": {"a": "' + b"b" * 999 + b'"}}',
            r"name {'a': 'b+\.\.\. is not a string",
        ),
        (b'{"' + b"b" * 999 + b'": 1}', r"wrong shape at 'b+\.\.\.: expected"),
        (
            b'{"' + b"b" * 999 + b'": {"degree": 0, "triangles": 1}}',
            r"b\.\.\.b+: degree 0 is not",
        ),
        (b'{"degree": 2,', "bad.json is not JSON: .* at line 1, column 14"),
        (b"[" * 100_000, "bad.json is not"),
        (b"[" + b"9" * 10_000 + b"]", "bad.json is not a file of triangulations"),
        (bytes(range(256)), r"bad.json is neither text in UTF-8 nor an Arrow file \(byte 128\)"),
        (b"\x89PNG\r\n\x1a\n", r"neither text in UTF-8 nor an Arrow file \(byte 0\)"),
        (b"\x00\x01\x02", "bad.json is not JSON"),
    ],
)
def test_files_of_the_wrong_shape_give_one_clear_line(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_triangulations([str(path)])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@given(st.binary(min_size=1, max_size=200), st.sampled_from(["noise.json", "noise.arrow", "noise"]))
def test_noise_is_refused_and_never_crashes(tmp_path_factory, content, name):
    path = tmp_path_factory.mktemp("noise") / name
    path.write_bytes(content)
    with pytest.raises(InputError):
        load_triangulations([str(path)])


def test_an_invalid_triangulation_is_named_with_its_file(tmp_path):
    path = tmp_path / "wrong.json"
    triangles = [[0, 2, 3], [2, 3, 4], [3, 4, 5]]
    path.write_text(json.dumps({"coarse": {"degree": 2, "triangles": triangles}}))
    with pytest.raises(InvalidTriangulation, match=r"wrong.json, coarse: not unimodular: triangle"):
        load_triangulations([str(path)])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no/such/file.json", "no such file: no/such/file.json"),
        ("missing.json#a", "no such file: missing.json"),
        ("7_frah", "unknown triangulation '7_frah': did you mean '7_fra'. known are 2_honeycomb"),
        ("zebra", "unknown triangulation 'zebra': known are .*<degree>_honeycomb, and paths"),
        ("#a", "unknown triangulation '#a'"),
        ("", "'' is no triangulation"),
        (7, "7 is no triangulation: give a name or the path of a file"),
        ("x" * 5000, "unknown triangulation"),
        ("a\0b", "unknown triangulation"),
        ("\ud800", "unknown triangulation"),
        ("/\ud800", "no such file: /"),
        ("/x" * 5000, r"no such file: /x.*\.\.\./x"),
        ("file:///a\0b", "holds a null character"),
        ("file:///a%00b", "holds a null character"),
        ("file:///\ud800", "is no Unicode text"),
        ("file:///%ff", "cannot read file:///%ff: its path is no text"),
        ("file://" + "/x" * 5000, "cannot read file:///x.*: File name too long"),
        ("nosuch://" + "x" * 5000, r"cannot read nosuch://x+\.\.\.x+: "),
        ("nosuch://bucket/x.json", "cannot read nosuch://bucket/x.json"),
        ("file:///no/such.json", "cannot read file:///no/such.json"),
    ],
)
def test_unknown_references_give_one_clear_line(reference, message):
    with pytest.raises(InputError, match=message) as caught:
        load_triangulations([reference])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).encode()) < 500


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a file: give the path of"):
        load_triangulations([str(tmp_path)])


def test_one_string_instead_of_a_list_is_refused():
    with pytest.raises(InputError, match=r"give a list of triangulations, such as \['7_fra'\]"):
        load_triangulations("7_fra")


def test_a_file_beyond_the_size_limit_is_refused_without_reading_it_all(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "huge.json"
    path.write_bytes(b" " * 2000)
    with pytest.raises(InputError, match=r"huge.json is larger than"):
        load_triangulations([str(path)])


def test_two_triangulations_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"7_fra": OBJECT}))
    with pytest.raises(InputError, match=r"'7_fra' and '.*a.json' both give .* called '7_fra'"):
        load_triangulations(["7_fra", str(path)])
    with pytest.raises(InputError, match="'7_fra' gives two triangulations called '7_fra'"):
        load_triangulations(["7_fra", "7_fra"])


def test_unknown_keys_are_ignored_with_a_warning(tmp_path, caplog):
    path = tmp_path / "extra.json"
    path.write_text(json.dumps({**OBJECT, "weigths": WEIGHTS}))
    assert load_triangulations([str(path)])[0].weights is None
    assert "ignored the keys weigths" in caplog.text


def test_writing_refuses_equal_names_and_unwritable_paths(tmp_path):
    with pytest.raises(InputError, match="two triangulations are called '2_honeycomb'"):
        write_triangulations_json(tmp_path / "x.json", [honeycomb(2), honeycomb(2)])
    with pytest.raises(InputError, match=r"cannot write .*: Is a directory"):
        write_triangulations_json(tmp_path, [honeycomb(2)])


def test_importing_the_package_loads_no_solver_and_no_hull_code():
    code = "import sys, tasks.lattice; print(sorted({'scipy', 'numba'} & set(sys.modules)))"
    assert run_python("-c", code).stdout == "[]\n"
