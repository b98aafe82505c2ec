import pickle

import pytest

from tasks.records import (
    BudgetExceeded,
    CorruptPartError,
    InfrastructureError,
    InputError,
    LatticeworkError,
    Status,
    StoreError,
)
from tasks.records.errors import abridged, printable, shortened


@pytest.mark.parametrize("kind", [InputError, BudgetExceeded, StoreError, InfrastructureError])
def test_every_error_is_one_line_of_the_tree(kind):
    error = kind("first\nsecond")
    assert isinstance(error, LatticeworkError)
    assert str(error) == "first second"


def test_an_error_can_be_printed_whatever_it_names():
    assert str(InputError("no file \ud800")) == "no file \\ud800"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, "7"),
        (10**59, "1" + "0" * 59),
        (-(10**398), "-1000000000000000000... (399 digits)"),
        pytest.param(10**5000, "an integer too large to show", id="integer"),
        pytest.param([10**5000], "a list too large to show", id="list"),
        ("x" * 58, repr("x" * 58)),
        pytest.param("x" * 10**6, "'" + "x" * 56 + "...", id="text"),
        ([1] * 100, "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,..."),
    ],
)
def test_long_values_are_shortened_in_messages(value, shown):
    assert shortened(value) == shown


def test_of_a_long_path_both_ends_are_shown():
    assert abridged("/short") == "/short"
    text = abridged("/first/" + "x" * 5000 + "/last")
    assert len(text) < 160
    assert text.startswith("/first/x")
    assert text.endswith("x/last")


def test_bad_input_is_a_value_error_and_a_corrupt_part_a_store_error():
    assert issubclass(InputError, ValueError)
    assert issubclass(CorruptPartError, StoreError)


@pytest.mark.parametrize(
    "error",
    [
        InputError("degree 0 is not allowed"),
        CorruptPartError("histogram/histogram-a.arrow", "sha256 differs from its sidecar"),
        InfrastructureError("a worker died", retryable=True),
    ],
)
def test_errors_survive_the_way_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_every_status_explains_itself_in_one_sentence():
    assert [status.value for status in Status] == ["ok", "failed", "over_budget"]
    assert all(status.explanation.endswith(".") for status in Status)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x² + é 中", "x² + é 中"),
        ("a\x1b[2J\r\n\tb\0", r"a\x1b[2J\r\n\tb\x00"),
        ("\u202eabc\ud800", r"\u202eabc\ud800"),
    ],
)
def test_what_moves_a_cursor_or_hides_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown
    assert str(LatticeworkError(f"a {shown}")) == f"a {shown}"
    assert str(LatticeworkError(text)).isprintable()
