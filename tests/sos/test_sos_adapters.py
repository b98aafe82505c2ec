"""Adapters of solvers that need not be installed, run against stand-ins with their interfaces."""

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from csdp_stand_in import read_sdpa
from lmi_oracle import solve_pair
from rigged_programs import FORM, LEAST_EIGENVALUE, SQUARES

from tasks.sos.conic.forms import LinearMap, image_form, kernel_form, smat, svec
from tasks.sos.conic.solvers import SolverStatus, scs, solve, unavailability
from tasks.sos.conic.solvers import mosek as mosek_adapter
from tasks.sos.conic.solvers._sdpa_form import sdpa_pair, sdpa_text
from tasks.sos.conic.solvers._status import Limits

pytestmark = pytest.mark.usefixtures("fresh_probes")

HERE = Path(__file__).parent
CLOSE = 1e-6
X_SQUARED = np.arange(3)[:, None] + np.arange(3)  # Hankel: the basis (1, x, x²)
QUARTIC = SimpleNamespace(rows=(X_SQUARED,), monomials=np.arange(5)[:, None])
DOUBLE_WELL = np.array([1.0, 0.5, -4.0, 0.0, 1.0])


def interval_program():
    """The kernel form with a multiplier 1 - x², a block of size 1 and the free variable γ."""
    blocks = [[(1.0, SQUARES)], [(1.0, np.array([[0]])), (-1.0, np.array([[2]]))]]
    mapping = LinearMap.from_terms(blocks, 3, constant=0)
    return kernel_form(mapping, np.array([0.0, 1.0, 0.0]), objective="max_gamma").program


def outside_cone(build):
    """x⁴ - 4x² + 1."""
    c = DOUBLE_WELL * [1, 0, 1, 1, 1]
    return build(QUARTIC, c, objective="feasibility").program


PROGRAMS = {
    "kernel": FORM.program,
    "image": image_form(QUARTIC, DOUBLE_WELL).program,
    "bound": kernel_form(QUARTIC, DOUBLE_WELL, objective="max_gamma").program,
    "interval": interval_program(),
    "infeasible kernel": outside_cone(kernel_form),
    "infeasible image": outside_cone(image_form),
    "unbounded": replace(FORM.program, q=-FORM.program.q),
    # Two rows for one variable beside an equation: neither reading is direct.
    "mixed": replace(image_form(QUARTIC, DOUBLE_WELL).program, num_zero=1, num_nonnegative=0),
}


@pytest.fixture
def csdp(monkeypatch, tmp_path):
    """A program `csdp` on the PATH."""
    program = tmp_path / "csdp"
    stand_in = HERE / "csdp_stand_in.py"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stand_in}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


def sdpap_solve(A, b, c, K, J, option):
    """sdpap.solve for A x - b in R_+^l x PSD(s) with x free; dual matrices as full columns."""
    assert (K.f, K.l, K.s, J.f) == (A.shape[1], 0, (), 0)
    assert {"print", "numThreads", "epsilonStar", "epsilonDash"} == set(option)
    columns = np.concatenate([b.toarray(), A.toarray()], axis=1).T
    starts = np.cumsum([J.l, *(m * m for m in J.s)])
    blocks = [
        columns[:, start : start + m * m].reshape(-1, m, m)
        for start, m in zip(starts, J.s, strict=False)
    ]
    status, w, X = solve_pair(c.toarray().ravel(), columns[:, : J.l], blocks)
    start, full = J.l, [X[: J.l]]
    for m in J.s:
        full.append(smat(X[start : start + m * (m + 1) // 2]).ravel())
        start += m * (m + 1) // 2
    phase = {"optimal": "pdOPT", "inaccurate": "pdFEAS"}.get(status.value, "pdINF")
    return w[:, None], np.concatenate(full)[:, None], {"phasevalue": phase}, {}, {}


@pytest.fixture
def sdpa(monkeypatch):
    def sym_cone(f=0, l=0, q=(), s=()):
        return SimpleNamespace(f=f, l=l, q=q, s=s)

    module = SimpleNamespace(solve=sdpap_solve, SymCone=sym_cone)
    monkeypatch.setitem(sys.modules, "sdpap", module)


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


@pytest.mark.parametrize("solver", ["csdp", "sdpa", "mosek"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_adapter_agrees_with_the_core_solver(request, solver, name):
    request.getfixturevalue(solver)
    program = PROGRAMS[name]
    expected = solve(program, isolated=False)
    found = solve(program, solver, isolated=False, tolerance=1e-7)
    assert (found.solver, found.fallback_from) == (solver, "")
    assert found.status is expected.status, found.message
    if found.status.has_point:
        assert found.objective == pytest.approx(expected.objective, abs=CLOSE)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_written_file_reads_back_as_the_pair(name):
    pair = sdpa_pair(PROGRAMS[name])
    c, diagonal, blocks = read_sdpa(sdpa_text(pair))
    np.testing.assert_array_equal(c, pair.c)
    columns = np.concatenate([diagonal, *(np.array([svec(m) for m in b]) for b in blocks)], axis=1)
    np.testing.assert_allclose(columns[0], pair.F0, rtol=1e-15)
    np.testing.assert_allclose(columns[1:].T, pair.F.toarray(), rtol=1e-15)
    assert tuple(block.shape[1] for block in blocks) == pair.psd_sizes


def test_the_kernel_form_is_read_as_the_dual_and_the_image_form_as_the_primal():
    kernel, image = sdpa_pair(PROGRAMS["kernel"]), sdpa_pair(PROGRAMS["image"])
    assert (kernel.is_dual, len(kernel.c)) == (True, 3)
    assert (image.is_dual, len(image.c)) == (False, 2)
    assert sdpa_pair(PROGRAMS["bound"]).num_diagonal == 2  # γ is a difference


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


def test_csdp_is_stopped_at_the_time_limit(csdp):
    csdp.write_text("#!/bin/sh\nexec sleep infinity\n")
    solution = solve(FORM.program, "csdp", time_limit_s=0.3, isolated=False)
    assert solution.status is SolverStatus.TIME_LIMIT


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("echo no memory; exit 10", SolverStatus.FAILED, "csdp: exit code 10, no memory"),
        ("kill -SEGV $$", SolverStatus.CRASHED, "csdp: exit code -11"),
        ("echo 1 2 > $2; exit 0", SolverStatus.FAILED, "ValueError"),
    ],
)
def test_a_csdp_that_breaks_is_a_status(csdp, script, status, words):
    csdp.write_text(f"#!/bin/sh\n{script}\n")
    solution = solve(FORM.program, "csdp", isolated=False)
    assert solution.status is status
    assert words in solution.message


def test_mosek_without_a_licence_falls_back_and_says_what_to_do(mosek):
    mosek.is_licensed = False
    assert unavailability("mosek", isolated=False) == (
        "mosek has no valid licence; set MOSEKLM_LICENSE_FILE "
        "(error 1008: License cannot be located.)"
    )
    solution = solve(FORM.program, "mosek", isolated=False)
    assert (solution.solver, solution.fallback_from) == ("clarabel", "mosek")
    assert -solution.objective == pytest.approx(LEAST_EIGENVALUE, abs=CLOSE)
    assert "clarabel was used instead" in solution.message


def test_a_licence_that_expires_between_solves_falls_back_too(mosek):
    assert unavailability("mosek", isolated=False) == ""
    mosek.is_licensed = False
    solution = solve(FORM.program, "mosek", isolated=False)
    assert (solution.solver, solution.fallback_from) == ("clarabel", "mosek")
    assert unavailability("mosek", isolated=False) != ""


def test_mosek_is_told_the_limits(mosek):
    task = MosekTask(mosek)
    mosek_adapter._set_limits(mosek, task, Limits(9.0, 1.0, 1e-6))
    assert task.parameters == {
        "optimizer_max_time": 9.0,
        "intpnt_co_tol_rel_gap": 1e-6,
        "intpnt_co_tol_pfeas": 1e-6,
        "intpnt_co_tol_dfeas": 1e-6,
        "threads": 1,
    }
