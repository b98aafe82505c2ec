"""Batches of polynomials: every one is a row, the same in every execution, whatever the others."""

import json
import pickle
import sys
from dataclasses import replace

import pyarrow as pa
import pytest
import rigged_jobs
from study_calls import answer, items_of

from flows.planning import plan_run
from flows.sos_certify import STUDY
from tasks.records import InputError, isolation
from tasks.records.isolation import close_processes
from tasks.records.schema import check_science_schema
from tasks.sos import _jobs
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.config import CertifyConfig
from tasks.sos.run import agreement, certificates_to_check, is_whole_text, known_of_batch
from tasks.sos.schema import ATTEMPTS_SCHEMA, CERTIFICATE_CHECKS_SCHEMA, CERTIFICATES_SCHEMA

pytestmark = pytest.mark.solver

GOOD = ("(x - y)^2 + 1/3", "motzkin")


@pytest.fixture(scope="module", autouse=True)
def own_workers():
    """Processes that find the rigged jobs; none is left behind."""
    close_processes()
    yield
    close_processes()


@pytest.fixture
def rigged(monkeypatch):
    monkeypatch.setattr(_jobs, "do_job", rigged_jobs.do_job)


def plan_of(*polynomials, **settings):
    return plan_run(STUDY, CertifyConfig(polynomials=polynomials, per_call=100, **settings))


def called(*polynomials, **settings):
    """The answer of the one batch."""
    planned = plan_of(*polynomials, **settings)
    return answer(planned, planned.items["certify"][0])


def certified(*polynomials, **settings):
    """Rows of the certificates by name."""
    tables = called(*polynomials, **settings).tables
    return {row["name"]: row for row in tables["certificates"].to_pylist()}


def file_of(tmp_path, *records, name="mine.json"):
    path = tmp_path / name
    path.write_text(json.dumps({"polynomials": list(records)}))
    return str(path)


# --- plans --------------------------------------------------------------------------------------


def test_polynomials_are_cut_into_batches_in_their_order():
    items = items_of(STUDY, CertifyConfig(polynomials=("benchmarks",), per_call=20))
    assert [item.key for item in items] == ["000000", "000001", "000002"]
    assert [len(item.argument.entries) for item in items] == [20, 20, 10]
    assert [item.size for item in items] == [20, 20, 10]
    assert items[0].argument.entries[0].name == "motzkin"


def test_many_polynomials_make_256_calls_at_most_whose_size_does_not_grow(tmp_path):
    def plan(count):
        records = [{"name": f"q{k}", "text": f"x^2 + {k}*y^2 + 1"} for k in range(count)]
        return items_of(STUDY, CertifyConfig(polynomials=(file_of(tmp_path, *records),)))

    few, many = plan(9), plan(1_030)
    assert [item.size for item in few] == [4, 4, 1]
    assert len(many) == 206
    assert {item.size for item in many} == {5}
    works = [replace(items[1].argument, entries=()) for items in (few, many)]
    sizes = [len(pickle.dumps(work)) for work in works]
    assert sizes[1] == sizes[0]


def test_limits_are_no_part_of_the_identity_but_all_else_is():
    def run_id(**settings):
        settings = {"polynomials": ("motzkin",)} | settings
        return plan_run(STUDY, CertifyConfig(**settings)).identity.run_id

    assert run_id() == run_id(seconds=1, memory_gib=1)
    others = [
        {"basis": "full"},
        {"blocks": "term"},
        {"solver": "scs"},
        {"per_call": 9},
        {"seed": 1},
    ]
    others += [{"verify_share": 0.5}, {"polynomials": ("booth",)}]
    assert len({run_id(), *(run_id(**other) for other in others)}) == 8


def test_the_identity_follows_the_content_and_not_the_place_of_a_file(tmp_path):
    record = {"name": "p", "text": "x^2 + 1", "is_sos": True}

    def run_id(file, **changes):
        path = file_of(tmp_path, record | changes, name=file)
        return plan_run(STUDY, CertifyConfig(polynomials=(path,))).identity.run_id

    first = run_id("a.json")
    assert run_id("b.json") == first
    assert run_id("b.json", note="not used") == first
    changes = [{"text": "x^2 + 2"}, {"text": "y^2 + 1"}, {"is_sos": False}, {"name": "q"}]
    assert len({first, *(run_id("b.json", **change) for change in changes)}) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing.json", "missing.json"),
        ("x^2 +", "neither a file nor a polynomial"),
        ("motzkinn", "did you mean 'motzkin'"),
        ("benchmarks#motzki", "did you mean 'motzkin'"),
        ("x^(1/2)", "neither a file nor a polynomial"),
    ],
)
def test_what_is_no_polynomial_is_refused_in_one_line(given, message):
    with pytest.raises(InputError, match=message) as caught:
        plan_run(STUDY, CertifyConfig(polynomials=(given,)))
    assert "\n" not in str(caught.value)


def test_a_plan_loads_no_solver():
    import subprocess

    program = (
        "import sys\n"
        "import tasks.sos.run, tasks.sos.config, tasks.sos\n"
        "heavy = {'torch', 'clarabel', 'scs', 'sympy', 'numba', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- rows ---------------------------------------------------------------------------------------


def test_rows_hold_verdict_sizes_and_a_certificate_that_verifies():
    rows = certified("sosdemo1", "motzkin", "neg_biquartic")
    assert [row["verdict"] for row in rows.values()] == ["proved", "refuted_sos", "negative"]
    claims = [json.loads(row["certificate"])["claim"] for row in rows.values()]
    assert claims == ["sos", "not_sos", "negative"]
    for row in rows.values():
        assert verify_sos_certificate(json.loads(row["certificate"])).valid
        assert (row["status"], row["agrees"]) == ("ok", True)
        assert sum(row["block_sizes"]) == row["basis_size"]
        entries = sum(m * (m + 1) // 2 for m in row["block_sizes"])
        assert row["num_free"] == entries - row["num_monomials"]
        # Motzkin's Gram matrix is unique: no bounds on t are computed.
        is_unique = row["num_free"] == 0
        assert row["lower"] is None if is_unique else row["lower"] <= row["upper"]


def test_sums_are_those_of_the_polynomial():
    [row] = certified("x^4*y^2 + 2*x - 3/2").values()
    assert row["polynomial"] == "x^4*y^2 + 2*x - 3/2"
    assert (row["num_variables"], row["degree"], row["num_terms"]) == (2, 6, 3)
    assert row["variables"] == ["x", "y"]
    assert (row["known_sos"], row["agrees"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("0*x", "proved"),
        ("7/2", "proved"),
        ("-1", "negative"),
        ("x^3 + x", "negative"),
        ("-x^2 + 1", "negative"),
        ("x^2", "proved"),
        ("x^2 - x^2", "proved"),
    ],
)
def test_trivial_polynomials_get_the_right_status(text, verdict):
    [row] = certified(text).values()
    assert (row["status"], row["verdict"]) == ("ok", verdict)
    assert verify_sos_certificate(json.loads(row["certificate"])).valid


def test_equal_identities_give_equal_tables():
    planned = plan_of(*GOOD, "himmelblau")
    [item] = planned.items["certify"]
    first, second = (answer(planned, item).tables for _ in range(2))
    for table in ("certificates", "attempts"):
        assert first[table].equals(second[table], check_metadata=True)
    checks = [answer(planned, item, first["certificates"], stage=1) for _ in range(2)]
    assert checks[0].tables["verification"].equals(checks[1].tables["verification"])


def test_rows_do_not_depend_on_their_batch():
    together = certified(*GOOD)
    assert len(together) == 2
    for name in GOOD:
        [alone] = certified(name).values()
        row = next(row for row in together.values() if row["polynomial"] == alone["polynomial"])
        ignored = {"fingerprint": None}
        assert row | ignored == alone | ignored


def test_attempts_are_one_row_per_basis():
    tables = called("motzkin_times_x2+y2").tables
    rows = tables["attempts"].to_pylist()
    assert [(row["attempt"], row["basis"]) for row in rows] == [(0, "even-sqrt"), (1, "newton")]
    assert [row["basis_size"] for row in rows] == [7, 8]
    [last] = tables["certificates"].to_pylist()
    assert all(last[key] == rows[-1][key] for key in ("basis", "basis_size", "lower", "num_free"))


def test_the_rule_of_the_basis_is_that_of_the_config():
    rows = [certified("motzkin_times_1+x2", basis=rule) for rule in ("newton", "full")]
    [newton], [full] = (list(row.values()) for row in rows)
    assert (newton["basis"], full["basis"]) == ("newton", "full")
    assert newton["basis_size"] < full["basis_size"] == 15


def test_seconds_are_rows_of_the_execution_table_only():
    timings = called("sosdemo1").timings
    names = {row["item"] for row in timings}
    assert {"basis.sosdemo1", "solve.sosdemo1", "write.sosdemo1"} <= names
    assert min(row["seconds"] for row in timings) >= 0
    for schema in (CERTIFICATES_SCHEMA, ATTEMPTS_SCHEMA, CERTIFICATE_CHECKS_SCHEMA):
        check_science_schema(schema, "the schema")
        assert not [name for name in schema.names if "second" in name]


def test_a_long_polynomial_is_cut_in_its_text_but_not_in_its_certificate():
    text = " + ".join(f"x{i}^2" for i in range(300))
    [row] = certified(text).values()
    assert row["polynomial"].endswith(" ... (300 terms)")
    assert not is_whole_text(row["polynomial"])
    assert len(json.loads(row["certificate"])["polynomial"]["coefficients"]) == 300


@pytest.mark.parametrize(
    ("verdict", "known_sos", "known_nonneg", "agrees"),
    [
        ("proved", True, None, True),
        ("proved", False, True, False),
        ("refuted_sos", False, True, True),
        ("refuted_sos", True, True, False),
        ("negative", False, False, True),
        ("negative", False, True, False),
        ("negative", None, True, False),
        ("numerical", False, None, None),
        ("undecided", True, True, None),
        ("proved", None, None, None),
    ],
)
def test_only_exact_verdicts_agree_or_contradict(verdict, known_sos, known_nonneg, agrees):
    assert agreement(verdict, known_sos, known_nonneg) is agrees


# --- poison -------------------------------------------------------------------------------------


def test_a_bad_polynomial_is_a_row_and_the_others_go_on(tmp_path):
    records = [
        {"name": "good", "text": "x^2 + 1"},
        {"name": "typo", "text": "x^2 + + "},
        {"name": "nan", "variables": ["x"], "exponents": [[2]], "coefficients": ["nan"]},
        {"name": "short", "variables": ["x"], "exponents": [[2], [0]], "coefficients": ["1"]},
        {"name": "last", "text": "(x*y)^2"},
    ]
    rows = certified(file_of(tmp_path, *records))
    assert [row["status"] for row in rows.values()] == ["ok", "failed", "failed", "failed", "ok"]
    for name in ("typo", "nan", "short"):
        assert rows[name]["verdict"] is None
        assert rows[name]["reason"]
        assert "\n" not in rows[name]["reason"]


@pytest.mark.parametrize(
    ("behavior", "status", "words"),
    [
        ("hangs", "over_budget", "stopped after 3 s; raise seconds"),
        ("eats", "over_budget", "stopped above 1 GiB of memory; raise memory_gib"),
        ("crashes", "failed", "ended with SIGSEGV"),
        ("raises", "failed", "RuntimeError: no luck"),
    ],
)
def test_one_poisoned_polynomial_never_stops_the_others(rigged, behavior, status, words):
    texts = ("x^2 + 1", f"{behavior}^2", "y^2 + 2")
    rows = certified(*texts, seconds=3 if behavior == "hangs" else 60, memory_gib=1)
    assert [row["status"] for row in rows.values()] == ["ok", status, "ok"]
    assert words in rows[texts[1]]["reason"]
    assert [row["verdict"] for row in rows.values()] == ["proved", None, "proved"]


def test_poison_of_every_kind_in_one_file_leaves_the_others_decided(rigged, monkeypatch, tmp_path):
    started = []
    start = isolation._started
    monkeypatch.setattr(isolation, "_started", lambda: started.append(1) or start())
    records = [{"name": f"q{k}", "text": f"(x - {k}*y)^2 + {k}"} for k in range(60)]
    poison = {"hangs": 10, "eats": 30, "crashes": 50}
    for name, place in poison.items():
        records.insert(place, {"name": name, "text": f"{name}^2 + 1"})
    rows = certified(file_of(tmp_path, *records), seconds=8, memory_gib=1)
    assert [*rows] == [record["name"] for record in records]
    fates = {name: rows.pop(name)["status"] for name in poison}
    assert fates == {"hangs": "over_budget", "eats": "over_budget", "crashes": "failed"}
    assert {row["verdict"] for row in rows.values()} == {"proved"}
    assert len(started) <= 4  # a process after each of them, and perhaps the first


def test_the_compilation_is_announced_once_and_can_be_done_before(caplog):
    _jobs._announce.cache_clear()
    caplog.set_level("INFO", logger="tasks.sos")
    assert _jobs.warm_up() is None
    certified("x^2 + 1", "y^2 + 2")
    assert [r.message for r in caplog.records].count("compiling kernels, once") == 1


def test_every_process_loads_the_network_before_the_clock_starts(rigged):
    rows = certified(GOOD[0], "crashes^2 + 1", GOOD[1], basis="cascade")
    reasons = [row["reason"] for row in rows.values()]
    assert [row["status"] for row in rows.values()] == ["ok", "failed", "ok"], reasons
    assert "SIGSEGV" in rows["crashes^2 + 1"]["reason"]


def test_a_polynomial_that_really_takes_long_is_stopped():
    # Odd powers leave no sign symmetry: one block of 495 rows and no interior, minutes at best.
    text = " + ".join(f"(x{i}^4 - x{i} - 1)^2" for i in range(8))
    rows = certified("x^2", text, "y^2", seconds=3, basis="full")
    assert [row["status"] for row in rows.values()] == ["ok", "over_budget", "ok"]


def test_a_batch_whose_call_failed_is_a_row_for_each():
    [item] = plan_of(*GOOD).items["certify"]
    rows = known_of_batch(item.argument)
    assert [row["num_terms"] for row in rows] == [4, 4]
    assert {row["item"] for row in rows} == {"000000"}


# --- verification -------------------------------------------------------------------------------


def checked(planned, certificates):
    found = answer(planned, planned.items["verify"][0], certificates, stage=1)
    assert len(found.timings) == found.tables["verification"].num_rows
    return found.tables["verification"].to_pylist()


def test_every_certificate_is_checked_again():
    names = ("sosdemo1", "motzkin", "neg_biquartic", "scheiderer_quartic")
    rows = checked(plan_of(*names), called(*names).tables["certificates"])
    assert [row["name"] for row in rows] == ["sosdemo1", "motzkin", "neg_biquartic"]
    assert [row["claim"] for row in rows] == ["sos", "not_sos", "negative"]
    assert all(row["valid"] and row["status"] == "ok" and row["reason"] == "" for row in rows)


def with_certificate(certificates, text):
    place = certificates.schema.get_field_index("certificate")
    return certificates.set_column(place, certificates.schema.field(place), pa.array([text]))


def test_a_wrong_certificate_is_found_and_a_broken_one_is_a_row_too():
    planned = plan_of("(x - y)^2 + 1/3")
    certificates = called("(x - y)^2 + 1/3").tables["certificates"]
    data = json.loads(certificates["certificate"].to_pylist()[0])
    data.pop("sha256")
    data["polynomial"]["coefficients"][0] = "2"
    [row] = checked(planned, with_certificate(certificates, json.dumps(data)))
    assert (row["status"], row["valid"]) == ("failed", False)
    assert "identity" in row["reason"]
    [row] = checked(planned, with_certificate(certificates, "{}"))
    assert (row["status"], row["valid"]) == ("failed", None)
    assert "InputError" in row["reason"]


def test_the_share_to_check_is_chosen_by_name_and_seed():
    names = [f"p{i}" for i in range(400)]
    config = CertifyConfig(verify_share=0.25)
    chosen = certificates_to_check(config, names)
    assert 60 < len(chosen) < 140
    assert certificates_to_check(config, names[100:]) == [n for n in chosen if int(n[1:]) >= 100]
    other = config.model_copy(update={"seed": 1})
    assert certificates_to_check(other, names) != chosen
    assert certificates_to_check(CertifyConfig(), names) == names
    assert certificates_to_check(CertifyConfig(verify_share=0), names) == []
