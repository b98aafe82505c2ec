"""`latticework certify` writes certificates that `latticework verify` believes, and no others."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pytest
from commands import run_python
from study_helpers import replaced, stored_run

from flows import tcurve_census, tcurve_hunt
from flows.cli import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK, main
from flows.planning import open_run, plan_run
from tasks.lattice import Triangulation
from tasks.tcurves import (
    CensusConfig,
    Scheme,
    possible_schemes,
    read_certificate,
    t_polynomial,
    verify_certificate,
)
from tasks.tcurves.hunt import HuntConfig
from tasks.tcurves.reports.hunt import smallest_finds

NUM_SEXTICS = 55


@pytest.fixture
def command(capsys):
    """Run the command in this process: (exit code, lines of stdout, lines of stderr)."""

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return run


def stored_census(folder: Path, *names: str, change=lambda tables: tables, **settings) -> str:
    """Store a census as the flow does; returns the run's id."""
    config = CensusConfig(triangulations=names, **settings)
    return stored_run(tcurve_census.STUDY, config, folder, change).run.run_id


@pytest.fixture(scope="module")
def sextics(tmp_path_factory):
    """Store with a census of 6_bat and 6_moth, and the folder of all its certificates."""
    store = tmp_path_factory.mktemp("store")
    run = stored_census(store, "6_bat", "6_moth")
    folder = tmp_path_factory.mktemp("certificates")
    assert main(["certify", run, "--out", str(store), "--to", str(folder)]) == EXIT_OK
    return store, run, folder


def certificates(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


# --- valid --------------------------------------------------------------------------------------


def test_all_sextics_are_certified_from_one_census_and_verified(sextics, command):
    files = certificates(sextics[2])
    assert len(files) == NUM_SEXTICS
    code, out, err = command("verify", *files)
    assert (code, err) == (EXIT_OK, [])
    verdicts = [line.split(": ", 2) for line in out]
    assert [verdict[:2] for verdict in verdicts] == [[str(file), "valid"] for file in files]
    schemes = {verdict[2].split(",")[0] for verdict in verdicts}
    assert schemes == set(possible_schemes(6))
    assert all(verdict[2].split(", ")[1] == "degree 6" for verdict in verdicts)
    types = {verdict[2].split(",")[0]: verdict[2].split(", ")[2] for verdict in verdicts}
    assert {types["<9v1<1>>"], types["<5v1<5>>"], types["<1v1<9>>"]} == {"type I"}  # M-curves
    assert types["<10>"] == "type II"


def test_the_weights_of_written_certificates_are_small(sextics):
    weights = [read_certificate(file).weights for file in certificates(sextics[2])]
    assert all(min(row) == 0 and max(row) < 1 << 8 for row in weights)


def test_json_verdicts_are_one_object_per_file(sextics, command):
    files = certificates(sextics[2])[:3]
    code, out, _ = command("verify", "--json", *files)
    assert code == EXIT_OK
    for file, line in zip(files, out, strict=True):
        verdict = json.loads(line)
        assert verdict.pop("file") == str(file)
        assert verdict == json.loads(json.dumps(asdict(verify_certificate(read_certificate(file)))))


def test_certify_writes_into_the_run_by_default_and_twice_the_same_bytes(sextics, command):
    store, run, folder = sextics
    arguments = ("certify", run, "--scheme", "9 v 1<1>", "--out", store)
    code, [path], err = command(*arguments)
    assert (code, err) == (EXIT_OK, [])
    assert Path(path).parent.name == "certificates"
    assert Path(path).parents[1].name == run
    assert command(*arguments)[1] == [path]
    assert Path(path).read_bytes() == (folder / "6-9v1_1.json").read_bytes()


def test_a_polynomial_with_proved_base_is_written_beside_its_certificate(
    sextics, command, tmp_path
):
    store, run, _ = sextics
    code, paths, _ = command(
        "certify", run, "--scheme", "<1<9>>", "--polynomial", "--to", tmp_path, "--out", store
    )
    assert code == EXIT_OK
    assert [Path(path).name for path in paths] == ["6-1_9.json", "6-1_9.txt"]
    certificate = read_certificate(paths[0])
    triangulation = Triangulation.of(6, certificate.triangles, weights=certificate.weights)
    polynomial = t_polynomial(triangulation, [int(sign) for sign in certificate.signs])
    *comments, text = Path(paths[1]).read_text().splitlines()
    assert text == str(polynomial)
    assert polynomial.base >= polynomial.proved_from
    assert all(comment.startswith("# ") for comment in comments)
    assert f"base >= {polynomial.proved_from} " in comments[1]


def test_a_hunt_certifies_the_last_row_of_every_scheme(tmp_path, command):
    config = HuntConfig(degree=6, round_size=4, stop_at=45)
    stored = stored_run(tcurve_hunt.STUDY, config, tmp_path)
    code, paths, _ = command("certify", stored.run.run_id, "--out", tmp_path)
    assert code == EXIT_OK
    last = {row["scheme"]: row for row in smallest_finds(stored)}
    assert stored.table("archive").num_rows > len(last) >= 45
    found = {certificate.scheme: certificate for certificate in map(read_certificate, paths)}
    assert list(found) == sorted(last, key=lambda text: Scheme.parse(text).sort_key)
    assert all(c.triangles == tuple(map(tuple, last[s]["triangles"])) for s, c in found.items())
    assert command("verify", *paths)[0] == EXIT_OK


# --- not valid ----------------------------------------------------------------------------------


def tampered(certificate, what):
    """Change one sign, one weight or one triangle."""
    if what == "sign":
        inside = certificate.signs[:8] + "10"[int(certificate.signs[8])] + certificate.signs[9:]
        return replace(certificate, signs=inside)
    if what == "weight":
        weights = list(certificate.weights)
        weights[8] += 1 << 12
        return replace(certificate, weights=tuple(weights))
    (a, b, _), *others = certificate.triangles
    return replace(certificate, triangles=((a, b, 27), *others))


@pytest.mark.parametrize("sealed", [False, True], ids=["old digest", "new digest"])
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("sign", "scheme: "),
        ("weight", "weights: they do not induce the triangulation"),
        ("triangle", "triangulation: "),
    ],
)
def test_a_tampered_certificate_is_not_valid_and_exit_1(
    sextics, command, tmp_path, what, reason, sealed
):
    changed = tampered(read_certificate(sextics[2] / "6-9v1_1.json"), what)
    file = tmp_path / "changed.json"
    (changed.sealed() if sealed else changed).write(file)
    code, [line], err = command("verify", file)
    assert (code, err) == (EXIT_FAILED, [])
    assert line.startswith(f"{file}: not valid: ")
    assert reason in line
    assert ("digest: " in line) != sealed
    code, [line], _ = command("verify", "--json", file)
    assert code == EXIT_FAILED
    assert json.loads(line)["valid"] is False
    assert any(each.startswith(reason) for each in json.loads(line)["reasons"])


def test_every_single_changed_sign_is_noticed_by_its_digest(sextics, command, tmp_path):
    certificate = read_certificate(sextics[2] / "6-1_1_1.json")
    files = []
    for i, sign in enumerate(certificate.signs):
        signs = certificate.signs[:i] + "10"[int(sign)] + certificate.signs[i + 1 :]
        files.append(tmp_path / f"{i}.json")
        replace(certificate, signs=signs).write(files[-1])
    code, out, _ = command("verify", *files)
    assert code == EXIT_FAILED
    assert len(out) == len(certificate.signs)
    assert all("not valid" in line for line in out)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\x00\xff", b"[1, 2", b"{}", b"[]", b'{"format": 1}', b"[" * 100_000],
    ids=["empty", "binary", "cut", "no keys", "list", "other format", "deep"],
)
def test_garbage_is_one_line_and_exit_2(command, tmp_path, content):
    file = tmp_path / "garbage.json"
    file.write_bytes(content)
    code, out, [line] = command("verify", file)
    assert (code, out) == (EXIT_BAD_INPUT, [])
    assert line.startswith(f"latticework: {file} is no certificate: ")


def test_missing_files_and_folders_are_one_line_each_and_exit_2(command, tmp_path):
    code, out, err = command("verify", tmp_path / "nowhere.json", tmp_path)
    assert (code, out) == (EXIT_BAD_INPUT, [])
    assert [line.rsplit(": ", 1)[1] for line in err] == [
        "No such file or directory",
        "Is a directory",
    ]


def test_an_unreadable_file_does_not_hide_the_verdict_on_the_next(sextics, command, tmp_path):
    valid = certificates(sextics[2])[0]
    changed = tmp_path / "changed.json"
    replace(read_certificate(valid), scheme="<10>").write(changed)
    code, out, err = command("verify", tmp_path / "nowhere.json", valid, changed)
    assert code == EXIT_BAD_INPUT
    assert ["not valid" in line for line in out] == [False, True]
    assert len(err) == 1


def test_schemes_that_nobody_can_read_do_not_hide_the_verdict_on_the_next(
    sextics, command, tmp_path
):
    valid = certificates(sextics[2])[0]
    huge = ("<" + "9" * 5000 + ">", "1<" * 3000 + "1" + ">" * 3000, "<1000<1000<1000<1>>>>")
    files = [tmp_path / f"{number}.json" for number in range(len(huge))]
    for file, scheme in zip(files, huge, strict=True):
        replace(read_certificate(valid), scheme=scheme).sealed().write(file)
    code, out, err = command("verify", *files, valid)
    assert (code, err) == (EXIT_FAILED, [])
    assert [": not valid: scheme: " in line for line in out] == [True, True, True, False]
    assert all(len(line) < 200 + len(str(valid)) for line in out)


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("<12>", "scheme <12> is not among the 55 schemes found"),
        ("<1", "not a real scheme in Viro notation"),
        ("<J>", "scheme <J> is not among the 55 schemes found"),
    ],
)
def test_schemes_that_were_not_found_are_refused(sextics, command, scheme, message):
    store, run, _ = sextics
    code, out, [line] = command("certify", run, "--scheme", scheme, "--out", store)
    assert (code, out) == (EXIT_BAD_INPUT, [])
    assert message in line


def test_a_run_without_witnesses_certifies_nothing(tmp_path, command):
    run = stored_census(tmp_path, "3_honeycomb", witnesses=False)
    code, out, [line] = command("certify", run, "--out", tmp_path)
    assert (code, out) == (EXIT_BAD_INPUT, [])
    assert "has no witnesses" in line


def test_a_run_that_stored_nothing_certifies_nothing(tmp_path, command):
    planned = plan_run(tcurve_census.STUDY, CensusConfig(triangulations=("3_honeycomb",)))
    run = open_run(planned, str(tmp_path))
    code, _, [line] = command("certify", run.run_id, "--out", tmp_path)
    assert code == EXIT_BAD_INPUT
    assert "no schemes stored yet" in line


def test_schemes_of_triangulations_that_are_not_certified_regular_get_no_certificate(
    tmp_path, command
):
    def uncertified(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
        if "summary" not in tables:
            return tables
        return tables | {"summary": replaced(tables["summary"], "regular", [False])}

    run = stored_census(tmp_path, "3_honeycomb", change=uncertified)
    code, out, err = command("certify", run, "--out", tmp_path)
    assert (code, out) == (EXIT_FAILED, [])
    assert err == [
        "latticework: no certificate of <J>, <Jv1>: found only on triangulations that are not "
        "certified regular"
    ]


def test_an_unwritable_folder_is_one_line_and_exit_1(sextics, command, tmp_path):
    store, run, _ = sextics
    (tmp_path / "file").write_text("in the way")
    arguments = ("certify", run, "--scheme", "<1>", "--out", store, "--to", tmp_path / "file" / "x")
    code, out, err = command(*arguments)
    assert (code, out, len(err)) == (EXIT_FAILED, [], 1)


# --- how ----------------------------------------------------------------------------------------


def test_verify_starts_without_prefect_ray_matplotlib_and_scipy(sextics):
    program = (
        "import sys\n"
        "from flows.cli import main\n"
        "import tasks.tcurves\n"
        "heavy = {'prefect', 'ray', 'matplotlib', 'rich', 'scipy.sparse', 'scipy.optimize'}\n"
        "found = heavy & set(sys.modules)\n"
        "assert not found, found\n"
        "code = main(sys.argv[1:])\n"
        "found = {'prefect', 'ray', 'matplotlib', 'rich'} & set(sys.modules)\n"
        "assert not found, found\n"
        "sys.exit(code)\n"
    )
    file = certificates(sextics[2])[0]
    result = run_python("-c", program, "verify", str(file))
    assert result.stderr == ""
    assert result.stdout.startswith(f"{file}: valid: ")


# --- galleries ----------------------------------------------------------------------------------


def test_a_gallery_of_every_degree_is_written_into_the_run(tmp_path, command):
    run = stored_census(tmp_path, "3_honeycomb", "4_honeycomb")
    code, paths, _ = command("gallery", run, "--out", tmp_path)
    assert code == EXIT_OK
    assert [Path(path).name for path in paths] == ["gallery-3.html", "gallery-4.html"]
    assert all(Path(path).parent.name == run for path in paths)
    cubics = Path(paths[0]).read_text(encoding="utf-8")
    assert "2 of the 2 known real schemes" in cubics
    assert f"tcurve-census {run}" in cubics
    assert [
        str(Scheme.parse(text)) in cubics.replace("&lt;", "<").replace("&gt;", ">")
        for text in ("<J>", "<Jv1>")
    ] == [True, True]


def test_a_gallery_of_a_run_without_schemes_is_refused(tmp_path, command):
    run = stored_census(tmp_path, "3_honeycomb", witnesses=False)
    code, out, [line] = command("gallery", run, "--out", tmp_path)
    assert (code, out) == (EXIT_BAD_INPUT, [])
    assert "has no witnesses, which certificates and pictures need" in line
