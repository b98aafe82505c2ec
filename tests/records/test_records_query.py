"""SQL sees the run's tables and nothing else, and changes nothing."""

import pyarrow as pa
import pytest

from tasks.records import InputError
from tasks.records.query import query_tables

TABLES = {
    "histogram": pa.table(
        {
            "scheme": ["<1>", "<2>", "<2>"],
            "count": pa.array([1, 2**63, 2**64 - 1], pa.uint64()),
        }
    ),
    "summary": pa.table({"degree": [2]}),
}
outside = pa.table({"secret": [1]})


def test_every_table_is_a_view_of_its_name():
    answer = query_tables(TABLES, "SELECT h.scheme FROM histogram h, summary s WHERE s.degree = 2")
    assert answer["scheme"].to_pylist() == ["<1>", "<2>", "<2>"]


def test_64_bit_counts_stay_exact():
    answer = query_tables(TABLES, "SELECT max(count) AS m, sum(count) AS s FROM histogram")
    assert int(answer["m"][0].as_py()) == 2**64 - 1
    assert int(answer["s"][0].as_py()) == 2**63 + 2**64


@pytest.mark.parametrize("sql", ["SHOW TABLES", "DESCRIBE histogram", "FROM summary;"])
def test_tables_can_be_explored(sql):
    assert query_tables(TABLES, sql).num_rows > 0


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", "SQL: Parser Error"),
        ("SELECT nope FROM summary", "SQL: Binder Error"),
        ("SELECT * FROM nope", "nope does not exist"),
        ("SELECT CAST(scheme AS INT) FROM histogram", "SQL: Conversion Error"),
        ("", "only one SELECT"),
        ("SELECT 1; SELECT 2", "only one SELECT"),
        ("CREATE TABLE t (a INT)", "only one SELECT"),
        ("DELETE FROM summary", "only one SELECT"),
        ("DROP VIEW summary", "only one SELECT"),
        ("SET enable_external_access = true", "only one SELECT"),
        ("SELECT * FROM outside", "outside does not exist"),
    ],
)
def test_anything_else_is_refused_in_one_line(sql, message):
    with pytest.raises(InputError) as caught:
        query_tables(TABLES, sql)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM read_text('{path}')", "SELECT * FROM '{path}'", "ATTACH '{path}' AS f"]
)
def test_a_query_reads_no_file(tmp_path, sql):
    path = tmp_path / "private.csv"
    path.write_text("a\n1\n")
    with pytest.raises(InputError):
        query_tables(TABLES, sql.format(path=path))


def test_a_query_writes_no_file(tmp_path):
    target = tmp_path / "stolen.csv"
    with pytest.raises(InputError):
        query_tables(TABLES, f"COPY histogram TO '{target}'")
    assert not target.exists()
