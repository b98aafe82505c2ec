"""Fixtures that run programs."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from programs import Program  # isort: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """Home of temporary files of a program; short, as Ray's sockets need it."""
    with tempfile.TemporaryDirectory(prefix="lt-", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def run(folder) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def start(code: str, **environment: str) -> Program:
        programs.append(Program(code, folder, **environment))
        return programs[-1]

    yield start
    for program in programs:
        for member in program.members():
            os.kill(member, signal.SIGKILL)
