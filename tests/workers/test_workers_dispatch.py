"""Dispatch on executors that need no Ray: the serial one, and one that follows a script."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.records.errors import InfrastructureError, InputError
from workers import (
    Failure,
    Progress,
    ResourceProfile,
    SerialExecutor,
    WorkItem,
    fan_out,
    map_batches,
)
from workers.calls import Call, CallReport, device_name, gpu_models, perform
from workers.executors import SerialCalls
from workers.failures import INFRASTRUCTURE, UNLIMITED

from worker_functions import (  # isort: skip
    disconnect_always,
    disconnect_once,
    exceed_budget,
    fail_on_three,
    hold_memory,
    leave_interpreter,
    refuse_for_good,
    square,
)

CRASH = Failure(INFRASTRUCTURE, "the worker process died", useful_retries=UNLIMITED)
OUT_OF_MEMORY = Failure(INFRASTRUCTURE, "the node ran out of memory", useful_retries=1)


class ScriptedExecutor(SerialExecutor):
    """Finishes calls in a random order and loses those that `losses` names, in that order."""

    def __init__(self, seed: int = 0, losses: dict[str, list[Failure]] | None = None) -> None:
        self.random = random.Random(seed)
        self.losses = losses or {}
        self.able = True
        self.stalled = False
        self.cancelled: list[int] = []
        self.warm: list[bool] = []

    def slots(self, profile: ResourceProfile) -> int:
        return 3

    def check(self, profile: ResourceProfile) -> None:
        if not self.able:
            raise InfrastructureError("no node has a GPU")

    def calls(
        self,
        function: Callable[..., Any],
        *,
        profile: ResourceProfile,
        warm: bool,
        shared: Mapping[str, Any],
    ) -> SerialCalls:
        self.warm.append(warm)
        return ScriptedCalls(self, function, shared)


class ScriptedCalls(SerialCalls):
    def __init__(
        self, script: ScriptedExecutor, function: Callable[..., Any], shared: Mapping[str, Any]
    ) -> None:
        super().__init__(function, shared)
        self.script = script

    def wait(self, timeout_seconds: float) -> list[int]:
        handles, script = list(self._calls), self.script
        return (
            []
            if script.stalled
            else script.random.sample(handles, script.random.randint(1, len(handles)))
        )

    def collect(self, handle: int) -> CallReport | Failure:
        losses = self.script.losses.get(self._calls[handle].key)
        if losses:
            self._calls.pop(handle)
            return losses.pop(0)
        return super().collect(handle)

    def close(self) -> None:
        self.script.cancelled += self._calls
        super().close()


def numbered(count: int) -> list[WorkItem]:
    return [WorkItem(str(n), n) for n in range(count)]


@pytest.fixture(params=[SerialExecutor, ScriptedExecutor])
def executor(request) -> SerialExecutor:
    return request.param()


def test_every_item_becomes_one_outcome(executor):
    outcomes = list(map_batches(square, numbered(20), executor=executor))
    assert {outcome.key: outcome.value for outcome in outcomes} == {
        str(n): n * n for n in range(20)
    }
    assert all(outcome.ok and outcome.attempts == 1 for outcome in outcomes)


@given(
    count=st.integers(0, 30),
    window=st.integers(1, 8),
    seed=st.integers(0, 10**6),
    crashes=st.dictionaries(st.integers(0, 29).map(str), st.integers(1, 2), max_size=5),
)
@settings(deadline=None)
def test_ordered_outcomes_follow_the_input_and_stay_within_the_window(count, window, seed, crashes):
    executor = ScriptedExecutor(seed, {key: [CRASH] * times for key, times in crashes.items()})
    taken: list[int] = []
    items = (WorkItem(str(n), taken.append(n) or n) for n in range(count))
    received = []
    for outcome in map_batches(
        square, items, executor=executor, ordered=True, max_in_flight=window, retries=2
    ):
        assert len(taken) - len(received) <= window + 1  # the one in hand is not in flight
        received.append(outcome.key)
    assert received == [str(n) for n in range(count)]


def test_endless_input_is_consumed_lazily(executor):
    taken: list[int] = []

    def endless() -> Iterator[WorkItem]:
        for n in itertools.count():
            taken.append(n)
            yield WorkItem(str(n), n)

    outcomes = map_batches(square, endless(), executor=executor, max_in_flight=4)
    for received in range(1, 50):
        next(outcomes)
        assert len(taken) - received <= 4


def test_exception_of_the_science_is_an_outcome_and_the_others_go_on(executor):
    outcomes = {o.key: o for o in map_batches(fail_on_three, numbered(6), executor=executor)}
    assert len(outcomes) == 6
    error = outcomes["3"].error
    assert error is not None
    assert (error.kind, error.message) == ("ValueError", "three is not allowed")
    assert "fail_on_three" in error.traceback
    assert outcomes["3"].attempts == 1
    assert sum(outcome.ok for outcome in outcomes.values()) == 5


def test_budget_exceeded_keeps_its_class_name(executor):
    (outcome,) = map_batches(exceed_budget, numbered(1), executor=executor)
    assert outcome.error is not None
    assert outcome.error.kind == "BudgetExceeded"
    assert outcome.error.message == "item 0 needs 9 GiB, 4 GiB are allowed"


def test_leaving_the_interpreter_fails_the_item_only(executor):
    (outcome,) = map_batches(leave_interpreter, numbered(1), executor=executor)
    assert outcome.error is not None and outcome.error.kind == "SystemExit"


def test_connection_error_in_the_function_is_tried_again(executor, tmp_path):
    item = WorkItem("a", str(tmp_path / "marker"))
    (outcome,) = map_batches(disconnect_once, [item], executor=executor)
    assert (outcome.value, outcome.attempts) == ("answer", 2)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_exhausted_retries_become_an_infrastructure_failure(executor, tmp_path, retries):
    counter = tmp_path / "counter"
    items = [WorkItem("a", str(counter))]
    (outcome,) = map_batches(disconnect_always, items, executor=executor, retries=retries)
    assert outcome.error is not None
    assert outcome.error.kind == INFRASTRUCTURE
    assert "peer went away" in outcome.error.message
    assert outcome.attempts == len(counter.read_text()) == retries + 1


def test_final_infrastructure_failure_is_not_tried_again(executor):
    (outcome,) = map_batches(refuse_for_good, numbered(1), executor=executor, retries=5)
    assert outcome.attempts == 1
    assert outcome.error is not None and outcome.error.kind == INFRASTRUCTURE


def test_lost_workers_are_replaced():
    executor = ScriptedExecutor(losses={"1": [CRASH, CRASH]})
    outcomes = {o.key: o for o in map_batches(square, numbered(4), executor=executor, retries=2)}
    assert outcomes["1"].value == 1 and outcomes["1"].attempts == 3
    assert outcomes["0"].attempts == 1


def test_outcome_of_a_lost_worker_is_complete():
    executor = ScriptedExecutor(losses={"0": [CRASH]})
    (outcome,) = map_batches(square, numbered(1), executor=executor, retries=0)
    assert outcome.error == CRASH
    assert (outcome.host, outcome.device, outcome.peak_rss_bytes) == ("unknown", "unknown", 0)
    assert outcome.seconds >= 0


def test_out_of_memory_is_tried_once_more_only():
    executor = ScriptedExecutor(losses={"0": [OUT_OF_MEMORY] * 5})
    (outcome,) = map_batches(square, numbered(1), executor=executor, retries=4)
    assert outcome.error == OUT_OF_MEMORY
    assert outcome.attempts == 2


def test_done_items_are_skipped_and_counted(executor):
    reports: list[Progress] = []
    outcomes = list(
        map_batches(
            square, numbered(6), executor=executor, done={"1", "4"}, progress=reports.append
        )
    )
    assert sorted(outcome.key for outcome in outcomes) == ["0", "2", "3", "5"]
    assert reports[-1] == Progress(total=6, done=4, failed=0, running=0, skipped=2)
    assert reports[-1].settled == 6


def test_progress_starts_at_zero_and_counts_failures(executor):
    reports: list[Progress] = []
    list(map_batches(fail_on_three, iter(numbered(5)), executor=executor, progress=reports.append))
    assert (reports[0].done, reports[0].failed) == (0, 0)
    assert reports[-1] == Progress(total=None, done=4, failed=1, running=0, skipped=0)
    assert len(reports) == 6


def test_nothing_to_do_gives_no_outcome(executor):
    assert list(map_batches(square, [], executor=executor)) == []
    assert list(map_batches(square, numbered(2), executor=executor, done=["0", "1"])) == []


def test_closing_the_iterator_cancels_what_is_in_flight():
    executor = ScriptedExecutor()
    outcomes = map_batches(square, numbered(20), executor=executor, max_in_flight=5)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert len(executor.cancelled) == 5


def test_interrupt_in_a_call_cancels_the_others_and_is_raised():
    def interrupt(n: int) -> int:
        raise KeyboardInterrupt

    executor = ScriptedExecutor()
    with pytest.raises(KeyboardInterrupt):
        list(map_batches(interrupt, numbered(9), executor=executor, max_in_flight=5))
    assert len(executor.cancelled) == 4


def test_error_of_the_input_is_raised_and_cancels():
    def broken() -> Iterator[WorkItem]:
        yield from numbered(4)
        raise InputError("line 5 is not a triangulation")

    executor = ScriptedExecutor()
    with pytest.raises(InputError, match="line 5"):
        list(map_batches(square, broken(), executor=executor, max_in_flight=3))
    assert executor.cancelled


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"retries": -1}, "retries: -1 is not allowed: must be 0 or more"),
        ({"max_in_flight": 0}, "max_in_flight: 0 is not allowed: must be 1 or more"),
    ],
)
def test_wrong_use_is_refused_before_any_item_is_taken(executor, arguments, message):
    with pytest.raises(InputError, match=message):
        map_batches(square, numbered(1), executor=executor, **arguments)


def test_infeasible_profile_is_refused_at_once():
    executor = ScriptedExecutor()
    executor.able = False
    with pytest.raises(InfrastructureError, match="no node has a GPU") as caught:
        map_batches(square, numbered(1), executor=executor)
    assert not caught.value.retryable


def test_cluster_that_stays_unable_ends_the_map_instead_of_waiting_for_ever(monkeypatch, caplog):
    monkeypatch.setattr(fan_out, "PATIENCE_SECONDS", 0.0)
    executor = ScriptedExecutor()
    outcomes = map_batches(square, numbered(9), executor=executor, max_in_flight=2)
    executor.able, executor.stalled = False, True
    with pytest.raises(InfrastructureError, match="2 items in flight are unfinished") as caught:
        list(outcomes)
    assert caught.value.retryable
    assert "waiting" in caplog.text


def test_cluster_that_recovers_goes_on(monkeypatch):
    monkeypatch.setattr(fan_out, "PATIENCE_SECONDS", 60.0)
    executor = ScriptedExecutor()
    answers = iter([False, True])

    def wait_once(calls: ScriptedCalls, timeout_seconds: float) -> list[int]:
        executor.able = next(answers, True)
        return list(calls._calls) if executor.able else []

    monkeypatch.setattr(ScriptedCalls, "wait", wait_once)
    assert len(list(map_batches(square, numbered(3), executor=executor))) == 3


@pytest.mark.parametrize(
    ("gpus", "asked", "warm"),
    [(0, None, False), (0, True, True), (0.5, None, True), (1, None, True), (1, False, False)],
)
def test_workers_are_warm_where_gpus_are_reserved_or_it_is_asked_for(gpus, asked, warm):
    executor = ScriptedExecutor()
    profile = ResourceProfile(gpus=gpus)
    list(map_batches(square, numbered(1), executor=executor, profile=profile, warm=asked))
    assert executor.warm == [warm]


def test_serial_executor_is_always_warm():
    maps = [map_batches(square, numbered(3), executor=SerialExecutor(), warm=w) for w in (0, 1)]
    plain, warm = ([(o.key, o.value, o.attempts) for o in outcomes] for outcomes in maps)
    assert plain == warm


def test_serial_executor_refuses_gpus_the_machine_lacks():
    wanted = ResourceProfile(gpus=len(gpu_models()) + 1)
    with pytest.raises(InfrastructureError, match="this machine has"):
        map_batches(square, numbered(1), executor=SerialExecutor(), profile=wanted)


def test_call_measures_its_own_peak_memory():
    small = perform(hold_memory, Call("a", 1))
    large = perform(hold_memory, Call("b", 200 * 10**6))
    after = perform(hold_memory, Call("c", 1))
    assert large.peak_rss_bytes >= small.peak_rss_bytes + 150 * 10**6
    assert after.peak_rss_bytes < large.peak_rss_bytes


def test_call_reports_host_device_and_time():
    report = perform(square, Call("a", 3))
    assert report.value == 9
    assert report.host and report.device == "cpu"
    assert report.seconds >= 0
    assert report.started_at.utcoffset() is not None


def test_gpus_without_their_drivers_folder_are_counted_by_device_file(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "null"):
        (tmp_path / name).touch()
    assert gpu_models(tmp_path / "absent", tmp_path) == ["GPU", "GPU"]
    assert gpu_models(tmp_path / "absent", tmp_path / "absent") == []


def test_gpu_is_named_by_model_and_index(tmp_path, monkeypatch):
    folder = tmp_path / "0000:01:00.0"
    folder.mkdir()
    (folder / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 5\n")
    assert gpu_models(tmp_path) == ["NVIDIA H100 80GB HBM3"]
    models: Callable[[], list[str]] = lambda: gpu_models(tmp_path)  # noqa: E731
    monkeypatch.setattr("workers.calls.gpu_models", models)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert device_name(2) == "NVIDIA H100 80GB HBM3 (gpu 0,3)"
    assert device_name(0) == "cpu"
