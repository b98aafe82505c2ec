"""CP-SAT from outside: a process that runs `cp_sat`, asked for one solution after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tasks.coloring.construction.grids.cp_sat import ANSWER, MODEL
from tasks.records.errors import LatticeworkError

__all__ = ["Answer", "SolverEndedError", "SolverProcess"]

PROGRAM = Path(__file__).with_name("cp_sat.py")


class SolverEndedError(LatticeworkError):
    """The process of CP-SAT ended before it answered."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What CP-SAT said.

    Attributes
    ----------
    taken : (v,) bool, or None
        The best solution that was found, if one was.
    bound
        No more variables can be taken.
    """

    taken: NDArray[np.bool_] | None
    bound: int


class SolverProcess:
    """A process that lives while the context does, and no longer than its parent."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the context
        paths = [entry for entry in sys.path if isinstance(entry, str)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()
        self._errors.close()

    def solve(
        self, exclusions: NDArray[np.integer], hint: NDArray[np.bool_], work: float, seed: int
    ) -> Answer:
        """Take as many of some variables as possible.

        Parameters
        ----------
        exclusions : (e, 2)
            Pairs of variables of which at most one is taken.
        hint : (v,) bool
            A solution to begin with.
        work
            Deterministic time.
        seed
            From 0 to 2^31 - 1.

        Raises
        ------
        SolverEndedError
            If the process ends, for whatever reason.
        """
        header = MODEL.pack(len(hint), len(exclusions), seed, work)
        model = header + exclusions.astype(np.int32).tobytes() + hint.astype(np.uint8).tobytes()
        size = ANSWER.size + len(hint)
        # It may have ended already, and says below why.
        with suppress(BrokenPipeError):
            self._input.write(model)
            self._input.flush()
        found = self._output.read(size)
        if len(found) < size:
            raise SolverEndedError(self._why_it_ended())
        is_found, bound = ANSWER.unpack_from(found)
        taken = np.frombuffer(found, np.bool_, offset=ANSWER.size)
        return Answer(taken if is_found else None, bound)

    def _why_it_ended(self) -> str:
        code = self._end()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"the process of CP-SAT ended with {how}; {last}"

    def _end(self) -> int:
        """Close the input, which ends the process at once; its exit code."""
        # What was not written any more is of no use.
        with suppress(BrokenPipeError):
            self._input.close()
        self._output.close()
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
