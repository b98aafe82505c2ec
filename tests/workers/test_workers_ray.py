"""Dispatch on a real Ray."""

import logging
import os
from pathlib import Path

import pytest
from commands import has_ended, wait_until

from tasks.records.errors import InfrastructureError, InputError
from workers import ResourceProfile, WorkItem, connect, map_batches
from workers.failures import INFRASTRUCTURE

from worker_functions import (  # isort: skip
    begin_then_wait_for,
    die_always,
    die_once,
    exceed_budget,
    fail_on_three,
    log_lines,
    meet,
    process_id,
    sleep_then_return,
    square,
    unpicklable,
    write_process_id_and_sleep,
)

pytestmark = pytest.mark.ray


def numbered(count: int) -> list[WorkItem]:
    return [WorkItem(str(n), n) for n in range(count)]


def test_calls_run_in_other_processes_and_report_what_they_are(local_ray):
    (outcome,) = map_batches(process_id, numbered(1), executor=local_ray)
    assert outcome.value != os.getpid()
    assert outcome.device == "cpu" and outcome.host not in ("", "unknown")
    assert outcome.peak_rss_bytes > 10**6


def test_ordered_outcomes_follow_the_input(local_ray):
    waits = [WorkItem(str(n), seconds) for n, seconds in enumerate((0.6, 0.0, 0.0, 0.3, 0.0))]
    outcomes = list(map_batches(sleep_then_return, waits, executor=local_ray, ordered=True))
    assert [outcome.key for outcome in outcomes] == ["0", "1", "2", "3", "4"]


def test_unordered_outcomes_do_not_wait_for_a_slow_first_item(local_ray, tmp_path):
    end = tmp_path / "end"
    (tmp_path / "now").touch()
    items = [
        WorkItem(key, (str(tmp_path / key), str(tmp_path / until)))
        for key, until in (("slow", "end"), ("fast", "now"))
    ]
    outcomes = map_batches(begin_then_wait_for, items, executor=local_ray)
    assert next(outcomes).key == "fast"
    end.touch()
    assert [outcome.key for outcome in outcomes] == ["slow"]


def test_killed_worker_is_replaced_and_its_item_repeated(local_ray, tmp_path, caplog):
    items = [WorkItem(str(n), str(tmp_path / str(n))) for n in range(3)]
    outcomes = list(map_batches(die_once, items, executor=local_ray))
    assert [(outcome.ok, outcome.attempts) for outcome in outcomes] == [(True, 2)] * 3
    assert "the worker process died" in caplog.text


def test_worker_killed_every_time_is_one_failed_item_and_the_others_finish(local_ray, tmp_path):
    counter = tmp_path / "counter"
    bad = list(map_batches(die_always, [WorkItem("bad", str(counter))], executor=local_ray))
    assert len(counter.read_text()) == bad[0].attempts == 3
    assert bad[0].error is not None and bad[0].error.kind == INFRASTRUCTURE
    assert "the worker process died" in bad[0].error.message
    assert all(outcome.ok for outcome in map_batches(square, numbered(4), executor=local_ray))


def test_exceptions_of_the_science_come_back_by_class_with_traceback(local_ray):
    outcomes = {o.key: o for o in map_batches(fail_on_three, numbered(5), executor=local_ray)}
    error = outcomes["3"].error
    assert error is not None and (error.kind, error.message) == (
        "ValueError",
        "three is not allowed",
    )
    assert "fail_on_three" in error.traceback
    (over,) = map_batches(exceed_budget, numbered(1), executor=local_ray)
    assert over.error is not None and over.error.kind == "BudgetExceeded"


def test_value_that_cannot_travel_is_a_failed_item(local_ray):
    (outcome,) = map_batches(unpicklable, [WorkItem("a", 0)], executor=local_ray)
    assert outcome.ok  # functions travel by value
    (locked,) = map_batches(make_lock, [WorkItem("a", 0)], executor=local_ray)
    assert locked.error is not None and locked.error.kind == "TypeError"
    assert locked.attempts == 1


def make_lock(_: object) -> object:
    import threading

    return threading.Lock()


def test_payload_or_function_that_cannot_travel_is_named(local_ray):
    with pytest.raises(InputError, match="item 7 cannot be sent to a worker"):
        list(map_batches(square, [WorkItem("7", make_lock(0))], executor=local_ray))
    with pytest.raises(InputError, match="the function cannot be sent to a worker"):
        map_batches(make_lock(0).acquire, [], executor=local_ray)  # type: ignore[attr-defined]


def test_lines_logged_on_a_worker_reach_the_drivers_loggers(local_ray, caplog):
    caplog.set_level(logging.INFO, logger="tasks")
    (outcome,) = map_batches(log_lines, [WorkItem("7_fra", 2)], executor=local_ray)
    texts = [r.getMessage() for r in caplog.records if r.name == "tasks.tests"]
    assert texts == [f"[7_fra@{outcome.host}] line {n} of 2" for n in range(2)]


def test_window_is_bounded(local_ray):
    taken: list[str] = []

    def items():
        for n in range(40):
            taken.append(str(n))
            yield WorkItem(str(n), n)

    for received, _ in enumerate(map_batches(square, items(), executor=local_ray, max_in_flight=3)):
        assert len(taken) - received <= 4


def test_default_window_is_twice_the_slots(local_ray):
    assert local_ray.slots(ResourceProfile()) == 2
    assert local_ray.slots(ResourceProfile(cpus=0.5)) == 4
    assert local_ray.slots(ResourceProfile(cpus=2)) == 1


@pytest.mark.parametrize(
    "profile",
    [ResourceProfile(gpus=64), ResourceProfile(cpus=3), ResourceProfile(memory_gib=10**6)],
    ids=["gpus", "cpus", "memory"],
)
def test_infeasible_profile_is_refused_in_one_line(local_ray, profile):
    with pytest.raises(InfrastructureError, match="but no node of Ray at local") as caught:
        map_batches(square, numbered(1), executor=local_ray, profile=profile)
    assert not caught.value.retryable
    assert profile.describe() in str(caught.value)


def test_memory_reservation_limits_what_runs_at_once(local_ray):
    import ray

    total_gib = ray.cluster_resources()["memory"] / 2**30
    assert local_ray.slots(ResourceProfile(cpus=0.1, memory_gib=0.6 * total_gib)) == 1


def test_closing_the_iterator_stops_running_calls(local_ray, tmp_path):
    markers = [tmp_path / "0", tmp_path / "1"]
    items = [WorkItem("quick", str(tmp_path / "quick"))]
    items += [WorkItem(path.name, str(path)) for path in markers]
    (tmp_path / "quick").touch()
    outcomes = map_batches(sleep_if_new, items, executor=local_ray, max_in_flight=3)
    next(outcomes)
    for marker in markers:
        wait_until(marker.exists)
    outcomes.close()  # type: ignore[attr-defined]
    # The calls would sleep for 600 s.
    wait_until(lambda: all(has_ended(int(marker.read_text())) for marker in markers))
    assert all(outcome.ok for outcome in map_batches(square, numbered(2), executor=local_ray))


def sleep_if_new(marker: str) -> None:
    if not Path(marker).exists():
        write_process_id_and_sleep(marker)


def test_inner_connection_shares_the_outer_ray_and_leaves_it_running(local_ray):
    with connect("local") as inner, connect("auto") as innermost:
        assert inner is local_ray and innermost is local_ray
    assert all(outcome.ok for outcome in map_batches(square, numbered(2), executor=local_ray))


def test_second_cluster_in_one_process_is_refused(local_ray):
    with pytest.raises(InputError, match=r"connected to 'local' and cannot also connect to"):
        connect("192.0.2.1:6379").__enter__()


def test_serial_executor_works_beside_a_ray(local_ray):
    with connect("serial") as serial:
        (outcome,) = map_batches(process_id, numbered(1), executor=serial)
    assert outcome.value == os.getpid()


def test_executor_describes_itself(local_ray):
    assert local_ray.describe().startswith("Ray at local (1 node, 2 CPU")


def test_a_worker_that_one_stage_leaves_idle_is_there_for_the_next(local_ray, tmp_path):
    """Left to itself Ray ends it after a second if the stage holds all CPUs."""

    def workers_of(stage):
        items = [WorkItem(str(i), (str(tmp_path / stage), 2)) for i in range(2)]
        return {outcome.value[0] for outcome in map_batches(meet, items, executor=local_ray)}

    before = workers_of("before")
    whole = ResourceProfile(cpus=2)
    [slept] = map_batches(
        sleep_then_return, [WorkItem("one", 2.5)], executor=local_ray, profile=whole
    )
    assert slept.error is None
    assert workers_of("after") == before
