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


@pytest.mark.parametrize("kind", [InputError, BudgetExceeded, StoreError, InfrastructureError])
def test_every_error_is_one_line_of_the_tree(kind):
    error = kind("first\nsecond")
    assert isinstance(error, LatticeworkError)
    assert str(error) == "first second"


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
    assert [status.is_success for status in Status] == [True, False, False]
