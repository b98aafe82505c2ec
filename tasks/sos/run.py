"""Batches of polynomials: planned from a config, run anywhere, answered with Arrow tables.

A run's identity holds what determines its results: the config without its limits and with the
names instead of the places of the polynomials, their contents with what their files claim of them,
and the code version. Every polynomial is worked on in a process of its own, see `tasks.sos._jobs`:
one that crashes, hangs or eats memory is a row with a status, and the next one goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tasks.records import (
    EXECUTION_SCHEMA,
    SCIENCE_COLUMNS,
    RowIdentity,
    RunIdentity,
    Status,
    canonical_json,
    code_version,
    science_table,
    stream,
)
from tasks.records.errors import printable
from tasks.sos import _jobs
from tasks.sos.config import CertifyConfig
from tasks.sos.polynomials.files import PolynomialEntry, load_polynomials
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.schema import ATTEMPTS_SCHEMA, CERTIFICATE_CHECKS_SCHEMA, CERTIFICATES_SCHEMA
from tasks.sos.verdict import Verdict

logger = logging.getLogger(__name__)

FLOW = "sos-certify"
CERTIFY_TABLES = ("certificates", "attempts")
CHECK_TABLES = ("verification",)

_MAX_CALLS = 256
_MAX_SHOWN_TERMS = 200
_MAX_SHOWN_LETTERS = 10_000

Rows = list[tuple[Status, dict[str, Any]]]


@dataclass(frozen=True)
class CertifyItem:
    """A batch of polynomials of a run; its config does not name the polynomials."""

    key: str
    entries: tuple[PolynomialEntry, ...]
    config: CertifyConfig
    identity: RowIdentity


@dataclass(frozen=True)
class CertifyPlan:
    """A run before it starts."""

    identity: RunIdentity
    items: tuple[CertifyItem, ...]

    @property
    def num_polynomials(self) -> int:
        """Polynomials of all batches."""
        return sum(len(item.entries) for item in self.items)


def plan_certify(config: CertifyConfig) -> CertifyPlan:
    """Load all polynomials, name the run, cut it into batches.

    A polynomial of a file that cannot be read is planned too: it becomes a row that says why.

    Raises
    ------
    InputError
        For a missing or unreadable file, an unknown name, or a text that is no polynomial.
    """
    entries = load_polynomials(config.polynomials)
    size = config.batch or max(4, math.ceil(len(entries) / _MAX_CALLS))
    settings = config.model_dump(exclude={"polynomials", "seconds", "memory_gib", "seed"})
    settings |= {"polynomials": [entry.name for entry in entries], "batch": size}
    identity = RunIdentity(
        flow=FLOW,
        config=canonical_json(settings),
        inputs=tuple((entry.name, _digest(entry)) for entry in entries),
        code_version=code_version("tasks.records", "tasks.lattice", "tasks.sos", "gpu"),
        seed=config.seed,
    )
    # What travels with every batch and polynomial does not hold all of them.
    short = (config.model_copy(update={"polynomials": ()}), identity.of_rows)
    items = tuple(
        CertifyItem(f"{k:06d}", tuple(entries[start : start + size]), *short)
        for k, start in enumerate(range(0, len(entries), size))
    )
    return CertifyPlan(identity, items)


def _digest(entry: PolynomialEntry) -> str:
    """SHA-256 of what the rows of a polynomial depend on."""
    p = entry.polynomial
    content = [entry.problem] if p is None else [p.content_hash(), *p.variables]
    known = [_known(entry, "is_sos"), _known(entry, "is_nonneg")]
    return hashlib.sha256(json.dumps([content, known]).encode()).hexdigest()


def _known(entry: PolynomialEntry, key: str) -> bool | None:
    """What the input says, if it says yes or no."""
    value = entry.known.get(key)
    return value if isinstance(value, bool) else None


# --- certificates -------------------------------------------------------------------------------


def run_certify_item(item: CertifyItem) -> dict[str, pa.Table]:
    """Decide the polynomials of a batch, one after the other.

    Returns
    -------
    dict
        Tables ``certificates`` and ``attempts``, and seconds per stage as rows of ``execution``.
    """
    rows: Rows = []
    attempts: Rows = []
    timings: list[dict[str, Any]] = []
    for entry in item.entries:
        started, found = datetime.now(UTC), _certify(item, entry)
        status = found.status if isinstance(found, _jobs.Stopped) else Status.OK
        rows.append((status, _certificate_row(item, entry, found)))
        shown = printable(entry.name)
        logger.info("%s: %s, %s", shown, rows[-1][1]["verdict"] or status, found.reason)
        if isinstance(found, _jobs.Certified):
            attempts += _attempt_rows(item, entry, found)
            spent = found.seconds
            timings += [_timing(item, f"{s}.{entry.name}", spent[s], started) for s in spent]
    return {
        "certificates": _table(CERTIFICATES_SCHEMA, rows, item.identity),
        "attempts": _table(ATTEMPTS_SCHEMA, attempts, item.identity),
        "execution": pa.Table.from_pylist(timings, schema=EXECUTION_SCHEMA),
    }


def failed_certify_item(item: CertifyItem, kind: str, message: str) -> dict[str, pa.Table]:
    """Record a batch whose call failed as a whole: rows with a status and the reason."""
    status = Status.OVER_BUDGET if kind == "BudgetExceeded" else Status.FAILED
    stopped = _jobs.Stopped(status, message)
    rows = [(status, _certificate_row(item, entry, stopped)) for entry in item.entries]
    return {
        "certificates": _table(CERTIFICATES_SCHEMA, rows, item.identity),
        "attempts": ATTEMPTS_SCHEMA.empty_table(),
    }


def _certify(item: CertifyItem, entry: PolynomialEntry) -> _jobs.Certified | _jobs.Stopped:
    """Decide one polynomial within its limits."""
    if entry.polynomial is None:
        return _jobs.Stopped(Status.FAILED, entry.problem)
    config = item.config
    job = _jobs.CertifyJob(entry.polynomial, config)
    return _jobs.run_job(job, seconds=config.seconds, memory_gib=config.memory_gib)


def _certificate_row(
    item: CertifyItem, entry: PolynomialEntry, found: _jobs.Certified | _jobs.Stopped
) -> dict[str, Any]:
    """Lay out a row of `CERTIFICATES_SCHEMA`; what does not apply is null."""
    row: dict[str, Any] = {
        "item": item.key,
        "name": entry.name,
        "reason": found.reason,
        "known_sos": _known(entry, "is_sos"),
        "known_nonneg": _known(entry, "is_nonneg"),
    }
    if entry.polynomial is not None:
        row |= _described(entry.polynomial)
    if isinstance(found, _jobs.Certified):
        row |= {"verdict": found.verdict, "certificate": found.certificate}
        row["agrees"] = agreement(found.verdict, row["known_sos"], row["known_nonneg"])
        if found.attempts:
            row |= _problem_columns(found.attempts[-1])
    return dict.fromkeys(_own_names(CERTIFICATES_SCHEMA)) | row


def agreement(verdict: str, known_sos: bool | None, known_nonneg: bool | None) -> bool | None:
    """Whether an exact verdict agrees with what is known; None where they do not meet.

    >>> agreement("proved", False, None), agreement("numerical", True, True)
    (False, None)
    """
    if not Verdict(verdict).is_exact:
        return None
    if verdict == Verdict.NEGATIVE and known_nonneg:
        return False
    return None if known_sos is None else known_sos == (verdict == Verdict.PROVED)


def _described(p: Polynomial) -> dict[str, Any]:
    """The columns that depend on the polynomial alone."""
    return {
        "polynomial": _text(p),
        "variables": list(p.variables),
        "num_variables": p.num_variables,
        "degree": p.degree,
        "num_terms": p.num_terms,
        "content": p.content_hash(),
    }


def _text(p: Polynomial) -> str:
    """The text of a polynomial; of a long one the beginning."""
    n = _MAX_SHOWN_TERMS
    text = str(Polynomial(p.variables, p.exponents[:n].copy(), p.coefficients[:n]))
    is_whole = p.num_terms <= n and len(text) <= _MAX_SHOWN_LETTERS
    return text if is_whole else f"{text[:_MAX_SHOWN_LETTERS]} ... ({p.num_terms} terms)"


def is_whole_text(text: str) -> bool:
    """Whether the column ``polynomial`` holds the whole polynomial, and not its beginning."""
    return " ... (" not in text


def _attempt_rows(item: CertifyItem, entry: PolynomialEntry, found: _jobs.Certified) -> Rows:
    """Lay out the rows of `ATTEMPTS_SCHEMA` of one polynomial."""
    rows: Rows = []
    for k, attempt in enumerate(found.attempts):
        row = {"item": item.key, "name": entry.name, "attempt": k, **_problem_columns(attempt)}
        row |= {name: attempt[name] for name in ("feasibility", "form", "num_steps")}
        rows.append((Status.OK, row))
    return rows


def _problem_columns(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that describe a Gram problem and its numbers."""
    names = ("basis_size", "block_sizes", "num_monomials", "num_free", "lower", "upper")
    columns = {"basis": attempt["rule"], **{name: attempt[name] for name in names}}
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in columns.items()}


# --- verification -------------------------------------------------------------------------------


def certificates_to_check(item: CertifyItem, names: Iterable[str]) -> list[str]:
    """The share of certificates that is checked; whether one is does not depend on the others."""
    share, seed = item.config.verify_share, item.identity.seed
    return [name for name in names if stream(seed, "verify", name).random() < share]


def run_check_item(item: CertifyItem, certificates: pa.Table) -> dict[str, pa.Table]:
    """Check the certificates of a batch by code that shares nothing with what made them.

    Parameters
    ----------
    item : CertifyItem
    certificates : pyarrow.Table
        The rows of the batch, as stored.

    Returns
    -------
    dict
        Table ``verification``, and seconds per certificate as rows of ``execution``.
    """
    stored = certificates.select(["name", "certificate"]).to_pylist()
    texts = {row["name"]: row["certificate"] for row in stored if row["certificate"] is not None}
    rows: Rows = []
    timings: list[dict[str, Any]] = []
    for name in certificates_to_check(item, texts):
        started, began = datetime.now(UTC), time.perf_counter()
        rows.append(_check(item, name, texts[name]))
        timings.append(_timing(item, f"check.{name}", time.perf_counter() - began, started))
    return {
        "verification": _table(CERTIFICATE_CHECKS_SCHEMA, rows, item.identity),
        "execution": pa.Table.from_pylist(timings, schema=EXECUTION_SCHEMA),
    }


def _check(item: CertifyItem, name: str, certificate: str) -> tuple[Status, dict[str, Any]]:
    """Check one certificate within the limits of its polynomial."""
    limits = {"seconds": item.config.seconds, "memory_gib": item.config.memory_gib}
    found = _jobs.run_job(_jobs.CheckJob(certificate), **limits)
    row = dict.fromkeys(_own_names(CERTIFICATE_CHECKS_SCHEMA)) | {"item": item.key, "name": name}
    row |= {key: value for key, value in vars(found).items() if key in row}
    if isinstance(found, _jobs.Stopped):
        return found.status, row
    return (Status.OK if found.valid else Status.FAILED), row


# --- tables -------------------------------------------------------------------------------------


def _own_names(schema: pa.Schema) -> list[str]:
    """Names of the columns after the leading ones."""
    return schema.names[len(SCIENCE_COLUMNS) :]


def _table(schema: pa.Schema, rows: Rows, identity: RowIdentity) -> pa.Table:
    """A table with rows of different status."""
    columns = {name: [row[name] for _, row in rows] for name in _own_names(schema)}
    return science_table(schema, columns, identity=identity, status=[status for status, _ in rows])


def _timing(item: CertifyItem, name: str, seconds: float, started: datetime) -> dict[str, Any]:
    """One row of the execution table: a stage of one polynomial."""
    return {
        "item": name,
        "run_id": item.identity.run_id,
        "flow_run_id": "",
        "host": platform.node(),
        "device": "cpu",
        "started_at": started,
        "seconds": seconds,
        "attempts": 1,
        "peak_rss_bytes": 0,
    }
