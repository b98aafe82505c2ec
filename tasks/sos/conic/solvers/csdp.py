"""Adapter for CSDP: a program that reads and writes files in the SDPA sparse format.

References
----------
Borchers: CSDP, a C library for semidefinite programming, Optim. Methods Softw. 11 (1999).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tasks.sos.conic._cone_program import ConicProgram, Floats, svec_length
from tasks.sos.conic.solvers._sdpa_form import SdpaPair, entry_places, sdpa_pair, sdpa_text
from tasks.sos.conic.solvers._status import Answer, Limits, SolverStatus, SolverUnavailable

PR_SET_PDEATHSIG = 1
_FAILED_CODES = {
    4: SolverStatus.ITERATION_LIMIT,
    5: SolverStatus.FAILED,
    6: SolverStatus.FAILED,
    7: SolverStatus.FAILED,
    8: SolverStatus.FAILED,
    9: SolverStatus.FAILED,
}
_PARAMETERS = """\
axtol={tolerance}
atytol={tolerance}
objtol={tolerance}
pinftol=1e8
dinftol=1e8
maxiter=200
minstepfrac=0.9
maxstepfrac=0.97
minstepp=1e-8
minstepd=1e-8
usexzgap=1
tweakgap=0
affine=0
printlevel=0
perturbobj=1
fastmode=0
"""


def probe() -> None:
    """Raise `SolverUnavailable` if there is no program `csdp` on the PATH."""
    if shutil.which("csdp") is None:
        raise SolverUnavailable("csdp is not installed: no program 'csdp' on the PATH")


def solve(program: ConicProgram, limits: Limits) -> Answer:
    """One solve in a directory of its own."""
    probe()
    pair = sdpa_pair(program)
    with tempfile.TemporaryDirectory(prefix="csdp-") as folder:
        problem, solution = Path(folder, "problem.dat-s"), Path(folder, "solution")
        problem.write_text(sdpa_text(pair))
        Path(folder, "param.csdp").write_text(_PARAMETERS.format(tolerance=limits.tolerance))
        try:
            done = subprocess.run(
                ["csdp", problem.name, solution.name],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=limits.time_limit_s,
                preexec_fn=_die_with_parent,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            nothing = np.zeros(0)
            return Answer(SolverStatus.TIME_LIMIT, nothing, nothing, nothing)
        return _answer(pair, done, solution)


def _die_with_parent() -> None:
    """The worker process has one thread, so its death is the thread's."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _answer(pair: SdpaPair, done: subprocess.CompletedProcess[str], solution: Path) -> Answer:
    code = done.returncode
    words = (done.stdout + done.stderr).strip().splitlines()
    message = f"csdp: exit code {code}" + (f", {words[-1].strip()}" if words else "")
    if not solution.exists():
        nothing = np.zeros(0)
        crashed = SolverStatus.CRASHED if code < 0 else SolverStatus.FAILED
        return Answer(crashed, nothing, nothing, nothing, message=message)
    w, X = parse_solution(solution.read_text(), pair)
    return pair.answer(w, X, status=_status(pair, code), message=message if code else "")


def _status(pair: SdpaPair, code: int) -> SolverStatus:
    """CSDP calls (D) its primal problem."""
    infeasible = (SolverStatus.PRIMAL_INFEASIBLE, SolverStatus.DUAL_INFEASIBLE)
    match code:
        case 0:
            return SolverStatus.OPTIMAL
        case 3:
            return SolverStatus.INACCURATE
        case 1 | 2:
            return infeasible[(code - 1) ^ (not pair.is_dual)]
    return _FAILED_CODES.get(code, SolverStatus.FAILED)


def parse_solution(text: str, pair: SdpaPair) -> tuple[Floats, Floats]:
    """w and X of CSDP's solution file: a line w, then lines `matrix block i j value`, X is 2.

    X is a column like F0.
    """
    head, _, body = text.partition("\n")
    w = np.array(head.split(), dtype=np.float64)
    table = np.array(body.split(), dtype=np.float64).reshape(-1, 5)
    table = table[table[:, 0] == 2]
    scale = entry_places(pair)[-1]
    first = np.concatenate([[0], np.cumsum(_block_lengths(pair))])
    block, low, high = table[:, 1:4].astype(np.int64).T
    low, high = np.minimum(low, high), np.maximum(low, high)
    is_diagonal = (block == 1) & (pair.num_diagonal > 0)
    place = first[block - 1] + np.where(is_diagonal, low - 1, high * (high - 1) // 2 + low - 1)
    X = np.zeros(len(scale))
    X[place] = table[:, 4] * scale[place]
    return w, X


def _block_lengths(pair: SdpaPair) -> list[int]:
    diagonal = [pair.num_diagonal] if pair.num_diagonal else []
    return [*diagonal, *map(svec_length, pair.psd_sizes)]
