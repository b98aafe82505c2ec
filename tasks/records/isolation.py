"""Calls within limits of time and memory, in processes that are kept warm and used again.

A process (`tasks.records._isolated`) is started at the first call and kept; a call then costs the
transfer of its argument and value. It is an interpreter of its own, started by exec and not by
fork: its parent may have threads, as Ray's workers and Prefect's flow processes have. Concurrent
calls use a process each. A process is killed, with all it started, at the deadline, above the
memory limit, when its caller is interrupted and when the parent ends; it runs in a session of its
own, where Ctrl-C does not reach.
"""

from __future__ import annotations

import atexit
import math
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
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

from tasks.records._isolated import GIB, Ending, load, pack_call, perform, receive, send
from tasks.records.errors import InputError
from tasks.records.status import Status

__all__ = [
    "Stopped",
    "close_processes",
    "cpu_seconds",
    "prepare_process",
    "resident_bytes",
    "run_limited",
]

START_LIMIT_S = 120.0
PREPARE_LIMIT_S, PREPARE_LIMIT_GIB = 300.0, 4.0
GRACE_S = 0.25
"""The call may know its time limit too and hand over what it has by then."""
TICK_S = 0.02
MAX_IDLE = 4
RECYCLED_BYTES = GIB
"""A process that grew beyond this is not kept: its memory would count against the next call."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

_BOOT = "import sys; sys.path[:] = {path!r}; from tasks.records._isolated import main; main{ends}"
_OUT_OF_MEMORY = ("memory allocation", "bad_alloc", "out of memory", "MemoryError")

Argument = TypeVar("Argument")
Value = TypeVar("Value")
Clock = Literal["wall", "cpu"]


@dataclass(frozen=True)
class Stopped:
    """Why a call has no value.

    Attributes
    ----------
    status : Status
        ``over_budget`` beyond a limit, ``failed`` for an exception or the end of the process.
    reason : str
        One line.
    ending : Ending
        ``time``, ``memory``, ``raised``, ``ended`` (the process died) or ``unstarted``.
    """

    status: Status
    reason: str
    ending: Ending = "raised"


def run_limited(
    function: Callable[[Argument], Value],
    argument: Argument,
    *,
    seconds: float,
    memory_gib: float,
    prepare: Callable[[], object] | None = None,
    clock: Clock = "wall",
) -> Value | Stopped:
    """``function(argument)`` in a process of its own, or why it has no value.

    Parameters
    ----------
    function : callable
        Importable there: of a module's top level, and not of a script.
    argument
        Is pickled, as the value is.
    seconds : float
        Limit of the call. The start of a process, the import of the function's module and
        `prepare` are not counted.
    memory_gib : float
        Limit of the process's resident memory, interpreter (about 0.15 GiB) included.
    prepare : callable, optional
        What a process has to do once before such a call, such as to compile kernels; pickled too.
    clock : {"wall", "cpu"}
        Whether seconds are those of the wall or of the processor (`cpu_seconds`).

    Raises
    ------
    InputError
        If a limit is not a positive number or the call cannot be pickled.
    """
    for name, limit in (("seconds", seconds), ("memory_gib", memory_gib)):
        if not (math.isfinite(limit) and limit > 0):
            raise InputError(f"{name} must be a positive number; got {limit!r}")
    call = _pickled((function, argument))
    return _served(function, prepare, lambda p: p.run(call, seconds, memory_gib, clock))


def prepare_process(
    function: Callable[..., object], prepare: Callable[[], object] | None = None
) -> Stopped | None:
    """Have a process ready for the first such call of `run_limited`, or say what prevents it."""
    return _served(function, prepare, lambda _: None)


def close_processes() -> None:
    """End the idle processes; the next call starts one again."""
    with _lock:
        processes, _idle[:] = list(_idle), []
    for process in processes:
        process.kill()


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 if it is gone or the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _pickled(value: object) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
        message = f"a call in a process of its own takes what can be pickled: {error}"
        raise InputError(message) from error


def cpu_seconds(pid: int | None = None) -> float:
    """CPU time of a process, by default this one, and of all that it started; 0 if it is gone.

    Processes of `run_limited` are among those, so that a call costs what it costs wherever its
    parts run. Their time after their end counts in hundredths of a second.
    """
    pid = os.getpid() if pid is None else pid
    folder = Path(f"/proc/{pid}")
    try:
        # The clock of another process (clock_getcpuclockid).
        own = time.clock_gettime(~pid << 3 | 2)
        ended = map(int, (folder / "stat").read_text().rpartition(")")[2].split()[13:15])
        lists = [path.read_text().split() for path in folder.glob("task/*/children")]
    except OSError:
        return 0.0
    living = sum(cpu_seconds(int(child)) for child in chain.from_iterable(lists))
    return own + sum(ended) / TICKS_PER_SECOND + living


def _seconds(pid: int, clock: Clock) -> float:
    return time.monotonic() if clock == "wall" else cpu_seconds(pid)


class _Process:
    """A process and the parent's ends of its socket, lifeline and error output."""

    def __init__(self) -> None:
        self.ready: set[bytes] = set()
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

    def wait_until_started(self) -> str:
        """What went wrong, or ""."""
        self.channel.settimeout(START_LIMIT_S)
        try:
            started = receive(self.channel) is not None
        except TimeoutError:
            return f"the process did not start within {START_LIMIT_S:g} s"
        return "" if started else f"the process did not start: {self._last_error()}"

    def get_ready(self, function: bytes, prepare: bytes) -> Stopped | None:
        """Import a function and prepare for it, if that was not done before."""
        for step, key in ((load, function), (perform, prepare)):
            if key in self.ready:
                continue
            found = self.run(_pickled((step, key)), PREPARE_LIMIT_S, PREPARE_LIMIT_GIB, "wall")
            if isinstance(found, Stopped):
                reason = f"no process could be prepared: {found.reason}"
                return Stopped(Status.FAILED, reason, "unstarted")
            self.ready.add(key)
        return None

    def run(self, call: bytes, seconds: float, memory_gib: float, clock: Clock) -> Any:
        """The value of one call or `Stopped`; if the process does not survive it, it is killed."""
        alarm = seconds if clock == "wall" else 0.0
        try:
            deadline = _seconds(self.process.pid, clock) + seconds + GRACE_S
            self.channel.settimeout(seconds + GRACE_S)
            send(self.channel, pack_call(call, alarm, int(memory_gib * GIB)))
            self._wait_for_reply(deadline, int(memory_gib * GIB), clock)
            self.channel.settimeout(max(GRACE_S, seconds))
            reply = receive(self.channel)
        except TimeoutError:
            ending, text = "time", ""
        except MemoryError:
            ending, text = "memory", ""
        except OSError:
            ending, text = self._how_it_ended()
        else:
            if reply is not None:
                return _opened(reply, memory_gib)
            ending, text = self._how_it_ended()
        self.kill()
        return _stopped(ending, text, seconds, memory_gib)

    def _wait_for_reply(self, deadline: float, max_bytes: int, clock: Clock) -> None:
        """Until there is one or the process died; TimeoutError or MemoryError at a limit."""
        self.channel.settimeout(TICK_S)
        while True:
            try:
                self.channel.recv(1, socket.MSG_PEEK)
                return
            except TimeoutError:
                if _seconds(self.process.pid, clock) > deadline:
                    raise
            if resident_bytes(self.process.pid) > max_bytes:
                raise MemoryError

    def _how_it_ended(self) -> tuple[Ending, str]:
        last_error = self._last_error()
        code = self.process.returncode
        if code == -signal.SIGALRM:
            return "time", ""
        if any(text in last_error for text in _OUT_OF_MEMORY):
            return "memory", ""
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return "ended", f"the process ended with {name}; {last_error}"

    def _last_error(self) -> str:
        """The last line of the dead process's error output."""
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
            # It leads its session, so its group is named like it.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.forget()

    def forget(self) -> None:
        """Close the parent's ends only."""
        if self.lifeline >= 0:
            self.channel.close()
            os.close(self.lifeline)
            self.errors.close()
            self.lifeline = -1


def _opened(reply: bytes, memory_gib: float) -> Any:
    """The value in a reply, or why it is missing."""
    try:
        ending, value = pickle.loads(reply)
    except Exception as error:  # noqa: BLE001 - whatever the value's class raises
        ending, value = "raised", f"its value cannot be unpickled: {error}"
    return value if ending == "value" else _stopped(ending, value, math.nan, memory_gib)


def _stopped(ending: Ending, text: str, seconds: float, memory_gib: float) -> Stopped:
    """The same words in every execution, as far as possible."""
    if ending == "time":
        return Stopped(Status.OVER_BUDGET, f"stopped after {seconds:g} s; raise seconds", ending)
    if ending == "memory":
        reason = f"stopped above {memory_gib:g} GiB of memory; raise memory_gib"
        return Stopped(Status.OVER_BUDGET, reason, ending)
    return Stopped(Status.FAILED, " ".join(text.split()), ending)


# --- processes at hand --------------------------------------------------------------------------

_idle: list[_Process] = []
_lock = threading.Lock()


def _served(
    function: Callable[..., object],
    prepare: Callable[[], object] | None,
    use: Callable[[_Process], Any],
) -> Any:
    """What `use` makes of a process that is ready for a function, or why none can be had."""
    keys = (_pickled(function), _pickled(prepare))
    process = _take(keys[1])
    if isinstance(process, str):
        return Stopped(Status.FAILED, process, "unstarted")
    try:
        problem = process.get_ready(*keys)
        found = use(process) if problem is None else problem
    except BaseException:
        # Interrupted: its reply would be taken for the next one.
        process.kill()
        raise
    _put_back(process)
    return found


def _take(prepare: bytes) -> _Process | str:
    """An idle process, preferably a prepared one, else a new one; or why none can be had."""
    while True:
        with _lock:
            _idle.sort(key=lambda process: prepare in process.ready)
            process = _idle.pop() if _idle else None
        if process is None:
            return _started()
        if process.process.poll() is None:
            return process
        process.kill()


def _started() -> _Process | str:
    try:
        process = _Process()
    except OSError as error:
        return f"no process could be started: {error}"
    try:
        problem = process.wait_until_started()
    except BaseException:
        process.kill()
        raise
    if problem:
        process.kill()
    return problem or process


def _put_back(process: _Process) -> None:
    if process.lifeline < 0:
        return
    with _lock:
        is_kept = len(_idle) < MAX_IDLE and resident_bytes(process.process.pid) < RECYCLED_BYTES
        if is_kept:
            _idle.append(process)
    if not is_kept:
        process.kill()


def _disown() -> None:
    """In a forked child: the processes are the parent's."""
    global _lock
    _lock = threading.Lock()
    for process in _idle:
        process.forget()
        process.process.returncode = 0  # else subprocess would wait for a process not its own
    _idle.clear()


os.register_at_fork(after_in_child=_disown)
atexit.register(close_processes)
