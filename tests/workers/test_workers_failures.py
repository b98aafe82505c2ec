import pytest
import ray.exceptions

from tasks.records.errors import BudgetExceeded, InfrastructureError, InputError
from workers import Failure, WorkerOutOfMemory, classify
from workers.failures import INFRASTRUCTURE, UNLIMITED

RETRYABLE = [
    ray.exceptions.WorkerCrashedError(),
    ray.exceptions.ActorDiedError(),
    ray.exceptions.ActorUnavailableError("no answer", None),
    ray.exceptions.NodeDiedError("node 7 is gone"),
    ray.exceptions.LocalRayletDiedError(),
    ray.exceptions.RaySystemError("broken pipe"),
    ray.exceptions.ObjectLostError("00ff", None, ""),
    ray.exceptions.OwnerDiedError("00ff", None, ""),
    ConnectionResetError("peer went away"),
    ConnectionRefusedError(),
    InfrastructureError("the solver server is busy", retryable=True),
]
FINAL = [
    ray.exceptions.RuntimeEnvSetupError("no such folder"),
    ray.exceptions.TaskUnschedulableError("no node"),
    ray.exceptions.ActorUnschedulableError("no node"),
    ray.exceptions.RaySystemError(ModuleNotFoundError("No module named 'tasks'")),
    InfrastructureError("no solver licence", retryable=False),
]
SCIENCE = [
    ValueError("degree 0"),
    InputError("degree 0"),
    BudgetExceeded("too large"),
    OSError(28, "No space left on device"),
    MemoryError(),
]


@pytest.mark.parametrize("error", RETRYABLE, ids=lambda e: type(e).__name__)
def test_lost_workers_nodes_and_connections_are_worth_another_try(error):
    found = classify(error)
    assert found is not None and found.retryable
    assert Failure.of(error).useful_retries == UNLIMITED


@pytest.mark.parametrize("error", FINAL, ids=lambda e: type(e).__name__)
def test_broken_set_ups_are_infrastructure_but_final(error):
    failure = Failure.of(error)
    assert failure.kind == INFRASTRUCTURE
    assert not failure.retryable


@pytest.mark.parametrize("error", SCIENCE, ids=lambda e: type(e).__name__)
def test_exceptions_of_the_science_keep_their_class_and_are_final(error):
    assert classify(error) is None
    failure = Failure.of(error)
    assert failure.kind == type(error).__name__
    assert not failure.retryable


def test_out_of_memory_is_worth_one_more_try_only():
    error = ray.exceptions.OutOfMemoryError("memory 95 % used")
    assert isinstance(classify(error), WorkerOutOfMemory)
    assert Failure.of(error).useful_retries == 1


def test_message_is_one_line_and_names_the_cause():
    error = ray.exceptions.NodeDiedError("node 7 is gone\nmore\ndetail")
    message = Failure.of(error).message
    assert "\n" not in message
    assert "the node that ran the call was lost (NodeDiedError: node 7 is gone)" in message


def test_missing_project_on_a_node_says_what_to_do():
    error = ray.exceptions.RaySystemError(ModuleNotFoundError("No module named 'tasks'"))
    assert "install the project on every node" in Failure.of(error).message


def test_exception_without_text_is_described_by_its_class():
    assert Failure.of(ValueError()).message == "ValueError"


def test_traceback_names_the_place():
    def broken() -> None:
        raise ValueError("degree 0")

    with pytest.raises(ValueError, match="degree 0") as caught:
        broken()
    assert "in broken" in Failure.of(caught.value).traceback
