"""Limits that hold whatever a call does, and processes that never outlive their use."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import toy_calls

from tasks.records import InputError, Status, isolation
from tasks.records.isolation import (
    Stopped,
    close_processes,
    cpu_seconds,
    prepare_process,
    run_limited,
)

HERE = Path(__file__).parent
PLENTY = {"seconds": 120.0, "memory_gib": 4.0}


@pytest.fixture(scope="module", autouse=True)
def own_processes():
    """Processes that find the toys; none is left behind."""
    close_processes()
    yield
    close_processes()


def call(function, argument=None, **options):
    return run_limited(function, argument, **PLENTY | options)


def process_id():
    return call(toy_calls.pid)


def session_members(session):
    """Living processes of the session that a process leads."""
    done = subprocess.run(
        ["ps", "-s", str(session), "-o", "pid=,stat="], capture_output=True, text=True, check=False
    )
    return [line for line in done.stdout.splitlines() if "Z" not in line]


def zombies():
    """Dead processes that nobody collected; each led a session."""
    listed = subprocess.check_output(
        ["ps", "--ppid", str(os.getpid()), "-o", "stat=,sid=,pid="], text=True
    )
    rows = [line.split() for line in listed.splitlines()]
    return {pid for state, session, pid in rows if state.startswith("Z") and session == pid}


@pytest.fixture
def no_new_zombies():
    """None is left by this test, whatever others left in this process."""
    before = zombies()
    yield
    assert zombies() <= before


def wait_until(condition, seconds=240.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 3, "x" * 10_000_000, Stopped(Status.FAILED, "mine")])
def test_a_call_is_answered_by_its_value(value):
    assert call(toy_calls.echo, value) == value


def test_a_call_has_one_thread_of_blas_and_compiles_kernels():
    assert call(toy_calls.threads_of_blas) == ["1", "1"]
    assert call(toy_calls.compiled_sum, 4) == 24.0


@pytest.mark.parametrize(
    ("function", "argument"), [(lambda _: 1, None), (toy_calls.echo, threading.Lock())]
)
def test_a_call_that_cannot_be_pickled_is_refused(function, argument):
    with pytest.raises(InputError, match="takes what can be pickled"):
        call(function, argument)


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"memory_gib": -1}, {"seconds": float("nan")}])
def test_a_limit_that_is_no_positive_number_is_refused(limits):
    with pytest.raises(InputError, match="must be a positive number; got"):
        call(toy_calls.echo, 1, **limits)


# --- no value -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (toy_calls.raises, "ValueError: no idea"),
        (toy_calls.panics, "BaseException: thread panicked"),
        (toy_calls.returns_a_lock, "TypeError: cannot pickle '_thread.lock' object"),
        (toy_calls.returns_what_cannot_be_read, "its value cannot be unpickled: invalid literal"),
    ],
)
def test_an_exception_is_a_status_and_the_process_is_kept(function, reason):
    pid = process_id()
    found = call(function)
    assert (found.status, found.ending) == (Status.FAILED, "raised")
    assert found.reason.startswith(reason)
    assert process_id() == pid


@pytest.mark.parametrize(
    ("function", "status", "ending", "words"),
    [
        (toy_calls.crashes, "failed", "ended", "the process ended with SIGSEGV; it said nothing"),
        (toy_calls.leaves, "failed", "ended", "ended with exit code 3"),
        (toy_calls.aborts_for_memory, "over_budget", "memory", "stopped above 4 GiB of memory"),
    ],
)
@pytest.mark.usefixtures("no_new_zombies")
def test_a_crash_is_a_status_and_the_next_call_goes_on(function, status, ending, words):
    found = call(function)
    assert (found.status, found.ending) == (status, ending)
    assert words in found.reason
    assert call(toy_calls.echo, 1) == 1


@pytest.mark.parametrize("function", [toy_calls.hangs, toy_calls.hangs_in_compiled_code])
def test_a_call_that_hangs_is_killed_at_the_deadline(function):
    pid = process_id()
    start = time.monotonic()
    found = call(function, seconds=0.3)
    assert found == Stopped(Status.OVER_BUDGET, "stopped after 0.3 s; raise seconds", "time")
    assert 0.3 <= time.monotonic() - start < 60  # without a limit it would hang for ever
    assert not Path(f"/proc/{pid}").exists()


def test_the_alarm_ends_a_call_that_its_parent_does_not_watch(monkeypatch):
    close_processes()
    monkeypatch.setattr(isolation, "GRACE_S", 240.0)
    found = call(toy_calls.hangs_in_compiled_code, seconds=0.1)
    assert found == Stopped(Status.OVER_BUDGET, "stopped after 0.1 s; raise seconds", "time")


def test_seconds_of_the_processor_do_not_pass_while_a_call_waits():
    assert call(time.sleep, 1.0, seconds=0.5, clock="cpu") is None
    found = call(toy_calls.works, 600, seconds=0.5, clock="cpu")
    assert found.reason == "stopped after 0.5 s; raise seconds"


def test_seconds_of_the_processor_are_also_those_of_processes_that_a_call_uses():
    found = call(toy_calls.has_work_done, 600, seconds=0.5, clock="cpu")
    assert found.reason == "stopped after 0.5 s; raise seconds"
    call(toy_calls.works, 0)
    start = cpu_seconds()
    call(toy_calls.works, 0.5)
    assert 0.5 <= cpu_seconds() - start < 30


def test_a_call_that_eats_memory_is_killed_at_the_limit(monkeypatch):
    seen = []
    measure = isolation.resident_bytes
    monkeypatch.setattr(
        isolation, "resident_bytes", lambda pid: seen.append(measure(pid)) or seen[-1]
    )
    found = call(toy_calls.eats_memory, memory_gib=0.4)
    reason = "stopped above 0.4 GiB of memory; raise memory_gib"
    assert found == Stopped(Status.OVER_BUDGET, reason, "memory")
    # A tick may pass before it is noticed; the bound on address space is 1.4 GiB above the start.
    assert max(seen) < 1.6 * 2**30


def test_memory_that_is_refused_at_once_is_the_same_status():
    found = call(toy_calls.asks_for_too_much_at_once, memory_gib=0.4)
    reason = "stopped above 0.4 GiB of memory; raise memory_gib"
    assert found == Stopped(Status.OVER_BUDGET, reason, "memory")


def test_what_a_call_started_dies_with_it():
    pid = process_id()
    assert call(toy_calls.leaves_a_process_behind, seconds=2.0).ending == "time"
    child = int(toy_calls.left_behind(pid).read_text())
    toy_calls.left_behind(pid).unlink()
    assert child != pid
    wait_until(lambda: not session_members(pid))


# --- processes ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_new_zombies")
def test_one_process_serves_many_calls_and_is_replaced_when_it_is_gone():
    pid = process_id()
    assert process_id() == pid
    os.kill(pid, signal.SIGKILL)
    # Its threads end one after another, and only with the last one it is gone.
    wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    assert process_id() not in (pid, os.getpid())


def test_a_process_outlives_the_thread_that_started_it():
    close_processes()
    pids = []
    thread = threading.Thread(target=lambda: pids.append(process_id()))
    thread.start()
    thread.join()
    assert process_id() == pids[0]


def test_a_busy_process_does_not_hold_up_another_call():
    busy = process_id()
    thread = threading.Thread(target=call, args=(toy_calls.hangs,), kwargs={"seconds": 3.0})
    thread.start()
    wait_until(lambda: not isolation._idle)
    assert process_id() != busy
    thread.join()


def test_a_process_that_grew_large_is_not_kept(monkeypatch):
    pid = process_id()
    monkeypatch.setattr(isolation, "RECYCLED_BYTES", 1)
    assert process_id() == pid
    assert not Path(f"/proc/{pid}").exists()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("path", ["/nowhere"], "did not start: ModuleNotFoundError"),
        ("executable", "/nowhere/python", "no process could be started: "),
    ],
)
@pytest.mark.usefixtures("no_new_zombies")
def test_a_process_that_cannot_start_is_a_status(monkeypatch, attribute, value, words):
    close_processes()
    monkeypatch.setattr(sys, attribute, value)
    before = open_files()
    found = call(toy_calls.echo)
    assert (found.status, found.ending) == (Status.FAILED, "unstarted")
    assert words in found.reason
    # Threads that other tests left open files too, for a moment.
    wait_until(lambda: open_files() <= before)


def test_a_forked_child_does_not_use_its_parents_processes():
    pid = process_id()
    child = os.fork()
    if child == 0:
        os._exit(len(isolation._idle))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert process_id() == pid


def test_a_call_costs_less_than_five_milliseconds():
    def seconds():
        start = time.perf_counter()
        call(toy_calls.echo)
        return time.perf_counter() - start

    process_id()
    assert min(seconds() for _ in range(200)) < 5e-3  # on a busy machine most wait for a core


# --- preparation --------------------------------------------------------------------------------


def test_a_process_prepares_once_and_out_of_the_time_of_its_calls():
    close_processes()
    options = {"prepare": toy_calls.prepares, "seconds": 0.5}
    assert [call(toy_calls.preparations, **options) for _ in range(2)] == [["once"]] * 2
    options["prepare"] = toy_calls.prepares_otherwise
    assert call(toy_calls.preparations, **options) == ["once", "otherwise"]


def test_a_process_that_replaces_another_prepares_too():
    call(toy_calls.crashes)
    assert call(toy_calls.preparations, prepare=toy_calls.prepares, seconds=0.5) == ["once"]


def test_a_process_can_be_prepared_before_the_first_call():
    close_processes()
    assert prepare_process(toy_calls.preparations, toy_calls.prepares_otherwise) is None
    [ready] = isolation._idle
    assert call(toy_calls.pid, prepare=toy_calls.prepares_otherwise) == ready.process.pid
    assert call(toy_calls.preparations) == ["otherwise"]


def test_a_call_takes_the_process_that_is_prepared_for_it():
    close_processes()
    for process in [isolation._started() for _ in range(3)]:
        isolation._put_back(process)
    assert call(toy_calls.preparations, prepare=toy_calls.prepares_otherwise) == ["otherwise"]
    isolation._idle.reverse()
    assert call(toy_calls.preparations, prepare=toy_calls.prepares_otherwise) == ["otherwise"]
    assert sum(len(process.ready) > 1 for process in isolation._idle) == 1


def test_a_preparation_that_fails_is_a_status():
    found = call(toy_calls.echo, prepare=toy_calls.cannot_prepare)
    reason = "no process could be prepared: RuntimeError: no network"
    assert found == Stopped(Status.FAILED, reason, "unstarted")
    assert call(toy_calls.echo, 1) == 1


# --- parents ------------------------------------------------------------------------------------

PROGRAM = """
import sys
sys.path.insert(0, {here!r})
import toy_calls
from tasks.records.isolation import run_limited
def call(function, argument=None):
    return run_limited(function, argument, seconds=500, memory_gib=4)
def say(word): print(word, flush=True)
say(call(toy_calls.pid))
"""
HANG = "say('hanging'); call(toy_calls.hangs_in_compiled_code)"


def processor_ticks(pid):
    """Processor time of a process, in hundredths of a second or so."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Parent:
    """A program without a file of its own, as Ray's and Prefect's processes are."""

    def __init__(self, code):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(here=str(HERE)) + code],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.child = int(self.line())

    def line(self):
        return self.process.stdout.readline().strip()

    def wait(self):
        self.process.communicate(timeout=240)
        return self.process.returncode


def test_a_process_dies_with_a_killed_parent_even_in_compiled_code():
    parent = Parent(HANG)
    assert parent.line() == "hanging"
    parent.process.kill()
    parent.wait()
    wait_until(lambda: not session_members(parent.child))


def test_an_interrupt_ends_the_call_and_its_process_only():
    parent = Parent(
        f"""
try:
    {HANG}
except KeyboardInterrupt:
    say('interrupted')
say(call(toy_calls.echo, 'next'))
"""
    )
    assert parent.line() == "hanging"
    idle = processor_ticks(parent.child)
    wait_until(lambda: processor_ticks(parent.child) > idle + 5)  # it has the call
    os.killpg(parent.process.pid, signal.SIGINT)
    assert parent.line() == "interrupted"
    assert not session_members(parent.child)
    assert parent.line() == "next"
    assert parent.wait() == 0
