"""The command refuses bad input early, in one line, with the documented exit code."""

import json
import os
import re
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from commands import run_command, run_python

from flows.cli import EXIT_BAD_INPUT, EXIT_OK, main
from flows.doctor import examine
from tasks.records import RELEASE

RUN = ["run", "tcurve-census"]


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Run the command in this process, in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def assert_refused(answer: tuple[int, str, str], message: str) -> None:
    code, out, err = answer
    assert code == EXIT_BAD_INPUT
    assert message in err
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["rnu"], "invalid choice: 'rnu'"),
        (["run"], "required: FLOW"),
        (["run", "nope"], "unknown flow 'nope'; known: tcurve-census"),
        ([*RUN, "--recipe", "degre7"], "unknown recipe 'degre7'; did you mean degree7?"),
        ([*RUN, "--set", "memory_gb=1"], "unknown key 'memory_gb'; did you mean memory_gib?"),
        ([*RUN, "--set", "memory_gib=0"], "memory_gib: 0 is not allowed: must be greater than 0"),
        ([*RUN, "--set", "memory_gib"], "expected key=value"),
        ([*RUN, "--set", "triangulations=7_fro"], "did you mean '7_fra'"),
        ([*RUN, "--set", "triangulations=missing.json"], "missing.json"),
        ([*RUN, "--set", "triangulations=0_honeycomb"], "degree 0 is not allowed"),
        ([*RUN, "--address", "somewhere"], "address 'somewhere' is not allowed"),
        (["show", "demoo"], "did you mean demo?"),
        (["results", "abc"], "no run matches 'abc'"),
        (["results", "--sql", "SELECT 1"], "--sql needs a run"),
        (["plot", "latest"], "no run matches 'latest'"),
        (["serve", "--file", "nowhere.yaml"], "no deployment file nowhere.yaml"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(command, arguments, message):
    assert_refused(command(*arguments), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\xff", "bad.json"),
        (b"", "bad.json"),
        (b'{"triangles": 7}', "bad.json"),
        (b'{"degree": 1, "triangles": [[0, 1, 1]]}', "bad"),
        (b'{"degree": 2, "triangles": [[0, 2, 5]]}', "bad"),
    ],
    ids=["binary noise", "empty", "wrong shape", "degenerate", "not unimodular"],
)
def test_a_bad_file_is_one_line_and_exit_2(command, tmp_path, content, message):
    (tmp_path / "bad.json").write_bytes(content)
    assert_refused(command(*RUN, "--set", "triangulations=bad.json"), message)


def test_an_unwritable_store_is_refused_before_prefect_starts(command, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("flows.cli._execute", lambda *_: pytest.fail("Prefect was started"))
    assert_refused(command(*RUN, "--smoke", "--out", str(tmp_path / "file")), "is a file")


def test_bad_input_starts_no_prefect_and_leaves_no_folder(tmp_path):
    program = (
        "import sys\n"
        "from flows.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "sys.exit(99 if {'prefect', 'ray'} & set(sys.modules) else code)\n"
    )
    arguments = [*RUN, "--set", "triangulations=7_fro"]
    result = run_python("-c", program, *arguments, cwd=tmp_path, code=EXIT_BAD_INPUT)
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_list_names_flows_and_recipes(command):
    code, out, _ = command("list")
    assert code == EXIT_OK
    for name in ("tcurve-census", "demo", "degree6", "degree7", "degree8-honeycomb"):
        assert name in out


def test_show_a_flow_explains_every_field(command):
    from tasks.tcurves import CensusConfig

    code, out, _ = command("show", "tcurve-census")
    assert code == EXIT_OK
    for name, field in CensusConfig.model_fields.items():
        assert name in out
        assert field.description
        assert field.description.split()[0] in out
    assert "frontier | union-find" in out
    assert "> 0" in out


def test_show_a_recipe_names_its_values(command):
    code, out, _ = command("show", "degree7")
    assert code == EXIT_OK
    assert "7_spl" in out


def test_the_version_is_that_of_the_distribution(command, capsys):
    with pytest.raises(SystemExit) as caught:
        command("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"latticework {RELEASE}\n"


def test_results_of_an_empty_store_are_no_lines(command):
    assert command("results") == (EXIT_OK, "", "")


def test_ctrl_c_is_one_line_and_exit_130(command, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.cli._execute", interrupt)
    code, _, err = command(*RUN, "--smoke", "--address", "serial")
    assert code == 130
    assert err == "latticework: interrupted; finished parts are kept\n"


def test_a_closed_pipe_is_no_error():
    # A shell pipeline, because only a real pipe closes.
    line = f"{sys.executable} -m flows.cli show tcurve-census | head -c 10"
    result = run_command(["bash", "-c", line])
    assert result.stdout.strip() and result.stderr == ""


def test_doctor_looks_at_everything_and_leaves_nothing(tmp_path):
    findings = {finding.subject: finding for finding in examine(str(tmp_path / "new"))}
    for subject in ("latticework", "prefect", "ray", "GPU", "HiGHS", "MOSEK", "Prefect server"):
        assert subject in findings
    assert findings["store"].usable
    assert not (tmp_path / "new").exists()


def test_doctor_looks_at_every_package_that_runs_need(tmp_path):
    lines = requires("latticework")
    needed = {re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line}
    findings = {finding.subject: finding for finding in examine(str(tmp_path))}
    assert {"clarabel", "matplotlib", "safetensors", "torch"} <= needed <= set(findings)
    assert all(findings[name].usable for name in needed)
    assert "transformers" in findings
    assert "pytest" not in findings


def test_doctor_names_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    findings = {finding.subject: finding for finding in examine(str(tmp_path / "file"))}
    assert not findings["store"].usable
    assert "is a file" in findings["store"].detail


def test_doctor_exits_0(command):
    code, out, _ = command("doctor")
    assert code == EXIT_OK
    assert "Prefect server" in out


def test_an_unreachable_prefect_server_is_one_line_and_exit_1(tmp_path):
    # Port 9 (discard) of loopback answers nobody.
    environment = os.environ | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    arguments = [*RUN, "--smoke", "--address", "serial", "--out", str(tmp_path), "--json"]
    result = run_python("-m", "flows.cli", *arguments, env=environment, code=1)
    assert "the configured Prefect server http://127.0.0.1:9/api does not answer" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_deployment_file_of_the_wrong_shape_is_refused(command, tmp_path):
    Path(tmp_path / "p.yaml").write_text(json.dumps({"deployments": [{"name": "a"}]}))
    assert_refused(command("serve", "--file", "p.yaml"), "p.yaml: expected a list `deployments`")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--recipe", "nope"],
        ["--set", "triangulations=missing.json"],
        ["--set", "memory_gib=0"],
        ["--nonsense"],
    ],
)
def test_with_json_a_refusal_is_an_object_too(command, arguments):
    code, out, err = command(*RUN, "--json", *arguments)
    outcome = json.loads(out.splitlines()[-1])
    assert code == EXIT_BAD_INPUT
    assert (outcome["status"], outcome["rows"], outcome["run_id"]) == ("refused", 0, None)
    assert outcome["error"] in err


def test_a_number_of_thousands_of_digits_is_refused(command):
    assert_refused(command(*RUN, "--set", f"min_ovals={'9' * 5000}"), "min_ovals")


@pytest.mark.parametrize("port", ["0", "-5", "99999999", "http"])
def test_what_is_no_port_is_refused(command, port):
    assert_refused(command("serve", "--port", port), "is not allowed: give 1 to 65535")
