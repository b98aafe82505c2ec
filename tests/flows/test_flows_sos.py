"""The study `sos-certify` end to end, through the command, on small polynomials without Ray."""

import importlib
import io
import json
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from flows.cli import main
from flows.planning import plan_run
from flows.reports import figures_of, report_of, terminal
from flows.sos_certify import STUDY
from tasks.records import Store, Stored
from tasks.records.isolation import close_processes
from tasks.records.markdown import markdown
from tasks.records.pictures import draw_figures
from tasks.sos import _jobs
from tasks.sos import run as certify_run
from tasks.sos.config import CertifyConfig
from tasks.sos.exports import file_stems
from tasks.sos.report import CertifyTally, certify_rows, describe_blocks

pytestmark = pytest.mark.flow

NAMES = ["sosdemo1", "motzkin", "neg_biquartic", "booth", "(x - y)^2 + 1/3"]
RUN = ["run", "sos-certify", "--address", "serial", "--set", "per_call=2"]
GIVEN = ["--set", f"polynomials={json.dumps(NAMES)}"]
KEYS = ["000000", "000001", "000002"]
DO_JOB = _jobs.do_job


@pytest.fixture
def without_pictures(monkeypatch):
    """Pictures take longer than everything else."""
    monkeypatch.setattr("flows.reports.figures_of", lambda *_: [])


@pytest.fixture
def certified(prefect_api, without_pictures, tmp_path, capsys):
    """Run the flow with --json into one store: (exit code, the JSON object, stderr)."""

    def run(*arguments: str) -> tuple[int, dict, str]:
        given = [] if any("polynomials=" in word for word in arguments) else GIVEN
        code = main([*RUN, *given, "--out", str(tmp_path), "--json", *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


@pytest.fixture
def command(capsys):
    """Run any command: (exit code, lines of stdout, lines of stderr)."""

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return run


def stored(path: str) -> Stored:
    run = Store.open(Path(path).parents[1]).find_run(path)
    return Stored(run, plan_run(STUDY, CertifyConfig(polynomials=("x^2",))).schemas)


def markdown_of(path: str) -> str:
    found = stored(path)
    return markdown(report_of(STUDY, found), found.run)


def calls(path: str) -> list[str]:
    """Batches in the execution table, one per call that was made."""
    items = stored(path).run.read("execution")["item"].to_pylist()
    return [item for item in items if item.removeprefix("verify.").isdigit()]


def polynomial_file(folder: Path, *records: object) -> str:
    path = folder / "mine.json"
    path.write_text(json.dumps(records))
    return f"polynomials={path}"


# --- results ------------------------------------------------------------------------------------


def test_every_polynomial_is_a_row_with_a_verified_certificate(certified):
    code, outcome, _ = certified()
    assert (code, outcome["status"]) == (0, "ok")
    assert set(outcome) == {"run_id", "path", "status", "rows"}
    run = stored(outcome["path"]).run
    rows = run.read("certificates")
    assert rows["name"].to_pylist() == NAMES
    verdicts = ["proved", "refuted_sos", "negative", "proved", "proved"]
    assert rows["verdict"].to_pylist() == verdicts
    assert rows["item"].to_pylist() == [KEYS[0], KEYS[0], KEYS[1], KEYS[1], KEYS[2]]
    checks = run.read("verification")
    assert checks["name"].to_pylist() == NAMES
    assert all(checks["valid"].to_pylist())
    assert set(run.read("attempts")["name"].to_pylist()) == set(NAMES)
    assert run.manifest().status == "complete"
    assert outcome["rows"] == sum(run.read(table).num_rows for table in run.science_tables)
    assert calls(outcome["path"]) == [*KEYS, *(f"verify.{key}" for key in KEYS)]


def test_a_share_of_the_certificates_can_be_checked(certified):
    code, outcome, _ = certified("--set", "verify_share=0")
    assert code == 0
    run = stored(outcome["path"]).run
    assert run.read("verification").num_rows == 0
    assert run.manifest().status == "complete"


def test_the_report_counts_and_compares_with_what_is_known(prefect_api, tmp_path, capsys):
    assert main([*RUN, *GIVEN, "--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "certify: 3 of 3" in captured.err
    for line in (
        "5 polynomials: 3 proved, 1 refuted_sos, 1 negative",
        "known sums of squares: 2, proved: 2",
        "known to be none: 2, refuted: 2",
        "answers that contradict what is known: 0",
        "certificates checked again by another program: 5, valid: 5",
        "figures/sizes.png",
        "2 more figures beside them",
    ):
        assert line in captured.out
    pictures = list(tmp_path.rglob("figures/*.png"))
    assert len(pictures) == 6
    for picture in pictures:
        picture.unlink()
    assert main(["plot", "latest", "--out", str(tmp_path)]) == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(map(str, pictures))
    assert main(["results", "latest", "--out", str(tmp_path)]) == 0
    assert "refuted_sos" in capsys.readouterr().out


def test_a_contradiction_to_the_input_is_shown(certified, tmp_path, command):
    records = [
        {"name": "liar", "text": "x^2 + 1", "is_sos": False},
        {"name": "worse", "text": "x^2 - 1", "is_nonneg": True},
    ]
    code, outcome, _ = certified("--set", polynomial_file(tmp_path, *records))
    assert code == 0
    _, out, _ = command("results", outcome["path"], "--out", tmp_path)
    assert "answers that contradict what is known: 2" in out
    assert "WRONG? liar: proved, but the input says that it is no sum of squares" in out
    assert "WRONG? worse: negative, but the input says that it is nonnegative" in out
    assert sum("proved (WRONG?)" in line for line in out) == 1


def test_markdown_has_one_row_per_polynomial_and_shows_names_as_they_are(certified, tmp_path):
    given = polynomial_file(
        tmp_path, {"name": "a|b", "text": "x^2"}, {"name": "x*y*z <b> _a_", "text": "y^2 + 1"}
    )
    _, outcome, _ = certified("--set", given)
    text = markdown_of(outcome["path"])
    shown = MarkdownIt().enable("table").render(text)
    assert "<td>a|b</td>" in shown
    assert "<td>x*y*z &lt;b&gt; _a_</td>" in shown
    lines = text.splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert {line.count("|") for line in rows} == {7}
    assert "a&#124;b" in rows[2]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [(None, ""), ([4], "4"), ([1, 1, 1], "3·1"), ([2, 3, 2, 1], "3 + 2·2 + 1"),
     ([1, 2, 3, 4], "4 + 3 + ...")],
)  # fmt: skip
def test_blocks_are_described_from_the_largest(sizes, words):
    assert describe_blocks(sizes) == words


def test_seconds_of_stages_are_in_the_execution_table(certified):
    _, outcome, _ = certified()
    rows = {row["name"]: row for row in certify_rows(stored(outcome["path"]))}
    assert {"basis", "blocks", "check"} <= set(rows["motzkin"]["stages"])
    assert rows["motzkin"]["seconds"] > 0


# --- failures -----------------------------------------------------------------------------------


def test_a_bad_polynomial_is_a_row_and_exit_1_and_the_others_are_certified(certified, tmp_path):
    given = polynomial_file(tmp_path, "x^2 + 1", {"name": "typo", "text": "x^^2"}, "y^2")
    code, outcome, err = certified("--set", given)
    assert (code, outcome["status"]) == (1, "failed")
    assert err.splitlines()[-1].startswith("latticework: 1 of 3 not ok: typo: failed, ")
    assert "Traceback" not in err
    run = stored(outcome["path"]).run
    assert run.read("certificates")["verdict"].to_pylist() == ["proved", None, "proved"]
    assert run.read("verification")["valid"].to_pylist() == [True, True]
    assert run.manifest().status == "partial"


def test_poisoned_names_stop_nobody(certified, tmp_path):
    """A lone surrogate has no encoding; a long name, escaped, is too long for a file name."""
    records = [
        {"name": "\ud800", "text": "x^2 + 1"},
        {"name": "\u4e2d" * 99, "text": "x^4 - 4*x^2*y + 5*y^2 + 1"},
    ]
    code, outcome, err = certified("--set", polynomial_file(tmp_path, *records))
    assert (code, outcome["status"]) == (1, "failed")
    assert "Traceback" not in err
    found = stored(outcome["path"])
    assert found.table("certificates")["name"].to_pylist() == ["mine-1", records[1]["name"]]
    places = draw_figures(found, figures_of(STUDY, found))
    assert len(places) == 2
    assert all(Path(place).is_file() for place in places)


def test_control_characters_in_names_are_shown_escaped(certified, command, tmp_path):
    name = "a\x1b[31m\n\u202e*b*"
    records = [{"name": name, "text": "x^2", "is_sos": False}]
    _, outcome, _ = certified("--set", polynomial_file(tmp_path, *records))
    _, out, _ = command("results", outcome["path"])
    for shown in ("\n".join(out), markdown_of(outcome["path"])):
        assert not {"\x1b", "\u202e"} & set(shown)
    assert any(line.startswith("WRONG? a\\x1b[31m\\n\\u202e*b*: proved") for line in out)
    assert "1 polynomial: 1 proved" in out


def test_a_long_name_leaves_room_for_the_reason(certified, tmp_path):
    name = "a_name_of_thirty_six_letters_or_more"
    records = [{"name": name, "text": "x^4*y^2 + x^2*y^4 - 3*x^2*y^2 + 1"}]
    _, outcome, _ = certified("--set", polynomial_file(tmp_path, *records))
    console = Console(width=80, file=io.StringIO())
    console.print(terminal(report_of(STUDY, stored(outcome["path"])), "title"))
    row = next(line for line in console.file.getvalue().splitlines() if " a_name" in line)
    assert max(map(len, console.file.getvalue().splitlines())) <= 80
    assert row.split()[0] == "a_name_of_thirty_six_lett…"
    assert len(row.partition("refuted_sos")[2].split("0  ")[-1].strip()) >= 8


@pytest.fixture
def rigged(monkeypatch):
    """Jobs that misbehave as the first variable says; processes that find them."""
    folder = Path(__file__).parents[1] / "sos"
    monkeypatch.syspath_prepend(str(folder))
    close_processes()
    monkeypatch.setattr(_jobs, "do_job", importlib.import_module("rigged_jobs").do_job)
    yield
    close_processes()


def test_poison_of_every_kind_stops_nobody_else_and_a_rerun_mends_it(
    certified, rigged, monkeypatch, capsys, tmp_path
):
    texts = ["x^2 + 1", "hangs^2", "crashes^2", "eats^2", "y^2"]
    given = ["--set", f"polynomials={json.dumps(texts)}", "--set", "per_call=5"]
    code, outcome, err = certified(*given, "--set", "seconds=8", "--set", "memory_gib=1")
    assert code == 1
    assert err.splitlines()[-1].startswith(
        "latticework: 3 of 5 not ok: hangs^2: over_budget, stopped after 8 s; raise seconds; and 2"
    )
    rows = stored(outcome["path"]).table("certificates")
    fates = ["ok", "over_budget", "failed", "over_budget", "ok"]
    assert rows["status"].to_pylist() == fates
    monkeypatch.setattr(_jobs, "do_job", DO_JOB)
    code, mended, _ = certified(*given)
    assert (code, mended["run_id"]) == (0, outcome["run_id"])
    run = stored(outcome["path"]).run
    assert run.read("certificates")["verdict"].to_pylist() == ["proved"] * 5
    assert run.read("verification")["name"].to_pylist() == texts


def test_a_certificate_that_is_not_valid_fails_the_run(certified, monkeypatch):
    certify = certify_run.certify_rows

    def lies(work):
        rows = certify(work)
        for row in rows["certificates"]:
            row["certificate"] = row["certificate"].replace('"1/3"', '"1/4"')
        return rows

    monkeypatch.setattr(certify_run, "certify_rows", lies)
    code, outcome, err = certified()
    assert code == 1
    assert "1 of 5 not ok: (x - y)^2 + 1/3: failed, " in err
    checks = stored(outcome["path"]).table("verification")
    assert checks["valid"].to_pylist() == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "polynomials=missing.json"], "no such file: missing.json"),
        (["--set", "polynomials=x^2 +"], "neither a file nor a polynomial"),
        (["--set", "polynomials=motzkn"], "did you mean 'motzkin'"),
        (["--set", "polynomials=[]"], "polynomials: [] is not allowed"),
        (["--set", "basis=all"], "basis: 'all' is not allowed"),
        (["--set", "seconds=0"], "seconds: 0 is not allowed: must be greater than 0"),
        (["--set", "memory=3"], "unknown key 'memory'; did you mean memory_gib?"),
        (["--recipe", "clasics"], "did you mean classics?"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments, message, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, [line] = command("run", "sos-certify", *arguments)
    assert (code, out) == (2, [])
    assert message in line
    assert list(tmp_path.iterdir()) == []


# --- certificates -------------------------------------------------------------------------------


def test_certificates_are_written_and_verified_by_the_command(certified, command, tmp_path):
    names = [*NAMES, "scheiderer_quartic"]
    _, outcome, _ = certified("--set", f"polynomials={json.dumps(names)}")
    folder = tmp_path / "certificates"
    code, paths, err = command("certify", outcome["path"], "--to", folder, "--out", tmp_path)
    assert code == 1
    assert err[-1].startswith("latticework: scheiderer_quartic gets no certificate: numerical")
    stems = ["sosdemo1", "motzkin", "neg_biquartic", "booth", "x_-_y_2_+_1_3"]
    assert [Path(path).stem for path in paths] == stems
    code, out, _ = command("verify", *paths)
    assert code == 0
    assert all(": valid: p " in line for line in out)
    provenance = json.loads(Path(paths[1]).read_text())["provenance"]
    assert provenance["run"] == f"sos-certify/{outcome['run_id']}"
    assert provenance["name"] == "motzkin"


def test_one_certificate_goes_into_the_run_by_default_and_twice_the_same_bytes(
    certified, command, tmp_path
):
    _, outcome, _ = certified()
    arguments = ("certify", "latest", "--name", "motzkin", "--out", tmp_path)
    code, [path], _ = command(*arguments)
    assert code == 0
    assert Path(path).parent == Path(outcome["path"]) / "certificates"
    before = Path(path).read_bytes()
    assert command(*arguments)[1] == [path]
    assert Path(path).read_bytes() == before
    Path(path).write_text(before.decode().replace('"-3"', '"-2"'))
    code, [line], _ = command("verify", path)
    assert code == 1
    assert "not valid" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "motzki"], "no polynomial 'motzki'; did you mean 'motzkin'?"),
        (["--scheme", "<1>"], "--scheme is not for runs of sos-certify"),
        (["--polynomial"], "--polynomial is not for runs of sos-certify"),
    ],
)
def test_what_a_run_of_polynomials_has_not_is_refused(
    certified, command, tmp_path, options, message
):
    certified()
    code, out, [line] = command("certify", "latest", *options, "--out", tmp_path)
    assert (code, out) == (2, [])
    assert message in line


def test_file_names_are_safe_and_distinct():
    names = ["a/b", "a b", "../x", "A_B", "", "...", "é", "x" * 300, "-rf"]
    stems = list(file_stems(names).values())
    assert stems[:3] == ["a_b", "a_b-2", "x"]
    assert len({stem.lower() for stem in stems}) == len(names)
    assert all(stem and not stem.startswith((".", "-")) and len(stem) < 90 for stem in stems)


def test_the_tally_counts_a_polynomial_once(certified):
    _, outcome, _ = certified()
    found = stored(outcome["path"])
    tally = CertifyTally(found)
    assert tally.describe() == "1 negative, 3 proved, 1 refuted_sos"
    tally.add({"certificates": found.table("certificates")})
    assert tally.describe() == "1 negative, 3 proved, 1 refuted_sos"
