"""Tables that fit a terminal."""

from io import StringIO

from rich.console import Console

from flows.sheets import Sheet


def shown(*parts):
    """Lines of a terminal of 80 columns."""
    console = Console(file=StringIO(), width=80)
    for part in parts:
        console.print(part)
    return console.file.getvalue().splitlines()


def test_a_sheet_reads_the_same_in_the_terminal_and_as_markdown():
    sheet = Sheet("title", ("word", "number"), 1, (("a", "1"), ("b", "22")))
    assert sheet.markdown().splitlines()[2:] == [
        "| word | number |",
        "| --- | ---: |",
        "| a | 1 |",
        "| b | 22 |",
    ]
    rows = [row.split() for row in shown(sheet)]
    assert ["word", "number"] in rows and ["b", "22"] in rows


def test_a_narrow_table_is_continued_with_its_keys():
    rows = [
        row.split() for row in shown(Sheet("t", ("k", *"abc"), 1, (("x", *["n" * 30] * 3),), 1))
    ]
    assert [row for row in rows if row and row[0] == "k"] == [["k", "a", "b"], ["k", "c"]]
    assert [len(row) for row in rows if row and row[0] == "x"] == [3, 2]


def test_of_two_columns_of_words_the_first_becomes_lines_of_its_own():
    rows = (("cell a", "one", "1"), ("cell a", "two", "2"), ("cell b", "one", "3"))
    found = [row.split() for row in shown(Sheet("t", ("cell", "method", "s"), 2, rows))]
    start = found.index(["cell", "a"])
    assert found[start - 2] == ["method", "s"]
    assert found[start:][:5] == [
        ["cell", "a"],
        ["one", "1"],
        ["two", "2"],
        ["cell", "b"],
        ["one", "3"],
    ]


def test_numbers_stand_right_and_text_is_no_markup():
    rows = (("c", "m", "7 [bold]"), ("c", "n", "12345678901"))
    found = shown(Sheet("t", ("cell", "method", "share"), 2, rows))
    [first] = [row for row in found if "7 [bold]" in row]
    [second] = [row for row in found if "12345678901" in row]
    assert first.index("]") == second.rindex("1")
