"""Solves in child processes, with limits that hold whatever the solver does.

A worker process (`_worker`) is started at the first solve and kept; a solve then costs the transfer
of its arrays. It is an interpreter of its own, started by exec and not by fork: its parent may have
threads, as Ray's workers and Prefect's flow processes have. Concurrent solves use a worker each.
A worker is killed, with all it started, at the deadline, above the memory limit, when its caller is
interrupted and when the parent ends; it runs in a session of its own, where Ctrl-C does not reach.
"""

from __future__ import annotations

import atexit
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tasks.sos.conic._cone_program import ConicProgram
from tasks.sos.conic.solvers._status import Answer, Limits, SolverStatus
from tasks.sos.conic.solvers._worker import GIB, HEADER, failed, receive, send

START_LIMIT_S = 120.0
GRACE_S = 0.25
"""The solver knows the time limit too and may hand over its last point."""
TICK_S = 0.02
MAX_IDLE = 4
RECYCLED_BYTES = GIB
"""A worker that grew beyond this is not kept: its memory would count against the next solve."""

_BOOT = (
    "import sys; sys.path[:] = {path!r}; "
    "from tasks.sos.conic.solvers._worker import main; main{ends}"
)
_OUT_OF_MEMORY = ("memory allocation", "bad_alloc", "out of memory", "MemoryError")


class _Worker:
    """A worker process and the parent's ends of its socket, lifeline and error output."""

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        lifeline, self.lifeline = os.pipe()
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `kill`
        path = [entry for entry in sys.path if isinstance(entry, str)]
        ends = (theirs.fileno(), lifeline)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BOOT.format(path=path, ends=ends)],
                pass_fds=ends,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        except OSError:
            self.forget()
            raise
        finally:
            theirs.close()
            os.close(lifeline)

    def wait_until_ready(self) -> str:
        """What went wrong, or ""."""
        self.channel.settimeout(START_LIMIT_S)
        try:
            ready = receive(self.channel) is not None
        except TimeoutError:
            return f"the solver's process did not start within {START_LIMIT_S:g} s"
        return "" if ready else f"the solver's process did not start: {self._last_words()}"

    def run(self, adapter: str, task: str, program: ConicProgram | None, limits: Limits) -> Answer:
        """One job; if the worker does not survive it, it is killed."""
        deadline = time.monotonic() + limits.time_limit_s + GRACE_S
        message = pickle.dumps((adapter, task, program, limits), protocol=5)
        try:
            self.channel.settimeout(limits.time_limit_s + GRACE_S)
            send(self.channel, message)
            reply = self._reply(deadline, int(limits.memory_limit_gib * GIB))
        except TimeoutError:
            reason = f"stopped after {limits.time_limit_s:g} s"
            answer = failed(SolverStatus.TIME_LIMIT, reason)
        except MemoryError:
            reason = f"stopped above {limits.memory_limit_gib:g} GiB of resident memory"
            answer = failed(SolverStatus.MEMORY_LIMIT, reason)
        except OSError:
            answer = self._obituary()
        else:
            if reply is not None:
                return pickle.loads(reply)
            answer = self._obituary()
        self.kill()
        return answer

    def _reply(self, deadline: float, max_bytes: int) -> bytes | None:
        """The worker's message, None if it died; TimeoutError or MemoryError at a limit."""
        self.channel.settimeout(TICK_S)
        while True:
            try:
                # Once the reply has begun to come, the solve is over.
                self.channel.recv(HEADER.size, socket.MSG_PEEK)
                self.channel.settimeout(max(GRACE_S, deadline - time.monotonic()))
                return receive(self.channel)
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise
            if resident_bytes(self.process.pid) > max_bytes:
                raise MemoryError

    def _obituary(self) -> Answer:
        words = self._last_words()
        code = self.process.returncode
        if code == -signal.SIGALRM:
            return failed(SolverStatus.TIME_LIMIT, "stopped by its alarm")
        if any(text in words for text in _OUT_OF_MEMORY):
            return failed(SolverStatus.MEMORY_LIMIT, words)
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return failed(SolverStatus.CRASHED, f"the solver's process ended with {name}; {words}")

    def _last_words(self) -> str:
        """The last line of the dead worker's error output."""
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def kill(self) -> None:
        """End the process with all it started, and leave no zombie."""
        if self.process.poll() is None:
            # The worker leads its session, so its group is named like it.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.forget()

    def forget(self) -> None:
        """Close this process's ends only."""
        if self.lifeline >= 0:
            self.channel.close()
            os.close(self.lifeline)
            self.errors.close()
            self.lifeline = -1


_idle: list[_Worker] = []
_lock = threading.Lock()


def run_isolated(
    adapter: str, task: str, program: ConicProgram | None, limits: Limits
) -> tuple[Answer, float]:
    """The adapter's answer from a worker process and the seconds it took, start excluded."""
    worker = _take()
    if isinstance(worker, str):
        return failed(SolverStatus.CRASHED, worker), 0.0
    start = time.perf_counter()
    try:
        answer = worker.run(adapter, task, program, limits)
    except BaseException:
        # Interrupted: its reply would be taken for the next one.
        worker.kill()
        raise
    seconds = time.perf_counter() - start
    _put_back(worker)
    return answer, seconds


def close_workers() -> None:
    """End the idle worker processes; the next solve starts one again."""
    with _lock:
        workers, _idle[:] = list(_idle), []
    for worker in workers:
        worker.kill()


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 if it is gone or the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _take() -> _Worker | str:
    """An idle worker that is alive, or a new one; or why there is none."""
    while True:
        with _lock:
            worker = _idle.pop() if _idle else None
        if worker is None:
            return _started()
        if worker.process.poll() is None:
            return worker
        worker.kill()


def _started() -> _Worker | str:
    try:
        worker = _Worker()
    except OSError as error:
        return f"no process could be started: {error}"
    try:
        problem = worker.wait_until_ready()
    except BaseException:
        worker.kill()
        raise
    if problem:
        worker.kill()
    return problem or worker


def _put_back(worker: _Worker) -> None:
    if worker.lifeline < 0:
        return
    with _lock:
        is_kept = len(_idle) < MAX_IDLE and resident_bytes(worker.process.pid) < RECYCLED_BYTES
        if is_kept:
            _idle.append(worker)
    if not is_kept:
        worker.kill()


def _disown() -> None:
    """In a forked child: the workers are the parent's."""
    global _lock
    _lock = threading.Lock()
    for worker in _idle:
        worker.forget()
        worker.process.returncode = 0  # else subprocess would wait for a process not its own
    _idle.clear()


os.register_at_fork(after_in_child=_disown)
atexit.register(close_workers)
