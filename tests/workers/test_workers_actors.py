"""Warm workers: state is kept, and otherwise nothing differs from plain calls."""

import itertools
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import ray
from commands import has_ended, wait_until

from tasks.records.errors import InputError
from workers import Progress, ResourceProfile, WorkItem, actors, map_batches
from workers.failures import INFRASTRUCTURE

from programs import CLUSTER  # isort: skip
from worker_functions import (  # isort: skip
    count_calls,
    count_calls_but_fail_on_three,
    die_once,
    disconnect_always,
    fail_on_three,
    log_lines,
    meet,
    process_id,
    process_id_or_die,
    sleep_then_return,
    square,
    write_process_id_and_sleep,
)

pytestmark = pytest.mark.ray

ALONE = ResourceProfile(cpus=2)
"""One call at a time on the session's Ray, so one actor."""


def numbered(count: int) -> list[WorkItem]:
    return [WorkItem(str(n), n) for n in range(count)]


@pytest.fixture
def started(monkeypatch) -> list[actors._Worker]:
    """The workers that are started."""
    workers: list[actors._Worker] = []

    class Worker(actors._Worker):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[arg-type]
            workers.append(self)

        def give(self, waiting: actors._Waiting) -> None:
            super().give(waiting)
            assert len(self.calls) <= 2

    monkeypatch.setattr(actors, "_Worker", Worker)
    return workers


# --- state ---


def test_state_of_a_worker_lasts_from_its_first_call_to_the_end_of_the_map(local_ray):
    for _ in range(2):
        outcomes = list(map_batches(count_calls, numbered(12), executor=local_ray, warm=True))
        calls = Counter(outcome.value[0] for outcome in outcomes)
        assert 1 <= len(calls) <= 2 and os.getpid() not in calls
        expected = {(pid, n) for pid, count in calls.items() for n in range(1, count + 1)}
        assert {outcome.value for outcome in outcomes} == expected
        for pid in calls:
            wait_until(lambda pid=pid: has_ended(pid))


def test_function_that_travels_by_value_keeps_its_own_state(local_ray):
    seen: list[int] = []

    def count(number: int) -> int:
        seen.append(number)
        return len(seen)

    outcomes = map_batches(count, numbered(5), executor=local_ray, profile=ALONE, warm=True)
    assert [outcome.value for outcome in outcomes] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("ordered", [False, True])
def test_outcomes_are_those_of_plain_calls(local_ray, ordered):
    def run(*, warm: bool) -> list[tuple]:
        found = map_batches(
            fail_on_three, numbered(8), executor=local_ray, ordered=ordered, warm=warm
        )
        return [
            (o.key, o.value, o.error and o.error.message, o.attempts, o.host, o.device, o.logs)
            for o in found
            if o.peak_rss_bytes > 10**6 and o.seconds > 0
        ]

    plain, warm = run(warm=False), run(warm=True)
    assert sorted(plain) == sorted(warm) and len(warm) == 8
    assert plain == warm or not ordered


def test_order_lines_and_progress_are_kept(local_ray):
    reports: list[Progress] = []
    waits = [WorkItem(str(n), seconds) for n, seconds in enumerate((0.5, 0.0, 0.0, 0.2, 0.0))]
    outcomes = map_batches(
        sleep_then_return,
        waits,
        executor=local_ray,
        ordered=True,
        done={"1"},
        progress=reports.append,
        warm=True,
    )
    assert [outcome.key for outcome in outcomes] == ["0", "2", "3", "4"]
    assert reports[-1] == Progress(total=5, done=4, failed=0, running=0, skipped=1)
    (logged,) = map_batches(log_lines, [WorkItem("a", 2)], executor=local_ray, warm=True)
    assert [line.message for line in logged.logs] == ["line 0 of 2", "line 1 of 2"]


# --- failures ---


def test_killed_worker_is_replaced_and_its_item_repeated(local_ray, tmp_path, caplog):
    items = [WorkItem(str(n), str(tmp_path / str(n))) for n in range(4)]
    outcomes = list(map_batches(die_once, items, executor=local_ray, warm=True))
    assert [(outcome.ok, outcome.attempts) for outcome in outcomes] == [(True, 2)] * 4
    assert "the worker process died" in caplog.text


@pytest.mark.parametrize("retries", [0, 2])
def test_item_that_kills_every_worker_fails_alone(local_ray, retries):
    items = [WorkItem(str(n), n if n != 2 else -1) for n in range(6)]
    found = map_batches(
        process_id_or_die, items, executor=local_ray, profile=ALONE, retries=retries, warm=True
    )
    outcomes = {outcome.key: outcome for outcome in found}
    bad = outcomes.pop("2")
    assert bad.error is not None and bad.error.kind == INFRASTRUCTURE
    assert (bad.attempts, bad.host) == (retries + 1, "unknown")
    # Its neighbors waited in the queue of the worker that it killed.
    assert [(o.ok, o.attempts) for o in outcomes.values()] == [(True, 1)] * 5


def test_error_of_the_science_leaves_the_worker_alive(local_ray):
    found = map_batches(
        count_calls_but_fail_on_three,
        numbered(6),
        executor=local_ray,
        profile=ALONE,
        warm=True,
    )
    outcomes = list(found)
    assert [o.key for o in outcomes if not o.ok] == ["3"]
    assert len({o.value[0] for o in outcomes if o.ok}) == 1
    assert [o.value[1] for o in outcomes if o.ok] == [1, 2, 3, 4, 5]


def test_infrastructure_error_raised_by_the_function_leaves_the_worker_alive(
    local_ray, tmp_path, started
):
    items = [WorkItem("a", str(tmp_path / "counter"))]
    (outcome,) = map_batches(disconnect_always, items, executor=local_ray, retries=1, warm=True)
    assert outcome.attempts == 2 and outcome.error is not None
    assert outcome.error.kind == INFRASTRUCTURE
    assert len(started) == 1


def lock_or_number(x: int) -> object:
    return threading.Lock() if x == 1 else x


def test_value_that_cannot_travel_fails_its_item_only(local_ray, started):
    found = map_batches(lock_or_number, numbered(5), executor=local_ray, profile=ALONE, warm=True)
    outcomes = {outcome.key: outcome for outcome in found}
    error = outcomes.pop("1").error
    assert error is not None and error.kind == "TypeError"
    assert [(o.value, o.attempts) for o in outcomes.values()] == [(n, 1) for n in (0, 2, 3, 4)]
    assert len(started) == 1


def test_payload_that_cannot_travel_is_named(local_ray):
    items = [WorkItem("7", threading.Lock())]
    with pytest.raises(InputError, match="item 7 cannot be sent to a worker"):
        list(map_batches(square, items, executor=local_ray, warm=True))


class Unloadable:
    """Travels to a worker and cannot be unpacked there."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return __import__, ("no_such_module",)

    def __call__(self, x: int) -> int:
        return x


def test_worker_that_cannot_start_fails_the_items_instead_of_starting_for_ever(local_ray):
    found = map_batches(Unloadable(), numbered(3), executor=local_ray, profile=ALONE, warm=True)
    errors = [outcome.error for outcome in found]
    assert [error.kind for error in errors if error] == [INFRASTRUCTURE] * 3
    assert all(error and "install the project on every node" in error.message for error in errors)


# --- bounds ---


def test_input_is_consumed_lazily_and_no_worker_has_more_than_two_calls(local_ray, started):
    taken: list[int] = []

    def endless() -> Iterator[WorkItem]:
        for n in itertools.count():
            taken.append(n)
            yield WorkItem(str(n), n)

    outcomes = map_batches(square, endless(), executor=local_ray, max_in_flight=7, warm=True)
    for received, _ in enumerate(itertools.islice(outcomes, 60), start=1):
        assert len(taken) - received <= 7
    outcomes.close()  # type: ignore[attr-defined]
    assert 1 <= len(started) <= 2


@pytest.mark.parametrize(
    ("count", "options", "most"),
    [
        (9, {}, 2),
        (9, {"profile": ALONE}, 1),
        (9, {"max_in_flight": 1}, 1),
        (1, {}, 1),
    ],
    ids=["a core each", "all cores", "one in flight", "one item"],
)
def test_no_more_workers_than_resources_and_items(local_ray, started, count, options, most):
    waits = [WorkItem(str(n), 0.05) for n in range(count)]
    outcomes = list(map_batches(sleep_then_return, waits, executor=local_ray, warm=True, **options))
    assert len(outcomes) == count and all(outcome.ok for outcome in outcomes)
    assert 1 <= len(started) <= most


def test_no_worker_is_started_for_nothing(local_ray, started):
    map_batches(square, numbered(3), executor=local_ray, warm=True)  # never begun
    assert list(map_batches(square, [], executor=local_ray, warm=True)) == []
    assert started == []


def test_two_items_run_on_two_workers_side_by_side(local_ray, tmp_path):
    items = [WorkItem(str(n), (str(tmp_path / "both"), 2)) for n in range(2)]
    outcomes = list(map_batches(meet, items, executor=local_ray, warm=True))
    assert len({outcome.value for outcome in outcomes}) == 2


def test_no_item_waits_for_resources_that_others_hold(local_ray, tmp_path):
    marker = tmp_path / "process"
    sleeper = map_batches(
        sleep_if_path, [WorkItem("quick", ""), WorkItem("slow", str(marker))], executor=local_ray
    )
    next(sleeper)
    wait_until(marker.exists)  # one of the two cores is taken for 600 s
    outcomes = list(map_batches(process_id, numbered(8), executor=local_ray, warm=True))
    sleeper.close()  # type: ignore[attr-defined]
    assert len({outcome.value for outcome in outcomes}) == 1
    assert all(outcome.ok for outcome in outcomes)


def sleep_if_path(path: str) -> None:
    if path:
        write_process_id_and_sleep(path)


# --- ends ---


def raise_error(_outcomes: object) -> None:
    raise RuntimeError("the disk is full")


def close(outcomes) -> None:
    outcomes.close()


@pytest.mark.parametrize("end", [raise_error, close])
def test_map_that_ends_early_kills_its_workers(local_ray, tmp_path, end):
    marker = tmp_path / "process"
    items = [WorkItem("quick", ""), WorkItem("slow", str(marker))]

    def consume() -> None:
        outcomes = map_batches(sleep_if_path, items, executor=local_ray, profile=ALONE, warm=True)
        next(outcomes)
        wait_until(marker.exists)
        end(outcomes)

    with suppress(RuntimeError):
        consume()
    wait_until(lambda: has_ended(int(marker.read_text())))
    assert all(outcome.ok for outcome in map_batches(square, numbered(2), executor=local_ray))


def test_interrupt_kills_the_workers(local_ray, tmp_path):
    markers = [tmp_path / "0", tmp_path / "1"]

    def interrupt() -> None:
        for marker in markers:
            wait_until(marker.exists)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    items = [WorkItem(marker.name, str(marker)) for marker in markers]
    with pytest.raises(KeyboardInterrupt):
        list(map_batches(sleep_if_path, items, executor=local_ray, warm=True))
    thread.join()
    wait_until(lambda: all(has_ended(int(marker.read_text())) for marker in markers))


def test_error_of_the_input_kills_the_workers(local_ray, started):
    def broken() -> Iterator[WorkItem]:
        yield from numbered(2)
        raise InputError("line 3 is not a triangulation")

    with pytest.raises(InputError, match="line 3"):
        list(map_batches(square, broken(), executor=local_ray, warm=True))
    assert len(started) == 2
    for worker in started:
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(worker.actor.live.remote(), timeout=240)


# --- GPUs and clusters ---

GPUS = """
with connect("local", num_cpus=2, num_gpus=2) as executor:
    for gpus in (1.0, 0.5):
        profile = ResourceProfile(cpus=0.1, gpus=gpus)
        # No item ends before a worker has begun on every share.
        place = (os.path.abspath(str(gpus)), round(2 / gpus))
        items = [WorkItem(str(n), place) for n in range(36)]
        found = map_batches(meet, items, executor=executor, profile=profile)
        outcomes = list(found)
        devices = {(pid, gpu) for pid, gpu in (outcome.value for outcome in outcomes)}
        say(len(outcomes), len({pid for pid, _ in devices}), sorted(gpu for _, gpu in devices))
        say(sorted({outcome.device[-7:] for outcome in outcomes}))
"""


@pytest.mark.slow
def test_calls_that_reserve_gpus_run_on_one_warm_worker_for_each_share(run):
    out, err = run(GPUS).finish()
    assert out.splitlines() == [
        "36 2 ['0', '1']",
        "['(gpu 0)', '(gpu 1)']",
        "36 4 ['0', '0', '1', '1']",
        "['(gpu 0)', '(gpu 1)']",
    ], err


GROWTH = """
from workers import actors
actors.CAPACITY_SECONDS = 0.2
with connect(cluster.address) as executor:
    # The last items wait for the worker on the new node.
    places = [(os.path.abspath("place"), 1 if n < 12 else 2) for n in range(60)]
    items = [WorkItem(str(n), place) for n, place in enumerate(places)]
    processes = []
    for outcome in map_batches(meet, items, executor=executor, max_in_flight=6, warm=True):
        processes.append(outcome.value[0])
        if len(processes) == 3:
            say(len(set(processes)))
            cluster.add_node(**small)
    say(len(processes), len(set(processes)))
cluster.shutdown()
"""


@pytest.mark.slow
def test_workers_are_added_when_the_cluster_grows(run):
    out, err = run(CLUSTER + GROWTH, RAY_AUTH_MODE="disabled").finish()
    assert out.splitlines() == ["1", "60 2"], err
