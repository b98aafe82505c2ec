"""Programs that tests run. Whatever goes otherwise than wanted is told with what they wrote."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 240.0
"""How long a test waits for what should come at once; less than a test's own limit."""


def run_command(
    command: Sequence[str], *, code: int = 0, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which has to be this exit code."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == code, ended(command, done.returncode, done.stdout, done.stderr)
    return done


def run_python(*arguments: str, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run this Python with these arguments to its end, which has to be this exit code."""
    return run_command([sys.executable, *arguments], code=code, **options)


def start_python(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start this Python with these arguments, to be ended by `finish`."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, *arguments], text=True, **(pipes | options))


def start_flow(prefect_api: str, *arguments: str) -> subprocess.Popen[str]:
    """Start our command in a process group of its own, with this Prefect server."""
    environment = os.environ | {"PREFECT_API_URL": prefect_api}
    return start_python("-m", "flows.cli", *arguments, env=environment, start_new_session=True)


def finish(process: subprocess.Popen[str], *, code: int = 0) -> tuple[str, str]:
    """What a process wrote to its two streams until its end, which has to be this exit code."""
    try:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired as late:
        process.kill()
        raise AssertionError(ended(process.args, None, late.output, late.stderr)) from late
    assert process.returncode == code, ended(process.args, process.returncode, out, err)
    return out, err


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    """Read what a process writes to stderr until a line has these words."""
    lines: list[str] = []
    assert process.stderr is not None
    while not lines or words not in lines[-1]:
        line = process.stderr.readline()
        assert line, f"no line has {words!r}:\n{''.join(lines)}"
        lines.append(line)


def wait_until(
    condition: Callable[[], object], process: subprocess.Popen[str] | None = None
) -> None:
    """Return when something is so; fail after some minutes, or when a process ends before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(ended(process.args, process.returncode, *process.communicate()))
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def ended(command: object, code: int | None, out: object, err: object) -> str:
    """How a process ended, for people."""
    return f"{command} ended with {code}\n--- stdout\n{out or ''}\n--- stderr\n{err or ''}"


def has_ended(process: int) -> bool:
    """Whether a process is gone, or dead and not yet collected."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] == "Z"
