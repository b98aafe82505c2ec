"""Batched Gram matrices against the plain twin and against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from commands import run_python

from gpu import gram_batches
from gpu.backend import DeviceUnavailableError
from gpu.gram_batches import solve_gram_batch
from gpu.gram_reference import project, solve_gram


def hankel(size):
    """Classes of a univariate polynomial of degree 2 (size - 1)."""
    return np.add.outer(np.arange(size), np.arange(size))


def grid(size):
    """Classes of two variables, degree <= size - 1 in each."""
    first, second = np.divmod(np.arange(size * size), size)
    return np.add.outer(first, first) * 2 * size + np.add.outer(second, second)


def sums(rows, gram, num_classes):
    (entries,) = np.nonzero(rows.ravel() >= 0)
    return np.bincount(rows.ravel()[entries], gram.ravel()[entries], num_classes)


def planted(rows, num, seed, rank=None):
    """Coefficients (num, S) of random positive semidefinite matrices."""
    rng, size = np.random.default_rng(seed), len(rows)
    factors = rng.standard_normal((num, size, rank or size)) / 2
    grams = factors @ factors.transpose(0, 2, 1)
    return np.stack([sums(rows, gram, rows.max() + 1) for gram in grams])


def is_exactly_definite(gram, rows, coefficients):
    """Project the floats onto the equations and eliminate, all in fractions."""
    size = len(gram)
    exact = [[Fraction(float(value)) for value in line] for line in gram]
    for index, coefficient in enumerate(coefficients):
        own = [(i, j) for i in range(size) for j in range(size) if rows[i, j] == index]
        if own:
            missing = Fraction(float(coefficient)) - sum(exact[i][j] for i, j in own)
            for i, j in own:
                exact[i][j] += missing / len(own)
    for k in range(size):
        if exact[k][k] <= 0:
            return False
        for i in range(k + 1, size):
            factor = exact[i][k] / exact[k][k]
            for j in range(k, size):
                exact[i][j] -= factor * exact[k][j]
    return True


@pytest.mark.parametrize("rows", [hankel(6), hankel(12), grid(3), grid(4)], ids=len)
def test_the_batch_takes_the_steps_of_its_twin(rows):
    coefficients = planted(rows, 12, seed=len(rows))
    result = solve_gram_batch(rows, coefficients, device="cpu", single_steps=0)
    for index, own in enumerate(coefficients):
        gram, is_certified, iterations = solve_gram(rows, own)
        assert (result.certified[index], result.iterations[index]) == (is_certified, iterations)
        # Eigenvectors of close eigenvalues differ, the matrices made of them hardly.
        assert np.allclose(result.grams[index], gram, rtol=0, atol=1e-8 * np.abs(gram).max())


@pytest.mark.parametrize("rows", [hankel(5), hankel(10), grid(3), grid(4)], ids=len)
def test_full_rank_instances_are_certified_within_ten_steps(rows):
    result = solve_gram_batch(rows, planted(rows, 100, seed=1), device="cpu")
    assert result.certified.all()
    assert result.iterations.max() <= 10
    assert (result.min_eigenvalues > 0).all()


@pytest.mark.parametrize("rank", [2, 3, 4, 6, 9])
def test_certified_matrices_are_definite_in_exact_arithmetic(rank):
    rows = grid(3)
    coefficients = planted(rows, 20, seed=rank, rank=rank)
    result = solve_gram_batch(rows, coefficients, device="cpu")
    for index in np.flatnonzero(result.certified):
        assert is_exactly_definite(result.grams[index], rows, coefficients[index])
    assert result.certified.any()


def test_what_lies_within_rounding_errors_of_the_boundary_is_not_certified():
    rows = np.array([[0, 1], [1, 2]])
    margins = 2.0 ** -np.arange(20, 53)
    coefficients = np.stack([np.ones(33), np.full(33, 2.0), 1 + margins], axis=1)
    result = solve_gram_batch(rows, coefficients, device="cpu")
    assert result.certified[margins > 1e-13].all()
    assert not result.certified[margins < 1e-15].any()


def test_a_unique_matrix_is_decided_at_once():
    rows = np.array([[0, 1], [1, 2]])
    coefficients = np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 1.0], [1.0, 4.0, 1.0], [0.0, 0.0, 0.0]])
    result = solve_gram_batch(rows, coefficients, device="cpu", single_steps=0)
    assert result.certified.tolist() == [True, False, False, False]
    assert result.iterations.tolist() == [0, 1, 1, 1]
    assert np.array_equal(result.grams[2], [[1, 2], [2, 1]])


def test_no_sum_of_squares_is_seen_where_there_is_none():
    # 1 - x^2 + x^4 has the discriminant of a positive polynomial, 1 - 2.1 x^2 + x^4 has not.
    coefficients = np.array([[1.0, 0, -1.0, 0, 1.0], [1.0, 0, -2.1, 0, 1.0]])
    result = solve_gram_batch(hankel(3), coefficients, device="cpu", max_iterations=200)
    assert result.certified.tolist() == [True, False]


def test_a_boundary_case_uses_up_its_steps():
    # (1 - x^2)^2: every Gram matrix is singular.
    result = solve_gram_batch(
        hankel(3), np.array([[1.0, 0, -2.0, 0, 1.0]]), device="cpu", max_iterations=7
    )
    assert not result.certified[0]
    assert result.iterations[0] == 7


def test_a_coefficient_without_entries_cannot_be_met():
    rows = np.array([[0, 1], [1, 2]])
    coefficients = np.array([[1.0, 0, 1, 0], [1.0, 0, 1, 0.5]])
    result = solve_gram_batch(rows, coefficients, device="cpu")
    assert result.certified.tolist() == [True, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_infinite_coefficient_spoils_its_own_problem_only(value):
    coefficients = planted(hankel(5), 4, seed=0)
    coefficients[2, 3] = value
    result = solve_gram_batch(hankel(5), coefficients, device="cpu")
    assert result.certified.tolist() == [True, True, False, True]


def test_held_entries_are_zero_and_split_the_problem():
    joint = np.full((8, 8), -1)
    joint[:5, :5], joint[5:, 5:] = hankel(5), 9 + hankel(3)
    parts = planted(hankel(5), 6, seed=4), planted(hankel(3), 6, seed=5)
    result = solve_gram_batch(joint, np.concatenate(parts, axis=1), device="cpu")
    assert result.certified.all()
    assert not result.grams[:, :5, 5:].any()
    for gram, *own in zip(result.grams, *parts, strict=True):
        assert np.allclose(sums(hankel(5), gram[:5, :5], 9), own[0])
        assert np.allclose(sums(hankel(3), gram[5:, 5:], 5), own[1])


@pytest.mark.parametrize("shift", [-900, -40, 40, 900])
def test_powers_of_two_go_through(shift):
    coefficients = planted(grid(3), 5, seed=6)
    result = solve_gram_batch(grid(3), coefficients, device="cpu")
    scaled = solve_gram_batch(grid(3), np.ldexp(coefficients, shift), device="cpu")
    assert np.array_equal(scaled.iterations, result.iterations)
    assert np.array_equal(scaled.grams, np.ldexp(result.grams, shift))


def test_every_problem_may_have_its_own_table():
    tables = np.stack([hankel(6), hankel(6)[::-1, ::-1]])
    coefficients = planted(hankel(6), 2, seed=7)
    result = solve_gram_batch(tables, coefficients, device="cpu")
    assert result.certified.all()
    for table, gram, own in zip(tables, result.grams, coefficients, strict=True):
        assert np.allclose(sums(table, gram, 11), own)


def test_batches_and_threads_do_not_matter(monkeypatch):
    coefficients = planted(grid(3), 50, seed=8)
    whole = solve_gram_batch(grid(3), coefficients, device="cpu")
    monkeypatch.setitem(gram_batches._CHUNK, "cpu", 7 * 81)
    split = solve_gram_batch(grid(3), coefficients, device="cpu", num_threads=3)
    assert np.array_equal(split.iterations, whole.iterations)
    # Products in single precision depend on the batch: 6e-8, times the extrapolation of a step.
    assert np.allclose(split.grams, whole.grams, rtol=0, atol=1e-4)


def test_single_precision_costs_no_certificates():
    coefficients = planted(grid(4), 60, seed=9)
    single, double = (
        solve_gram_batch(grid(4), coefficients, device="cpu", single_steps=steps)
        for steps in (30, 0)
    )
    assert single.certified.all()
    assert double.certified.all()
    assert abs(single.iterations.mean() - double.iterations.mean()) < 0.2


def test_an_empty_batch_is_no_error():
    result = solve_gram_batch(hankel(3), np.zeros((0, 5)), device="cpu")
    assert result.grams.shape == (0, 3, 3)
    assert result.min_eigenvalues.shape == (0,)


@pytest.mark.parametrize(
    ("rows", "coefficients", "message"),
    [
        (hankel(3), np.ones(5), r"shape \(N, S\)"),
        (np.ones((2, 3), dtype=int), np.ones((1, 5)), r"\(1, m, m\)"),
        (np.ones((2, 3, 3), dtype=int), np.ones((1, 5)), r"\(1, m, m\)"),
        (hankel(3), np.ones((1, 4)), r"-1\.\.3"),
        (hankel(3) - 2, np.ones((1, 5)), r"-1\.\.4"),
    ],
)
def test_shapes_that_do_not_fit_are_named(rows, coefficients, message):
    with pytest.raises(ValueError, match=message):
        solve_gram_batch(rows, coefficients, device="cpu")


def test_devices_are_checked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceUnavailableError, match="no CUDA device"):
        solve_gram_batch(hankel(3), np.ones((1, 5)), device="cuda")
    with pytest.raises(ValueError, match="auto, cpu, cuda"):
        solve_gram_batch(hankel(3), np.ones((1, 5)), device="tpu")


def test_the_threads_of_torch_are_given_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    solve_gram_batch(hankel(3), planted(hankel(3), 2, seed=0), device="cpu")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_importing_the_module_does_not_import_torch():
    code = "import gpu.gram_batches, sys; sys.exit('torch' in sys.modules)"
    run_python("-c", code)


def test_the_twin_projects_orthogonally():
    rng, rows = np.random.default_rng(0), grid(3)
    gram, coefficients = rng.standard_normal((9, 9)), rng.standard_normal(rows.max() + 1)
    coefficients[[c for c in range(len(coefficients)) if c not in rows]] = 0
    near = project(gram, rows, coefficients)
    other = project(rng.standard_normal((9, 9)), rows, coefficients)
    assert np.allclose(sums(rows, near, len(coefficients)), coefficients)
    assert abs(np.vdot(gram - near, other - near)) < 1e-12


@pytest.mark.gpu
def test_a_gpu_certifies_what_the_cpu_certifies():
    coefficients = planted(grid(5), 2000, seed=10)
    on_gpu, on_cpu = (
        solve_gram_batch(grid(5), coefficients, device=device) for device in ("cuda", "cpu")
    )
    assert np.array_equal(on_gpu.certified, on_cpu.certified)
    assert abs(on_gpu.iterations.mean() - on_cpu.iterations.mean()) < 0.1
