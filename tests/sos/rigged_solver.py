"""An adapter that misbehaves as the program asks; it runs in the solver's process."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.sos.conic._cone_program import ConicProgram
from tasks.sos.conic.solvers._status import Answer, SolverChoice, SolverStatus, SolverUnavailable

CHUNK = 4 << 20  # float64 numbers: 32 MiB
NOTHING = np.zeros(0)


@dataclass(frozen=True, eq=False)
class RiggedProgram(ConicProgram):
    """A program with instructions for the solver."""

    behavior: str = ""
    certificate: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, program: ConicProgram, behavior: str) -> RiggedProgram:
        return cls(**vars(program), behavior=behavior)


def probe() -> None:
    """Always there."""


def solve(program: RiggedProgram, choice: SolverChoice) -> Answer:
    return BEHAVIORS[program.behavior](program, choice)


def honest(program, limits):
    from tasks.sos.conic.solvers import clarabel

    return clarabel.solve(program, limits)


def lies_about_the_optimum(program, limits):
    answer = honest(program, limits)
    return replace(answer, x=answer.x + 0.01)


def is_a_little_off(program, limits):
    answer = honest(program, limits)
    return replace(answer, x=answer.x + 1e-6)


def stops_at_a_good_point(program, limits):
    return replace(honest(program, limits), status=SolverStatus.ITERATION_LIMIT)


def lies_about_infeasibility(program, limits):
    y = np.zeros(len(program.b))
    y[0] = -1.0
    return Answer(SolverStatus.PRIMAL_INFEASIBLE, NOTHING, NOTHING, y)


def claims_infeasibility_by(program, limits):
    return Answer(SolverStatus.PRIMAL_INFEASIBLE, NOTHING, NOTHING, program.certificate)


def lies_about_unboundedness(program, limits):
    x = np.ones(len(program.q))
    return Answer(SolverStatus.DUAL_INFEASIBLE, x, -(program.A @ x), NOTHING)


def answers_not_a_number(program, limits):
    answer = honest(program, limits)
    return replace(answer, x=np.full_like(answer.x, np.nan))


def answers_too_little(program, limits):
    return _nothing(SolverStatus.OPTIMAL)


def hangs(program, limits):
    while True:
        time.sleep(1)


def crashes(program, limits):
    os.kill(os.getpid(), signal.SIGSEGV)


def leaves(program, limits):
    os._exit(3)


def aborts_for_memory(program, limits):
    os.write(2, b"memory allocation of 8589934592 bytes failed\n")
    os.abort()


def eats_memory(program, limits):
    eaten = []
    while True:
        eaten.append(np.ones(CHUNK))


def asks_for_too_much_at_once(program, limits):
    np.ones(1 << 34)


def raises(program, limits):
    raise ValueError("no\nidea")


def panics(program, limits):
    raise BaseException("thread panicked")


def loses_its_licence(program, limits):
    raise SolverUnavailable("rigged has no licence")


def _nothing(status: SolverStatus, message: str = "") -> Answer:
    return Answer(status, NOTHING, NOTHING, NOTHING, message=message)


BEHAVIORS = {
    function.__name__: function
    for function in (
        honest, lies_about_the_optimum, is_a_little_off, stops_at_a_good_point,
        lies_about_infeasibility,
        claims_infeasibility_by, lies_about_unboundedness, answers_not_a_number,
        answers_too_little, hangs, crashes, leaves,
        aborts_for_memory, eats_memory, asks_for_too_much_at_once, raises, panics,
        loses_its_licence,
    )
}  # fmt: skip
