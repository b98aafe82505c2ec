"""The adapter of MOSEK, which need not be installed, run against a stand-in of its interface."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rigged_programs import FORM, LEAST_EIGENVALUE, SQUARES
from scipy import sparse

from tasks.sos.conic.forms import ConicProgram, LinearMap, kernel_form, svec
from tasks.sos.conic.solvers import SolverChoice, scs, solve, unavailability
from tasks.sos.conic.solvers import mosek as mosek_adapter

pytestmark = pytest.mark.usefixtures("fresh_probes")

CLOSE = 1e-6
X_SQUARED = np.arange(3)[:, None] + np.arange(3)  # Hankel: the basis (1, x, x²)
QUARTIC = SimpleNamespace(rows=(X_SQUARED,), monomials=np.arange(5)[:, None])
DOUBLE_WELL = np.array([1.0, 0.5, -4.0, 0.0, 1.0])


def interval_program():
    """The kernel form with a multiplier 1 - x², a block of size 1 and the free variable γ."""
    blocks = [[(1.0, SQUARES)], [(1.0, np.array([[0]])), (-1.0, np.array([[2]]))]]
    mapping = LinearMap.from_terms(blocks, 3, constant=0)
    return kernel_form(mapping, np.array([0.0, 1.0, 0.0]), objective="max_gamma").program


def outside_cone():
    """x⁴ - 4x² + 1."""
    c = DOUBLE_WELL * [1, 0, 1, 1, 1]
    return kernel_form(QUARTIC, c, objective="feasibility").program


def image_program(c, *, level):
    """Slacks t <= 1 and Q0 + y N - t I over (1, x, x²), without equations; or Q0 + y N alone."""
    center = np.array([[c[0], c[1] / 2, 0], [c[1] / 2, c[2], c[3] / 2], [0, c[3] / 2, c[4]]])
    kernel = np.array([[0, 0, 1], [0, -2, 0], [1, 0, 0]])
    if not level:
        columns = -svec(kernel)[:, None]
        return ConicProgram(sparse.csc_array(columns), svec(center), np.zeros(1), 0, 0, (3,))
    columns = np.stack([np.append(0, -svec(kernel)), np.append(1, svec(np.eye(3)))], axis=1)
    b, q = np.append(1, svec(center)), np.array([0.0, -1.0])
    return ConicProgram(sparse.csc_array(columns), b, q, 0, 1, (3,))


PROGRAMS = {
    "kernel": FORM.program,
    "image": image_program(DOUBLE_WELL, level=True),
    "bound": kernel_form(QUARTIC, DOUBLE_WELL, objective="max_gamma").program,
    "interval": interval_program(),
    "infeasible kernel": outside_cone(),
    "infeasible image": image_program(DOUBLE_WELL * [1, 0, 1, 1, 1], level=False),
    "unbounded": replace(FORM.program, q=-FORM.program.q),
    # Two rows for one variable beside an equation: neither reading is direct.
    "mixed": replace(image_program(DOUBLE_WELL, level=True), num_zero=1, num_nonnegative=0),
}


class MosekError(Exception):
    def __init__(self, errno, msg):
        super().__init__(f"rescode({errno}): {msg}")
        self.errno, self.msg = errno, msg


class MosekTask:
    """The part of mosek.Task that poses affine conic constraints; SCS solves."""

    def __init__(self, mosek):
        self.mosek, self.rows, self.domains, self.parameters = mosek, 0, [], {}
        self.solution = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def appendvars(self, n):
        self.num_variables = n

    def putvarbound(self, j, kind, low, high):
        assert kind == "free"

    def putvarboundsliceconst(self, first, last, kind, low, high):
        assert (first, last, kind) == (0, self.num_variables, "free")

    def putcslice(self, first, last, q):
        self.q = np.array(q)

    def putobjsense(self, sense):
        assert sense == "min"

    def appendafes(self, n):
        self.rows = n

    def putafefentrylist(self, rows, columns, values):
        self.F = np.zeros((self.rows, self.num_variables))
        self.F[rows, columns] = values

    def putafegslice(self, first, last, g):
        self.g = np.array(g)

    def appendrzerodomain(self, n):
        return ("z", n)

    def appendrplusdomain(self, n):
        return ("l", n)

    def appendsvecpsdconedomain(self, n):
        return ("s", n)

    def appendaccseq(self, domain, first, b):
        assert (first, b) == (sum(n for _, n in self.domains), None)
        self.domains.append(domain)

    def putdouparam(self, name, value):
        self.parameters[name] = value

    def putintparam(self, name, value):
        self.parameters[name] = value

    def optimize(self):
        if not self.mosek.is_licensed:
            raise MosekError(1008, "License cannot be located.")
        if self.rows:
            self.solution = self._solved()
        return self.mosek.ending

    def _solved(self):
        import scs as scs_package
        from scipy import sparse

        cone = {kind: sum(n for k, n in self.domains if k == kind) for kind in "zl"}
        cone["s"] = [int(np.sqrt(2 * n)) for kind, n in self.domains if kind == "s"]
        data = {"A": sparse.csc_matrix(-self.F), "b": self.g, "c": self.q}
        return scs_package.SCS(data, cone, verbose=False, eps_abs=1e-9, eps_rel=1e-9).solve()

    def getsolsta(self, kind):
        return {1: "optimal", -1: "dual ray", -2: "primal ray"}[self.solution["info"]["status_val"]]

    def getxx(self, kind):
        return self.solution["x"].tolist()

    def getaccdoty(self, kind, k):
        start = sum(n for _, n in self.domains[:k])
        return self.solution["y"][start : start + self.domains[k][1]].tolist()

    def getintinf(self, item):
        return 7


class MosekEnv:
    def __init__(self, mosek):
        self.mosek = mosek

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def Task(self, num_constraints, num_variables):  # noqa: N802 - the package's own name
        return MosekTask(self.mosek)


@pytest.fixture
def mosek(monkeypatch):
    names = ("optimizer_max_time", *(f"intpnt_co_tol_{n}" for n in ("rel_gap", "pfeas", "dfeas")))
    module = SimpleNamespace(
        is_licensed=True,
        ending="ok",
        Error=MosekError,
        boundkey=SimpleNamespace(fr="free"),
        objsense=SimpleNamespace(minimize="min"),
        soltype=SimpleNamespace(itr="interior"),
        solsta=SimpleNamespace(
            optimal="optimal", prim_infeas_cer="primal ray", dual_infeas_cer="dual ray"
        ),
        rescode=SimpleNamespace(trm_max_time="time", trm_max_iterations="iterations"),
        dparam=SimpleNamespace(**{name: name for name in names}),
        iparam=SimpleNamespace(num_threads="threads"),
        iinfitem=SimpleNamespace(intpnt_iter="iterations"),
    )
    module.Env = lambda: MosekEnv(module)
    monkeypatch.setitem(sys.modules, "mosek", module)
    return module


@pytest.mark.parametrize("name", PROGRAMS)
def test_mosek_agrees_with_the_core_solver(mosek, name):
    program = PROGRAMS[name]
    expected = solve(program, SolverChoice(isolated=False))
    found = solve(program, SolverChoice("mosek", tolerance=1e-7, isolated=False))
    assert (found.solver, found.fallback_from) == ("mosek", "")
    assert found.status is expected.status, found.message
    if found.status in ("optimal", "inaccurate"):
        assert found.objective == pytest.approx(expected.objective, abs=CLOSE)


def test_lower_triangle_order_undoes_itself():
    matrix = np.arange(16.0).reshape(4, 4)
    symmetric = matrix + matrix.T
    program = kernel_form(
        LinearMap.from_terms([[(1.0, np.zeros((4, 4), dtype=int))]], 1),
        np.ones(1),
        objective="feasibility",
    ).program
    ordered = np.concatenate([[0], svec(symmetric)])[scs.row_order(program)][1:]
    j, i = np.triu_indices(4)  # the lower triangle, column by column
    scale = np.where(i == j, 1, np.sqrt(2))
    np.testing.assert_allclose(ordered, scale * symmetric[i, j])


def test_mosek_without_a_licence_falls_back_and_says_what_to_do(mosek):
    mosek.is_licensed = False
    assert unavailability("mosek", isolated=False) == (
        "mosek has no valid licence; set MOSEKLM_LICENSE_FILE "
        "(error 1008: License cannot be located.)"
    )
    solution = solve(FORM.program, SolverChoice("mosek", isolated=False))
    assert (solution.solver, solution.fallback_from) == ("clarabel", "mosek")
    assert -solution.objective == pytest.approx(LEAST_EIGENVALUE, abs=CLOSE)
    assert "clarabel was used instead" in solution.message


def test_a_licence_that_expires_between_solves_falls_back_too(mosek):
    assert unavailability("mosek", isolated=False) == ""
    mosek.is_licensed = False
    solution = solve(FORM.program, SolverChoice("mosek", isolated=False))
    assert (solution.solver, solution.fallback_from) == ("clarabel", "mosek")
    assert unavailability("mosek", isolated=False) != ""


def test_mosek_is_told_the_limits(mosek):
    task = MosekTask(mosek)
    mosek_adapter._set_limits(mosek, task, SolverChoice("mosek", 9.0, 1.0, 1e-6))
    assert task.parameters == {
        "optimizer_max_time": 9.0,
        "intpnt_co_tol_rel_gap": 1e-6,
        "intpnt_co_tol_pfeas": 1e-6,
        "intpnt_co_tol_dfeas": 1e-6,
        "threads": 1,
    }
