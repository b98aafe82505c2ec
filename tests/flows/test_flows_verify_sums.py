"""`latticework verify` also judges sums of squares, and writes out their squares."""

import json
import os

import pytest
from commands import run_python

from flows.cli import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK, main
from tasks.lattice import honeycomb
from tasks.sos.certificates import GramBlock, NegativeCertificate, SosCertificate
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.tcurves import Certificate


@pytest.fixture
def command(capsys):
    """Run the command in this process: (exit code, lines of stdout, lines of stderr)."""

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return run


@pytest.fixture
def curve(tmp_path):
    """A certificate of a conic."""
    Certificate.of(honeycomb(2), [0] * 6).write(tmp_path / "curve.json")
    return tmp_path / "curve.json"


@pytest.fixture
def sums(tmp_path):
    """Files on (x - y)^2 + 2 and x^2 - 3xy + y^2: a proof, a false one, a negative point."""
    x, y = (Polynomial.variable(("x", "y"), i) for i in range(2))
    basis = [[1, 0], [0, 1], [0, 0]]
    block = GramBlock.of(basis, [[1, -1, 0], [-1, 1, 0], [0, 0, 2]])
    false = GramBlock.of(basis, [[1, "-3/2", 0], ["-3/2", 1, 0], [0, 0, 0]])
    SosCertificate(polynomial=(x - y) ** 2 + 2, gram=(block,)).write(tmp_path / "proof.json")
    q = x**2 - 3 * x * y + y**2
    SosCertificate(polynomial=q, gram=(false,)).write(tmp_path / "false.json")
    NegativeCertificate.of(q, [1, 1]).write(tmp_path / "point.json")
    return [tmp_path / f"{name}.json" for name in ("proof", "false", "point")]


def test_sums_of_squares_and_curves_are_verified_side_by_side(sums, curve, command):
    code, out, err = command("verify", sums[0], curve, sums[2])
    assert (code, err) == (EXIT_OK, [])
    assert out[0] == f"{sums[0]}: valid: p is a sum of squares (2 variables, degree 2)"
    assert out[1].startswith(f"{curve}: valid: <")
    assert out[2] == f"{sums[2]}: valid: p < 0 at (1, 1) (2 variables, degree 2)"


def test_a_false_sum_of_squares_is_exit_1(sums, command):
    code, [line], err = command("verify", "--squares", sums[1])
    assert (code, err) == (EXIT_FAILED, [])
    assert line.endswith("not valid: gram: the matrix of block 0 is not positive semidefinite")


def test_squares_are_printed_below_the_verdict_when_asked(sums, curve, command):
    code, out, _ = command("verify", "--squares", sums[0], sums[2], curve)
    assert code == EXIT_OK
    assert out[1:4] == ["p =", "    (x - y)^2", "  + 2*(1)^2"]
    assert [line.split(": ")[1] for line in (out[0], *out[4:])] == ["valid"] * 3


def test_json_verdicts_on_sums_say_what_is_proved(sums, command):
    code, out, _ = command("verify", "--json", "--squares", *sums)
    assert code == EXIT_FAILED
    verdicts = [json.loads(line) for line in out]
    assert [verdict["file"] for verdict in verdicts] == list(map(str, sums))
    assert [verdict["valid"] for verdict in verdicts] == [True, False, True]
    assert [verdict["claim"] for verdict in verdicts] == ["sos", "sos", "negative"]
    assert [verdict.get("squares", "").count("^2") for verdict in verdicts] == [2, 0, 0]
    assert verdicts[0]["block_sizes"] == [3]


def test_a_changed_sum_of_squares_is_exit_1_and_a_malformed_one_exit_2(sums, command):
    text = sums[0].read_text()
    sums[0].write_text(text.replace('[2, 2, "2"]', '[2, 2, "3"]'))
    code, [line], _ = command("verify", sums[0])
    assert code == EXIT_FAILED
    assert "digest: " in line
    assert "identity: the coefficient of 1 is off by -1 (1 wrong in all)" in line
    sums[0].write_text(text.replace('[2, 2, "2"]', "[2, 2, 2]"))
    code, out, [line] = command("verify", sums[0])
    assert (code, out) == (EXIT_BAD_INPUT, [])
    assert line.startswith(f"latticework: {sums[0]} is no certificate: gram block 0: entry: 2 must")


def test_a_file_of_an_unknown_kind_is_one_line_and_exit_2(command, tmp_path):
    file = tmp_path / "other.json"
    file.write_text('{"kind": "tiling"}')
    code, out, [line] = command("verify", file)
    assert (code, out) == (EXIT_BAD_INPUT, [])
    known = "'regular T-curve', 'sos-certificate' and 'plane-coloring'"
    assert line.endswith(f"its kind is 'tiling'; known are {known}")


def test_forged_names_are_one_line_and_the_next_file_is_judged(sums, command):
    for name in ("\\ud800", "x\\nvalid", "\\u001b[2J"):
        text = sums[0].read_text().replace('"x"', f'"{name}"')
        sums[1].write_text(text)
        code, out, [line] = command("verify", sums[1], sums[2])
        assert code == EXIT_BAD_INPUT
        assert line.isprintable() and "must be a list of distinct names" in line
        assert out[0].startswith(f"{sums[2]}: valid")


@pytest.mark.parametrize("kind", ["sum", "curve"])
def test_a_pipe_is_read_once(sums, curve, command, kind):
    data = (sums[0] if kind == "sum" else curve).read_bytes()
    ends = os.pipe()
    os.write(ends[1], data)
    os.close(ends[1])
    code, [line], err = command("verify", f"/dev/fd/{ends[0]}")
    os.close(ends[0])
    assert (code, err) == (EXIT_OK, [])
    assert line.split(": ")[1] == "valid"


def test_one_variable_is_one(command, tmp_path):
    x = Polynomial.variable(("x",), 0)
    NegativeCertificate.of(x, [-1]).write(tmp_path / "a.json")
    _, [line], _ = command("verify", tmp_path / "a.json")
    assert line.endswith("valid: p < 0 at (-1) (1 variable, degree 1)")


def test_verifying_sums_of_squares_starts_no_solver(sums):
    program = (
        "import sys\n"
        "from flows.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "heavy = {'prefect', 'ray', 'matplotlib', 'rich', 'torch', 'clarabel', 'scs', 'sympy'}\n"
        "sys.exit(99 if heavy & set(sys.modules) else code)\n"
    )
    assert run_python("-c", program, "verify", "--squares", str(sums[0])).stderr == ""
