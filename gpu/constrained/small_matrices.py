"""Symmetric matrices of a few dozen rows: eigenvectors and linear equations, in plain loops.

They are compiled in a moment, and their results do not depend on a library's number of threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["diagonalize", "leading_vector", "smaller_gram", "solve_positive"]

SWEEPS = 30
SQUARINGS = 10


@njit(cache=True, nogil=True)
def smaller_gram(matrix):
    """X'X (q, q) of a tall (p, q), X X' (p, p) of a wide one."""
    p, q = matrix.shape
    size = min(p, q)
    gram = np.zeros((size, size))
    if p >= q:
        for k in range(p):
            for i in range(q):
                factor = matrix[k, i]
                for j in range(i + 1):
                    gram[i, j] += factor * matrix[k, j]
    else:
        for i in range(p):
            for j in range(i + 1):
                total = 0.0
                for k in range(q):
                    total += matrix[i, k] * matrix[j, k]
                gram[i, j] = total
    for i in range(size):
        for j in range(i):
            gram[j, i] = gram[i, j]
    return gram


@njit(cache=True, nogil=True)
def diagonalize(matrix):
    """Rows are eigenvectors of a symmetric matrix, whose diagonal becomes their eigenvalues.

    Cyclic Jacobi rotations (Golub, Van Loan, section 8.5), until what is off the diagonal is lost
    in rounding.
    """
    size = matrix.shape[0]
    vectors = np.eye(size)
    for _ in range(SWEEPS):
        off, on = 0.0, 0.0
        for i in range(size):
            on += matrix[i, i] ** 2
            for j in range(i):
                off += matrix[i, j] ** 2
        if off <= 1e-31 * on:
            break
        for i in range(size):
            for j in range(i):
                if matrix[i, j] ** 2 <= 1e-34 * on:
                    continue
                theta = (matrix[j, j] - matrix[i, i]) / (2.0 * matrix[i, j])
                t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
                t = t if theta >= 0 else -t
                c = 1.0 / math.sqrt(t * t + 1.0)
                s = t * c
                for k in range(size):
                    a, b = matrix[i, k], matrix[j, k]
                    matrix[i, k], matrix[j, k] = c * a - s * b, s * a + c * b
                    a, b = vectors[i, k], vectors[j, k]
                    vectors[i, k], vectors[j, k] = c * a - s * b, s * a + c * b
                for k in range(size):
                    a, b = matrix[k, i], matrix[k, j]
                    matrix[k, i], matrix[k, j] = c * a - s * b, s * a + c * b
    return vectors


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def leading_vector(matrix):
    """Eigenvector (s,) of the largest eigenvalue of a positive semidefinite matrix, not 0.

    Squares of the matrix over its trace tend to the projection onto it.  Where eigenvalues are so
    near to each other that ten squares do not tell them apart, Jacobi rotations do.
    """
    size = matrix.shape[0]
    power, square = np.empty((size, size)), np.empty((size, size))
    trace = 0.0
    for i in range(size):
        trace += matrix[i, i]
    for i in range(size):
        for j in range(size):
            power[i, j] = matrix[i, j] / trace
    for _ in range(SQUARINGS):
        trace = 0.0
        for i in range(size):
            for j in range(size):
                square[i, j] = 0.0
            for k in range(size):
                factor = power[i, k]
                for j in range(size):
                    square[i, j] += factor * power[k, j]
            trace += square[i, i]
        for i in range(size):
            for j in range(size):
                power[i, j] = square[i, j] / trace
        # The trace of the square is 1 less the share of the others, nearly twice.
        if trace >= 1.0 - 1e-13:
            best = 0
            for k in range(size):
                if power[k, k] > power[best, best]:
                    best = k
            total = 0.0
            for k in range(size):
                total += power[best, k] ** 2
            vector = np.empty(size)
            for k in range(size):
                vector[k] = power[best, k] / math.sqrt(total)
            return vector
    vectors = diagonalize(matrix)
    best = 0
    for k in range(size):
        if matrix[k, k] > matrix[best, best]:
            best = k
    return vectors[best]


@njit(cache=True, nogil=True)
def solve_positive(matrix, right):
    """Solve a positive definite system in place: `right` becomes the answer (Cholesky)."""
    size = right.size
    for j in range(size):
        for i in range(j, size):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            # A pivot that is lost in rounding leaves its unknown alone.
            if i == j:
                matrix[j, j] = math.sqrt(total) if total > 0 else np.inf
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(size):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]
