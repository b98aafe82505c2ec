"""Limits that hold whatever the solver does, and processes that never outlive their use."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from commands import finish, start_python, wait_until
from rigged_programs import FORM, rigged, worker_pid
from rigged_solver import left_behind

from tasks.sos.conic.solvers import SolverStatus, _isolation, close_workers, solve

pytestmark = pytest.mark.usefixtures("rigged_adapter", "own_workers")

HERE = Path(__file__).parent


def session_members(session):
    """Living processes of the session that a worker leads."""
    done = subprocess.run(
        ["ps", "-s", str(session), "-o", "pid=,stat="], capture_output=True, text=True, check=False
    )
    return [line for line in done.stdout.splitlines() if "Z" not in line]


def zombies():
    """Dead solver processes that nobody collected; each led a session."""
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


def in_thread(behavior, **limits):
    thread = threading.Thread(target=solve, args=(rigged(behavior), "rigged"), kwargs=limits)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("behavior", "status", "words"),
    [
        ("crashes", SolverStatus.CRASHED, "ended with SIGSEGV"),
        ("leaves", SolverStatus.CRASHED, "ended with exit code 3"),
        ("aborts_for_memory", SolverStatus.MEMORY_LIMIT, "memory allocation of 8589934592 bytes"),
    ],
)
@pytest.mark.usefixtures("no_new_zombies")
def test_a_crash_is_a_status_and_the_next_solve_goes_on(behavior, status, words):
    solution = solve(rigged(behavior), "rigged")
    assert solution.status is status
    assert words in solution.message
    assert solve(FORM.program).status is SolverStatus.OPTIMAL


@pytest.mark.parametrize("behavior", ["hangs", "hangs_in_compiled_code"])
def test_a_solver_that_hangs_is_killed_at_the_deadline(behavior):
    pid = worker_pid()
    solution = solve(rigged(behavior), "rigged", time_limit_s=0.3)
    assert solution.status is SolverStatus.TIME_LIMIT
    assert "stopped after 0.3 s" in solution.message
    assert not Path(f"/proc/{pid}").exists()


def test_the_alarm_ends_a_solve_that_its_parent_does_not_watch(monkeypatch):
    close_workers()
    monkeypatch.setattr(_isolation, "GRACE_S", 240.0)
    solution = solve(rigged("hangs_in_compiled_code"), "rigged", time_limit_s=0.1)
    assert (solution.status, solution.message) == (SolverStatus.TIME_LIMIT, "stopped by its alarm")


def test_a_solver_that_eats_memory_is_killed_at_the_limit(monkeypatch):
    seen = []
    measure = _isolation.resident_bytes
    monkeypatch.setattr(
        _isolation, "resident_bytes", lambda pid: seen.append(measure(pid)) or seen[-1]
    )
    solution = solve(rigged("eats_memory"), "rigged", memory_limit_gib=0.4)
    assert solution.status is SolverStatus.MEMORY_LIMIT
    # A tick may pass before it is noticed; the bound on address space is 1.4 GiB above the start.
    assert max(seen) < 1.6 * 2**30


def test_what_a_solver_started_dies_with_it():
    pid = worker_pid()
    solution = solve(rigged("leaves_a_process_behind"), "rigged", time_limit_s=2.0)
    assert solution.status is SolverStatus.TIME_LIMIT
    child = int(left_behind(pid).read_text())
    left_behind(pid).unlink()
    assert child != pid
    wait_until(lambda: not session_members(pid))


@pytest.mark.usefixtures("no_new_zombies")
def test_one_worker_serves_many_solves_and_is_replaced_when_it_is_gone():
    pid = worker_pid()
    assert worker_pid() == pid
    os.kill(pid, signal.SIGKILL)
    # Its threads end one after another, and only with the last one it is gone.
    wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
    assert worker_pid() not in (pid, os.getpid())
    assert solve(rigged("echo"), "rigged", isolated=False).message == str(os.getpid())


def test_a_worker_outlives_the_thread_that_started_it():
    close_workers()
    pids = []
    thread = threading.Thread(target=lambda: pids.append(worker_pid()))
    thread.start()
    thread.join()
    assert worker_pid() == pids[0]


def test_a_busy_worker_does_not_hold_up_another_solve():
    busy = worker_pid()
    thread = in_thread("hangs", time_limit_s=3.0)
    wait_until(lambda: not _isolation._idle)
    assert worker_pid() != busy
    thread.join()


def test_a_worker_that_grew_large_is_not_kept(monkeypatch):
    pid = worker_pid()
    monkeypatch.setattr(_isolation, "RECYCLED_BYTES", 1)
    assert worker_pid() == pid
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("path", ["/nowhere"], "did not start: ModuleNotFoundError"),
        ("executable", "/nowhere/python", "no process could be started: "),
    ],
)
@pytest.mark.usefixtures("no_new_zombies")
def test_a_worker_that_cannot_start_is_a_status(monkeypatch, attribute, value, words):
    close_workers()
    monkeypatch.setattr(sys, attribute, value)
    before = open_files()
    solution = solve(FORM.program)
    assert solution.status is SolverStatus.CRASHED
    assert words in solution.message
    # Threads that other tests left open files too, for a moment.
    wait_until(lambda: open_files() <= before)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_forked_child_does_not_use_its_parents_worker():
    pid = worker_pid()
    child = os.fork()
    if child == 0:
        os._exit(len(_isolation._idle))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert worker_pid() == pid


PROGRAM = """
import sys
sys.path.insert(0, {here!r})
from rigged_programs import FORM, rigged, worker_pid
from tasks.sos.conic.solvers import _solve, solve
_solve._ADAPTERS["rigged"] = "rigged_solver"
def say(word): print(word, flush=True)
say(worker_pid())
"""
HANG = "say('hanging'); solve(rigged('hangs_in_compiled_code'), 'rigged', time_limit_s=500)"


def processor_ticks(pid):
    """Processor time of a process, in hundredths of a second or so."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Parent:
    """A program without a file of its own, as Ray's and Prefect's processes are."""

    def __init__(self, code):
        program = PROGRAM.format(here=str(HERE)) + code
        self.process = start_python("-c", program, start_new_session=True)
        self.worker = int(self.line())

    def line(self):
        return self.process.stdout.readline().strip()

    def finish(self, code):
        finish(self.process, code=code)


def test_a_worker_dies_with_a_killed_parent_even_in_compiled_code():
    parent = Parent(HANG)
    assert parent.line() == "hanging"
    parent.process.kill()
    parent.finish(-signal.SIGKILL)
    wait_until(lambda: not session_members(parent.worker))


def test_an_interrupt_ends_the_solve_and_its_worker_only():
    parent = Parent(
        f"""
try:
    {HANG}
except KeyboardInterrupt:
    say('interrupted')
say(solve(FORM.program).status.value)
"""
    )
    assert parent.line() == "hanging"
    idle = processor_ticks(parent.worker)
    wait_until(lambda: processor_ticks(parent.worker) > idle + 5)  # it has the program
    os.killpg(parent.process.pid, signal.SIGINT)
    assert parent.line() == "interrupted"
    assert not session_members(parent.worker)
    assert parent.line() == "optimal"
    parent.finish(0)
