"""Ways to find a sum of squares, ours and others', each as a call to be timed.

All get the same planted polynomial; interpreters, imports, compilation and the drawing of the
polynomial are not counted.  Our numbers, the conic forms and the cvxpy model get the Gram problem,
its table of classes and nothing derived from it, and count the building of their own model;
SumOfSquares.py and our own full path get the polynomial alone.

Whatever matrices come out are projected onto the equations once the clock has stopped; `certified`
then says that they pass the test lambda_min > m max|residual|, and otherwise the least eigenvalue
is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.limits import Judge, Prepared
from tasks.lattice.polytopes import half_newton_points
from tasks.records.seeds import stream
from tasks.sos.bases.monomial_bases import even_sqrt_basis
from tasks.sos.bases.rules import BasisRule
from tasks.sos.certify import Settings, certify
from tasks.sos.conic.forms import Objective, kernel_form
from tasks.sos.conic.solvers import SolverChoice, SolverStatus, solve
from tasks.sos.gram.completion import complete_by_rank
from tasks.sos.gram.interior import diagonal_weights
from tasks.sos.gram.numerics import solve_numerically
from tasks.sos.gram.problem import GramProblem, Grams
from tasks.sos.polynomials.polynomial import Polynomial
from tests.sos.planted import Structure, planted

TOLERANCE = 1e-6
"""Of every conic solver, absolute and relative; t is the level of strict feasibility."""
Cell = tuple[int, int, int]
"""Variables, degree, size."""


def polynomial_of(cell: Cell, structure: Structure, seed: int) -> Polynomial:
    """The planted polynomial of a cell."""
    return planted(*cell, structure, stream(seed, "benchmark", *cell)).polynomial


def gram_problem(cell: Cell, structure: Structure, seed: int) -> GramProblem:
    """Its Gram problem over the even square roots, one block."""
    p = polynomial_of(cell, structure, seed)
    return GramProblem.of(p, (even_sqrt_basis(p.exponents),))


def judged(problem: GramProblem, grams: Grams) -> tuple[bool, str]:
    """Whether matrices are feasible to the tolerance; and if they prove it, or what they lack."""
    projected = problem.projected(grams)
    missing = np.abs(problem.target - problem.class_sums(projected)) / problem.class_sizes
    lowest = min(float(np.linalg.eigvalsh(gram)[0]) for gram in projected)
    largest = max(float(np.abs(gram).max()) for gram in projected)
    size = sum(problem.sizes)
    is_certified = lowest > size * (missing.max() + 4 * (size + 3) * 2.0**-53 * largest)
    note = "certified" if is_certified else f"lambda_min {lowest:.0e}"
    return lowest > -TOLERANCE, note


def _noted(note: str, problem: GramProblem, grams: Grams) -> tuple[bool, str]:
    is_feasible, quality = judged(problem, grams)
    return is_feasible, f"{note}, {quality}"


def our_proof(cell: Cell, structure: Structure, seed: int, basis: BasisRule = "auto") -> Prepared:
    """Polynomial to exact certificate."""
    certify(polynomial_of((2, 4, 4), "dense", 0))
    p = polynomial_of(cell, structure, seed)

    def call() -> Judge:
        found = certify(p, Settings(basis=basis, memory_gib=8.0))

        def judge() -> tuple[bool, str]:
            tried = ", ".join(f"m {a.basis_size} K {a.num_free}" for a in found.attempts)
            note = f"{found.verdict.value}: {found.reason}; {tried}"
            return found.verdict.value == "proved", note

        return judge

    return call


def our_numbers(cell: Cell, structure: Structure, seed: int) -> Prepared:
    """Gram problem to matrices, as on the way to a proof: completed, definite, or by a path."""
    for warm in ("dense", "low_rank"):
        tiny = gram_problem((2, 4, 4), warm, 0)
        complete_by_rank(tiny, diagonal_weights(tiny))
        solve_numerically(tiny)
    given = gram_problem(cell, structure, seed)

    def call() -> Judge:
        problem = replace(given)
        completed = complete_by_rank(problem, diagonal_weights(problem))
        if completed is not None:
            return lambda: _noted("completed", problem, completed)
        found = solve_numerically(problem)
        note = f"{found.form}, {found.feasibility}, {found.num_steps} steps, t {found.lower:.0e}"
        return lambda: _noted(note, problem, found.grams)

    return call


def kernel_conic(
    cell: Cell,
    structure: Structure,
    seed: int,
    solver: str,
    objective: Objective,
    basis: str = "even-sqrt",
    tolerance: float = TOLERANCE,
) -> Prepared:
    """Kernel form, built directly as a sparse matrix."""
    p = polynomial_of(cell, structure, seed)
    is_newton = basis == "newton"
    rows = half_newton_points(p.exponents).points if is_newton else even_sqrt_basis(p.exponents)
    given = GramProblem.of(p, (rows,))
    tiny = gram_problem((2, 4, 4), "dense", 0)
    solve(kernel_form(tiny, tiny.target).program, SolverChoice(solver, isolated=False))

    def call() -> Judge:
        problem = replace(given)
        form = kernel_form(problem, problem.target, objective=objective)
        found = solve(form.program, SolverChoice(solver, 1e6, 1e3, tolerance, isolated=False))
        grams = form.recover(found).grams

        def judge() -> tuple[bool, str]:
            quality = judged(problem, grams)[1] if grams else "no point"
            note = f"{found.status.value}, {found.iterations} steps, {quality}"
            return found.status is SolverStatus.OPTIMAL, note

        return judge

    return call


def cvxpy_clarabel(cell: Cell, structure: Structure, seed: int) -> Prepared:
    """A cvxpy model of the Gram problem: one matrix variable, one sparse equation."""
    import cvxpy as cp
    from scipy import sparse

    given = gram_problem(cell, structure, seed)

    def call() -> Judge:
        problem = replace(given)
        (rows,) = problem.rows
        entries = (np.ones(rows.size), (rows.ravel(), np.arange(rows.size)))
        sums = sparse.csr_array(entries, shape=(problem.num_monomials, rows.size))
        gram = cp.Variable(rows.shape, PSD=True)
        model = cp.Problem(cp.Minimize(0), [sums @ cp.vec(gram, order="C") == problem.target])
        limits = dict.fromkeys(("tol_feas", "tol_gap_abs", "tol_gap_rel"), TOLERANCE)
        model.solve(solver="CLARABEL", **limits)

        def judge() -> tuple[bool, str]:
            quality = "no point"
            if gram.value is not None:
                quality = judged(problem, (np.array(gram.value),))[1]
            return model.status == "optimal", f"{model.status}, {quality}"

        return judge

    return call


def sumofsquares_py(cell: Cell, structure: Structure, seed: int) -> Prepared:
    """SumOfSquares.py with its Newton polytope option and CVXOPT."""
    import sympy
    from SumOfSquares import SOSProblem

    p = polynomial_of(cell, structure, seed)
    symbols = sympy.symbols(p.variables)
    terms = {
        exponent: sympy.Rational(int(value.p), int(value.q))
        for exponent, value in p.terms().items()
    }
    expression = sympy.Poly(terms, *symbols).as_expr()

    def call() -> Judge:
        problem = SOSProblem()
        problem.add_sos_constraint(expression, list(symbols), sparse=True)
        limits = {f"{side}_{kind}_tol": TOLERANCE for side in ("rel", "abs") for kind in KINDS}
        solution = problem.solve(solver="cvxopt", **limits)
        status = str(solution.problemStatus)
        return lambda: (status == "feasible", status)

    return call


KINDS = ("prim_fsb", "dual_fsb", "ipm_opt")
"""Tolerances that picos names."""

SAME_BASIS = {
    f"{title} kernel form, {words}": (kernel_conic, solver, objective)
    for title, solver in (("SCS", "scs"), ("Clarabel", "clarabel"))
    for words, objective in (("feasibility", "feasibility"), ("max t", "max_t"))
}
"""Conic solvers on the basis of even square roots."""
ACCURATE = {
    "SCS kernel form, max t, to 1e-10": (kernel_conic, "scs", "max_t", "even-sqrt", 1e-10),
}
"""As accurate as our own numbers are where they are of low rank."""
OURS = {
    "ours, with proof": (our_proof,),
    "ours, numbers alone": (our_numbers,),
}
NEWTON_SCS = {
    "SCS kernel form, half Newton, feasibility": (kernel_conic, "scs", "feasibility", "newton"),
    "SCS kernel form, half Newton, max t": (kernel_conic, "scs", "max_t", "newton"),
}
OTHERS = {
    "cvxpy + Clarabel": (cvxpy_clarabel,),
    "SumOfSquares.py": (sumofsquares_py,),
    "ours, half Newton, with proof": (our_proof, "newton"),
    "ours, full basis, with proof": (our_proof, "full"),
}
QUICK = (*OURS, *list(SAME_BASIS)[:2], *ACCURATE)
"""Ours, and SCS on the same basis."""
CONTESTANTS: dict[str, tuple[Callable[..., Prepared], *tuple[str | float, ...]]] = {
    **OURS,
    **SAME_BASIS,
    **ACCURATE,
    **NEWTON_SCS,
    **OTHERS,
}
"""Name -> what prepares the call, and its arguments after the seed."""
