import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.records import InputError
from tasks.records.parts import BATCH_ROWS, PartName, encode_item, serialize

TYPES = {
    "i": pa.int64(),
    "f": pa.float64(),
    "b": pa.bool_(),
    "s": pa.string(),
    "l": pa.list_(pa.int16()),
    "d": pa.dictionary(pa.int32(), pa.string()),
}
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.none() | st.integers(-(2**63), 2**63 - 1),
            "f": st.none() | st.floats(allow_nan=False),
            "b": st.none() | st.booleans(),
            "s": st.none() | st.text(),
            "l": st.none() | st.lists(st.integers(-99, 99), max_size=3),
            "d": st.none() | st.sampled_from(["u", "v"]),
        }
    ),
    min_size=1,
    max_size=12,
)


def _read(data: pa.Buffer) -> pa.Table:
    return pa.ipc.open_file(pa.BufferReader(data)).read_all()


@given(ROWS)
def test_rows_survive_the_way_through_a_part(rows):
    table = pa.Table.from_pylist(rows, pa.schema(TYPES))
    assert _read(serialize(table, {})).equals(table)


@given(ROWS, st.data())
def test_bytes_do_not_depend_on_chunks_and_offsets(rows, data):
    schema = pa.schema({name: kind for name, kind in TYPES.items() if name != "d"})
    table = pa.Table.from_pylist(rows, schema)
    cut = data.draw(st.integers(0, len(rows)))
    chunked = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    shifted = pa.concat_tables([table, table]).combine_chunks().slice(len(rows))
    assert serialize(chunked, {}) == serialize(table, {})
    assert serialize(shifted, {}) == serialize(table, {})


def test_bytes_do_not_depend_on_what_lies_beneath_nulls():
    validity = pa.py_buffer(bytes([0b101]))
    arrays = [
        pa.Array.from_buffers(pa.int64(), 3, [validity, pa.py_buffer(np.array(values).tobytes())])
        for values in ([1, 0, 3], [1, 99, 3])
    ]
    one, other = (serialize(pa.table({"x": array}), {}) for array in arrays)
    assert one == other


def test_metadata_is_exactly_what_the_run_gives_in_any_order():
    table = pa.table({"x": [1]}).replace_schema_metadata({"pandas": "no"})
    data = serialize(table, {"b": "2", "a": "1"})
    assert _read(data).schema.metadata == {b"a": b"1", b"b": b"2"}
    assert data == serialize(table, {"a": "1", "b": "2"})


def test_long_tables_are_cut_into_batches_independent_of_their_chunks():
    column = pa.array(np.arange(BATCH_ROWS + 1))
    data = serialize(pa.table({"x": column}), {})
    assert pa.ipc.open_file(pa.BufferReader(data)).num_record_batches == 2


@given(st.text(min_size=1, max_size=16))
def test_every_item_key_has_a_file_name_of_its_own_and_back(item):
    name = PartName.of("histogram", item)
    file = name.stem.removeprefix("histogram/")
    assert file.isascii()
    assert "/" not in file
    assert PartName.parse("histogram", file) == name


@given(st.text(min_size=1, max_size=16), st.integers(1, 999))
def test_attempts_are_told_from_item_keys(item, attempt):
    name = PartName("execution", item, attempt)
    assert PartName.parse("execution", name.stem.removeprefix("execution/")) == name


@pytest.mark.parametrize(
    ("item", "encoded"), [("7_fra", "7_fra"), ("a/b c~1", "a%2Fb%20c%7E1"), ("..", "..")]
)
def test_item_keys_are_percent_encoded(item, encoded):
    assert encode_item(item) == encoded


@pytest.mark.parametrize("item", ["", "x" * 201, "\ud800"])
def test_item_keys_without_a_file_name_are_refused(item):
    with pytest.raises(InputError, match="item key"):
        encode_item(item)


@pytest.mark.parametrize("stem", ["summary-a", "histogram-a~2", "histogram-a b", "histogram-%7a"])
def test_foreign_files_are_no_parts(stem):
    assert PartName.parse("histogram", stem) is None


def test_an_unnumbered_file_is_no_execution_part():
    assert PartName.parse("execution", "execution-a") is None
