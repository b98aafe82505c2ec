"""The study of certificates: batches of polynomials in, exact proofs and refutations out, as rows.

Every polynomial is worked on in a process of its own, see `tasks.sos._jobs`: one that crashes,
hangs or eats memory is a row with a status, and the others are still decided.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks.records.errors import printable
from tasks.records.parts import EXECUTION_TABLE
from tasks.records.seeds import stream
from tasks.records.status import Status
from tasks.records.work import Inputs, Item, Plan
from tasks.sos import _jobs
from tasks.sos.config import CertifyConfig
from tasks.sos.polynomials.files import PolynomialEntry, load_polynomials
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.verdict import Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.records.rows import Row, Rows

logger = logging.getLogger(__name__)

_MAX_CALLS = 256
_MAX_SHOWN_TERMS = 200
_MAX_SHOWN_LETTERS = 10_000


@dataclass(frozen=True)
class CertifyWork:
    """A batch of polynomials, and how they are decided; the config does not name them."""

    key: str
    entries: tuple[PolynomialEntry, ...]
    config: CertifyConfig


def certify_inputs(config: CertifyConfig) -> Inputs:
    """Load all polynomials; one of a file that cannot be read becomes a row that says why.

    Raises
    ------
    InputError
        For a missing or unreadable file, an unknown name, or a text that is not a polynomial.
    """
    entries = load_polynomials(config.polynomials)
    contents = {entry.name: _digest(entry) for entry in entries}
    return Inputs(contents, (entries, contents), {"polynomials": [*contents]})


def certify_items(plan: Plan) -> list[Item]:
    """One item for each batch."""
    entries, contents = plan.value
    size = plan.config.per_call or max(4, math.ceil(len(entries) / _MAX_CALLS))
    items = []
    for k, start in enumerate(range(0, len(entries), size)):
        batch = tuple(entries[start : start + size])
        # An item travels: it need not carry the names of all others.
        own = plan.config.model_copy(update={"polynomials": ()})
        origin = {"polynomials": [[entry.name, contents[entry.name]] for entry in batch]}
        items.append(Item(f"{k:06d}", CertifyWork(f"{k:06d}", batch, own), origin, size=len(batch)))
    return items


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


def certify_rows(work: CertifyWork) -> Rows:
    """Decide the polynomials of a batch, one after the other.

    Returns
    -------
    Rows
        Of ``certificates`` and ``attempts``, and seconds per stage of each polynomial.
    """
    rows: list[Row] = []
    attempts: list[Row] = []
    timings: list[Row] = []
    for entry in work.entries:
        started, found = datetime.now(UTC), _certify(work, entry)
        rows.append(_certificate_row(work, entry, found))
        fate = rows[-1].get("verdict") or rows[-1]["status"]
        logger.info("%s: %s, %s", printable(entry.name), fate, found.reason)
        if isinstance(found, _jobs.Certified):
            attempts += _attempt_rows(work, entry, found)
            spent = found.seconds
            timings += [_timing(f"{stage}.{entry.name}", spent[stage], started) for stage in spent]
    return {"certificates": rows, "attempts": attempts, EXECUTION_TABLE: timings}


def known_of_batch(work: CertifyWork) -> list[Row]:
    """What is known of the polynomials of a batch: rows of ``certificates``."""
    return [_known_of(work, entry) for entry in work.entries]


def _certify(work: CertifyWork, entry: PolynomialEntry) -> _jobs.Certified | _jobs.Stopped:
    """Decide one polynomial within its limits."""
    if entry.polynomial is None:
        return _jobs.Stopped(Status.FAILED, entry.problem)
    config = work.config
    job = _jobs.CertifyJob(entry.polynomial, config)
    return _jobs.run_job(job, seconds=config.seconds, memory_gib=config.memory_gib)


def _certificate_row(
    work: CertifyWork, entry: PolynomialEntry, found: _jobs.Certified | _jobs.Stopped
) -> Row:
    """A row of ``certificates``."""
    row = _known_of(work, entry) | {"reason": found.reason, "status": Status.OK}
    if isinstance(found, _jobs.Stopped):
        return row | {"status": found.status}
    row |= {"verdict": found.verdict, "certificate": found.certificate}
    row["agrees"] = agreement(found.verdict, row["known_sos"], row["known_nonneg"])
    return row | (_problem_columns(found.attempts[-1]) if found.attempts else {})


def _known_of(work: CertifyWork, entry: PolynomialEntry) -> dict[str, Any]:
    """What is known of a polynomial before anything is tried."""
    return {
        "item": work.key,
        "name": entry.name,
        "known_sos": _known(entry, "is_sos"),
        "known_nonneg": _known(entry, "is_nonneg"),
        **({} if entry.polynomial is None else _described(entry.polynomial)),
    }


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
    text = str(Polynomial.from_arrays(p.variables, p.exponents[:n], p.coefficients[:n]))
    is_whole = p.num_terms <= n and len(text) <= _MAX_SHOWN_LETTERS
    return text if is_whole else f"{text[:_MAX_SHOWN_LETTERS]} ... ({p.num_terms} terms)"


def is_whole_text(text: str) -> bool:
    """Whether the column ``polynomial`` holds the whole polynomial, and not its beginning."""
    return " ... (" not in text


def _attempt_rows(work: CertifyWork, entry: PolynomialEntry, found: _jobs.Certified) -> list[Row]:
    """Rows of ``attempts`` of one polynomial."""
    own = ("feasibility", "form", "num_steps")
    return [
        {"item": work.key, "name": entry.name, "attempt": k}
        | _problem_columns(attempt)
        | {name: attempt[name] for name in own}
        for k, attempt in enumerate(found.attempts)
    ]


def _problem_columns(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that describe a Gram problem and its numbers."""
    names = ("basis_size", "block_sizes", "num_monomials", "num_free", "lower", "upper")
    columns = {"basis": attempt["rule"], **{name: attempt[name] for name in names}}
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in columns.items()}


# --- verification -------------------------------------------------------------------------------


def certificates_to_check(config: CertifyConfig, names: Iterable[str]) -> list[str]:
    """The share of certificates that is checked; whether one is does not depend on the others."""
    share, seed = config.verify_share, config.seed
    return [name for name in names if stream(seed, "verify", name).random() < share]


def check_rows(work: CertifyWork, certificates: pa.Table) -> Rows:
    """Check the certificates of a batch by code that shares nothing with what made them.

    Parameters
    ----------
    work : CertifyWork
    certificates : pyarrow.Table
        The rows of the batch, as stored.

    Returns
    -------
    Rows
        Of ``verification``, and seconds per certificate.
    """
    stored = certificates.select(["name", "certificate"]).to_pylist()
    texts = {row["name"]: row["certificate"] for row in stored if row["certificate"] is not None}
    rows: list[Row] = []
    timings: list[Row] = []
    for name in certificates_to_check(work.config, texts):
        started, began = datetime.now(UTC), time.perf_counter()
        rows.append({"item": work.key, "name": name} | _check(work.config, texts[name]))
        timings.append(_timing(f"check.{name}", time.perf_counter() - began, started))
    return {"verification": rows, EXECUTION_TABLE: timings}


def _check(config: CertifyConfig, certificate: str) -> dict[str, Any]:
    """Check one certificate within the limits of its polynomial."""
    limits = {"seconds": config.seconds, "memory_gib": config.memory_gib}
    found = _jobs.run_job(_jobs.CheckJob(certificate), **limits)
    if isinstance(found, _jobs.Stopped):
        return {"status": found.status, "reason": found.reason}
    return {"status": Status.OK if found.valid else Status.FAILED, **vars(found)}


def _timing(item: str, seconds: float, started: datetime) -> Row:
    """One row of the execution table: a stage of one polynomial."""
    return {"item": item, "seconds": seconds, "started_at": started}
