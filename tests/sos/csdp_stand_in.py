"""A stand-in for the program `csdp PROBLEM SOLUTION`: reads and writes its file formats."""

import sys
from pathlib import Path

import numpy as np
from lmi_oracle import CSDP_CODES, solve_pair

from tasks.sos.conic.forms import smat


def read_sdpa(text):
    """c, the diagonal (k + 1, size) and the blocks (k + 1, m, m) of a file in SDPA format."""
    lines = text.splitlines()
    num_matrices, num_blocks = int(lines[0]), int(lines[1])
    sizes = [int(size) for size in lines[2].split()]
    assert len(sizes) == num_blocks
    c = [float(value) for value in lines[3].split()]
    assert len(c) == num_matrices
    matrices = [np.zeros((num_matrices + 1, abs(size), abs(size))) for size in sizes]
    for line in lines[4:]:
        matrix, block, i, j, value = line.split()
        assert int(i) <= int(j)
        for row, column in {(int(i), int(j)), (int(j), int(i))}:
            assert sizes[int(block) - 1] > 0 or row == column
            matrices[int(block) - 1][int(matrix), row - 1, column - 1] = float(value)
    is_first_diagonal = bool(sizes) and sizes[0] < 0
    assert all(size > 0 for size in sizes[is_first_diagonal:])
    diagonal = np.zeros((num_matrices + 1, 0))
    if is_first_diagonal:
        diagonal = np.array([np.diag(matrix) for matrix in matrices[0]])
    return c, diagonal, matrices[is_first_diagonal:]


def write_solution(w, X, num_diagonal, sizes):
    """The file that CSDP writes; entries of its matrix 1, Z, are of no use here."""
    blocks = [np.diag(X[:num_diagonal])] if num_diagonal else []
    start = num_diagonal
    for m in sizes:
        blocks.append(smat(X[start : start + m * (m + 1) // 2]))
        start += m * (m + 1) // 2
    lines = [" ".join(f"{value:.17e}" for value in w), "1 1 1 1 1.0e+00"]
    for number, block in enumerate(blocks, 1):
        for i, j in zip(*np.nonzero(np.triu(block)), strict=True):
            lines.append(f"2 {number} {i + 1} {j + 1} {block[i, j]:.17e}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    problem, solution = map(Path, sys.argv[1:])
    assert Path("param.csdp").read_text().startswith("axtol=")
    c, diagonal, blocks = read_sdpa(problem.read_text())
    status, w, X = solve_pair(c, diagonal, blocks)
    sizes = [block.shape[1] for block in blocks]
    solution.write_text(write_solution(w, X, diagonal.shape[1], sizes))
    sys.exit(CSDP_CODES[status])
