"""The program that runs CP-SAT: models in at its standard input, solutions out at its output.

OR-Tools brings a HiGHS of its own, which does not live in one process with that of SciPy or
highspy: imports fail, or the process dies when it ends.  So CP-SAT has a process for itself
(`solver_process`).  This file imports OR-Tools and the standard library alone, and is started by
its path.  When its input closes, as it does when its parent dies, it ends at once, in the middle of
a search as well.

A model is `MODEL` (numbers of variables and of pairs, seed, deterministic time), the pairs as
int32, and one byte for each variable, its hint.  The answer is `ANSWER` (whether a solution was
found, the bound of the objective) and one byte for each variable.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from array import array
from queue import SimpleQueue
from struct import Struct

__all__ = ["ANSWER", "MODEL", "main"]

MODEL = Struct("=qqqd")
ANSWER = Struct("=qq")
PAIR_BYTES = 8


def main() -> None:
    """Serve models until the input closes; an error is written out and ends the process."""
    models: SimpleQueue[tuple[tuple[int, int, int, float], bytes]] = SimpleQueue()
    threading.Thread(target=_read, args=(models,), daemon=True).start()
    try:
        while True:
            _write(_solved(*models.get()))
    except BaseException:  # noqa: BLE001 - its last line is what the parent reports
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _read(models: SimpleQueue[tuple[tuple[int, int, int, float], bytes]]) -> None:
    while True:
        header = MODEL.unpack(_exactly(MODEL.size))
        models.put((header, _exactly(PAIR_BYTES * header[1] + header[0])))


def _exactly(size: int) -> bytes:
    """So many bytes of the input; at its end the process ends, whatever it does."""
    data = bytearray()
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            os._exit(0)
        data += part
    return bytes(data)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _solved(header: tuple[int, int, int, float], data: bytes) -> bytes:
    """Take as many variables as possible, at most one of each pair."""
    from ortools.sat.python import cp_model

    count, num_pairs, seed, work = header
    pairs, hint = array("i", data[: PAIR_BYTES * num_pairs]), data[PAIR_BYTES * num_pairs :]
    model = cp_model.CpModel()
    literals = [model.new_bool_var("") for _ in range(count)]
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        model.add_at_most_one(literals[first], literals[second])
    for literal, is_taken in zip(literals, hint, strict=True):
        model.add_hint(literal, bool(is_taken))
    model.maximize(sum(literals))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.linearization_level = 2  # the linear relaxation is nearly tight
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = work
    is_found = solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    bound = int(solver.best_objective_bound + 1e-6)
    taken = bytes(is_found and solver.boolean_value(literal) for literal in literals)
    return ANSWER.pack(is_found, bound) + taken


if __name__ == "__main__":
    main()
