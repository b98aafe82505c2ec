"""The supervised child process, in programs of their own: a test process has threads."""

import signal
import subprocess

import pytest
from commands import finish, has_ended, start_python, wait_until

PROGRAM = """
import os, signal, sys, time
from workers.supervision import abandon, supervise
def wait_for(hits):
    while not hits: time.sleep(0.01)
    time.sleep(0.5)  # a second signal would have come by now
    return 40 + len(hits)
def call():
    {body}
verdict = supervise(call)
print("verdict", verdict.code, verdict.reason, flush=True)
"""


def started(body, program=PROGRAM):
    return start_python("-c", program.format(body=body), stdin=subprocess.PIPE)


def ended(body):
    out, err = finish(started(body))
    return out.splitlines(), err


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_the_code_of_the_call_comes_back(code):
    out, err = ended(f"print('work'); return {code}")
    assert (out, err) == (["work", f"verdict {code} "], "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "the flow's process was ended by SIGKILL"),
        ("os.abort()", "the flow's process was ended by SIGABRT"),
        ("os._exit(7)", "the flow's process ended without an answer, exit code 7"),
        ("abandon('the server is gone')", "the server is gone"),
    ],
)
def test_a_call_that_is_cut_off_is_reported(body, reason):
    out, _ = ended(body)
    assert out[-1] == f"verdict 1 {reason}"


def test_an_exit_handler_cannot_change_the_answer():
    out, _ = ended("import atexit; atexit.register(os._exit, 9); return 0")
    assert out[-1] == "verdict 0 "


def test_a_call_ends_after_its_exit_handlers_and_before_those_of_compiled_code():
    # C++'s handlers end the process by `terminate` where a thread is still in compiled code.
    body = (
        "import atexit, ctypes; libc = ctypes.CDLL(None); "
        "libc.__cxa_atexit(libc.puts, b'compiled code', None); "
        "atexit.register(print, 'handler'); print('work'); return 130"
    )
    out, err = ended(body)
    assert (out, err) == (["work", "handler", "verdict 130 "], "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_call_once(number):
    body = (
        f"hits = []; signal.signal({int(number)}, lambda *_: hits.append(1)); "
        "print('ready', flush=True); return wait_for(hits)"
    )
    process = started(body)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, _ = finish(process)
    assert out.splitlines()[-1] == "verdict 41 "


def test_a_signal_before_the_supervisor_waits_reaches_the_call():
    slow_fork = (
        "fork = os.fork\n"
        "def slow():\n"
        "    child = fork()\n"
        "    if child: sys.stdin.readline()\n"
        "    return child\n"
        "os.fork = slow\n"
    )
    body = "hits = []; signal.signal(2, lambda *_: hits.append(1)); print('ready', flush=True); "
    program = PROGRAM.replace("verdict =", f"{slow_fork}verdict =")
    process = started(f"{body}return wait_for(hits)", program)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.stdin.write("go on\n")
    process.stdin.flush()
    out, _ = finish(process)
    assert out.splitlines()[-1] == "verdict 41 "


def test_a_killed_supervisor_takes_the_call_along():
    process = started("print(os.getpid(), flush=True); time.sleep(600); return 0")
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    wait_until(lambda: has_ended(child))
