"""The house rules: who may import whom, what is installed, what starts fast."""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from commands import run_python

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("flows", "workers", "tasks", "gpu")
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def broken_contracts(folder: Path) -> list[str]:
    result = lint_imports(folder)
    assert result.returncode != 0, result.stdout
    return [line for line in result.stdout.splitlines() if " BROKEN" in line]


@pytest.fixture
def copied_house(tmp_path):
    """The sources alone, to plant something in."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for path in SOURCES:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return tmp_path


def test_the_import_contracts_hold(copied_house):
    result = lint_imports(copied_house)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("tasks/lattice/points.py", "import tasks.tcurves", "fields -> lattice"),
        ("tasks/records/seeds.py", "import tasks.lattice", "fields -> lattice"),
        ("tasks/tcurves/signs.py", "import tasks.sos", "fields -> lattice"),
        ("tasks/nn/schedules.py", "import tasks.lattice", "fields -> lattice"),
        ("workers/dispatch.py", "import flows", "flows -> workers"),
        ("tasks/tcurves/signs.py", "import workers", "flows -> workers"),
        ("gpu/forests.py", "import tasks.records", "gpu knows no domain"),
        ("tasks/tcurves/run.py", "import prefect", "prefect is imported in flows only"),
        ("flows/configs.py", "import ray", "ray is imported in workers only"),
        ("tasks/lattice/symmetry.py", "import torch", "torch is not imported"),
        ("tasks/sos/checker/verification.py", "import torch", "torch is not imported"),
        ("tasks/coloring/certificates/cells.py", "import torch", "torch is not imported"),
        ("tasks/sos/gram/problem.py", "import scs", "conic solvers are imported"),
        ("tasks/pruning/run.py", "import clarabel", "conic solvers are imported"),
        ("tasks/sos/run.py", "import cvxpy", "modelling packages"),
        ("tasks/tcurves/run.py", "import cupy", "cupy and triton"),
        ("workers/dispatch.py", "import matplotlib", "matplotlib is imported in figures"),
    ],
)
def test_a_planted_violation_breaks_its_contract(copied_house, module, statement, contract):
    path = copied_house / module
    assert path.exists()
    path.write_text(path.read_text() + f"\n{statement}\n")
    assert any(contract in line for line in broken_contracts(copied_house))


def test_a_field_that_is_not_named_breaks_the_contract_of_the_fields(copied_house):
    folder = copied_house / "tasks" / "newfield"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A field that nobody added to the layers."""\n')
    assert any("fields -> lattice" in line for line in broken_contracts(copied_house))


def test_a_new_field_is_named_once(copied_house):
    """Named beside the others, it is under every contract: it may use nn, but no sibling."""
    folder = copied_house / "tasks" / "newfield"
    folder.mkdir()
    (folder / "__init__.py").write_text("import torch\n\nimport tasks.nn\n")
    settings = copied_house / "pyproject.toml"
    text = settings.read_text()
    assert text.count("tcurves | ") == 1
    settings.write_text(text.replace("tcurves | ", "newfield | tcurves | "))
    assert lint_imports(copied_house).returncode == 0
    (folder / "config.py").write_text("import matplotlib\nimport ray\nimport scs\nimport torch\n")
    (folder / "run.py").write_text("import tasks.tcurves\n")
    broken = broken_contracts(copied_house)
    for contract in ("fields -> lattice", "matplotlib", "ray is", "conic solvers", "torch is not"):
        assert any(contract in line for line in broken), contract


def test_the_installed_packages_are_these_sources():
    import flows
    import gpu
    import tasks
    import workers

    for package in (flows, gpu, tasks, workers):
        assert Path(str(package.__file__)).resolve().is_relative_to(ROOT)


def test_the_distribution_declares_its_license_and_python():
    metadata = distribution("latticework").metadata
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Version"] == "0.1.0"


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    }
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["docs"]]
    names = {name.split("[")[0].split(">")[0].split("<")[0].lower() for name in wanted}
    assert names - pinned == set()
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().splitlines()


@pytest.mark.parametrize(
    "module",
    ["flows", "flows.cli", "tasks.nn.plan", "tasks.pruning.plan", "tasks.tcurves", "tasks.sos",
     "tasks.sos.certify", "tasks.coloring.certificates.scoring", "workers"],
)  # fmt: skip
def test_importing_loads_nothing_heavy(module):
    heavy = {"prefect", "ray", "torch", "matplotlib", "cupy"}
    code = f"import {module}, sys; print(*sorted({heavy} & set(sys.modules)))"
    assert run_python("-c", code).stdout == "\n"


LOADERS = ("tasks/records/lazy.py", "tasks/records/own_code.py")
"""They import what studies and configs name by text."""


def test_what_results_rest_on_is_imported_by_statements():
    """Code versions follow statements; a module of the project that is named otherwise is lost."""
    found = []
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        if not name.startswith(("tasks/", "gpu/")) or name in LOADERS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
                "import_module",
                "__import__",
            ):
                module = (
                    node.args[0].value if isinstance(node.args[0], ast.Constant) else PACKAGES[0]
                )
                found += [f"{name}:{node.lineno}"] * (str(module).split(".")[0] in PACKAGES)
    assert found == []


def is_exempt(node):
    return node.name.startswith("_") or any(
        isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list
    )


def test_no_file_is_longer_than_400_lines():
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in SOURCES}
    assert lengths and {path: n for path, n in lengths.items() if n > 400} == {}


def test_every_module_and_every_public_definition_has_a_docstring():
    missing = []
    for path in SOURCES:
        module = ast.parse(path.read_text())
        missing += [str(path)] * (ast.get_docstring(module) is None)
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not is_exempt(node):
                missing += [f"{path}: {node.name}"] * (ast.get_docstring(node) is None)
    assert missing == []


def test_functions_stay_short():
    too_long = [
        f"{path.relative_to(ROOT)}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= 80
    ]
    assert too_long == []
