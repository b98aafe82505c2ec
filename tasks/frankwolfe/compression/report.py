"""Report of the study `compression-aware`: methods side by side at every ratio."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from tasks.frankwolfe.compression.items import IMP, PLAIN
from tasks.frankwolfe.compression.results import Results, Row, concordance
from tasks.nn.statistics import difference, interval, per_replicate
from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["compression_figures", "compression_report"]

KINDS = {
    "filters": "filters cut out",
    "low_rank": "layers of low rank",
    "both": "filters cut out, the rest of low rank",
    "weights": "single weights",
}
CLAIMS = (
    ("filters", ("group_k_support",), ("sgd_decay", "group_penalty")),
    ("low_rank", ("spectral_k_support",), ("sgd_decay", "nuclear_penalty", "nuclear_prox")),
    ("weights", ("k_support", "k_sparse"), ("sgd_decay",)),
)
"""Kind, regions that are for it, and compression-aware rivals (arXiv:2205.11921)."""
NUCLEAR = ("nuclear_penalty", "nuclear_prox")


def compression_report(stored: Stored) -> Report:
    """What holds of the published claims here, then one table per kind of compression."""
    found = Results(stored)
    findings = [*_claims(found), *_rescaling(found)]
    kinds = [kind for kind in stored.settings["kinds"] if found.names(kind)]
    tables = [
        *(_accuracies(found, kind) for kind in kinds),
        *(table for kind in kinds for table in _paired(found, kind)),
        *_methods(found),
        *_sizes(found, kinds),
    ]
    models = stored.rows("models")
    chosen = sum(row["replicate"] < 0 for row in models)
    seeds = counted(stored.settings["seeds"], "repetition")
    how = (
        f"settings are the best of {counted(chosen, 'training')} of another repetition, compressed "
        "to all ratios, on validation data"
    )
    notes = [
        f"{seeds} with 95 % intervals; {how if chosen else 'nothing was chosen'}",
        "ratios are what stays; models are recalibrated, "
        f"and nothing is retrained but {IMP}, once for every ratio, with as many steps in all",
        *_recalibration(found, kinds),
        *_resources(found),
        *_rankings(found, kinds),
        *_verified(stored),
        *_exportable(found, kinds),
        *_failures(models),
        *_failures(stored.rows("compressed")),
    ]
    nothing = "no published claim is about these methods" if kinds else "nothing is compressed yet"
    return Report(findings or [nothing], tables, notes)


def compression_figures(stored: Stored) -> Iterator[Figure]:
    """Accuracy against ratio, kind by kind; spectra and norms of filters."""
    for kind in stored.settings["kinds"]:
        if Results(stored).names(kind):
            draw = partial(_figure, stored, "ratios", kind)
            yield Figure(f"figures/{kind}.png", draw, ("models", "compressed"))
    yield Figure("figures/layers.png", partial(_figure, stored, "layers"), ("layers",))


def _figure(stored: Stored, name: str, *arguments: str) -> Any:
    # matplotlib is slow to import.
    from tasks.frankwolfe.compression import figures

    return getattr(figures, f"draw_{name}")(Results(stored), *arguments)


# --- claims -------------------------------------------------------------------------------------


def _claims(found: Results) -> Iterator[str]:
    """Whether regions made for a compression are better than each rival, over all ratios."""
    for kind, regions, rivals in CLAIMS:
        name = found.favorite(kind, regions)
        known = found.names(kind) if name else []
        for rival in (*rivals, IMP):
            if rival in known:
                whose = "published" if rival != IMP else "here, with retraining for every ratio"
                yield f"{whose}: {_compared(found, kind, name, rival)}"


def _compared(found: Results, kind: str, first: str, second: str) -> str:
    by, whole = found.by, found.over_all(kind, first, second)
    if whole is None:
        return f"{KINDS[kind]}: {first} and {second} have no repetition in common -> not settled"
    each = [found.difference(kind, ratio, first, second) for ratio in found.ratios(kind)]
    verdicts = Counter(difference.verdict for difference in each if difference is not None)
    words = {"holds": "better", "does not hold": "worse", "not settled": "not settled"}
    parts = [f"{word} at {verdicts[key]}" for key, word in words.items() if verdicts[key]]
    return (
        f"{KINDS[kind]}: {first} {by.better} {second} -> {whole.verdict}, {by.text(whole)} over "
        f"{counted(len(each), 'ratio')} ({', '.join(parts)})"
    )


def _rescaling(found: Results) -> Iterator[str]:
    """Whether gradient rescaling decides."""
    for kind, regions, _ in CLAIMS:
        known = found.names(kind)
        for name in regions:
            if name in known and f"{name}{PLAIN}" in known:
                yield f"published, gradient rescaling: {_compared(found, kind, name, name + PLAIN)}"


def _resources(found: Results) -> Iterator[str]:
    """Seconds of trainings: low ranks by Frank-Wolfe beside nuclear norms.

    What else ran on the machine is in them, so that no claim is decided by these.
    """
    seconds = found.seconds()
    rivals = [name for name in NUCLEAR if name in seconds]
    if "spectral_k_support" in seconds and rivals:
        own = seconds["spectral_k_support"]
        texts = [f"{own / seconds[name]:.2f} of {name}" for name in rivals]
        yield (
            f"a training of spectral_k_support took {' and '.join(texts)} here, whatever else ran "
            "beside; `python -m benchmarks.compression` compares single steps"
        )


# --- tables -------------------------------------------------------------------------------------


def _accuracies(found: Results, kind: str) -> Table:
    by, ratios = found.by, found.ratios(kind)
    first = f"{KINDS[kind]}, {by.label} ({by.measured_in})"
    rows = [
        [
            name,
            by.mean(found.dense[name]) if name in found.dense and name != IMP else "",
            *(by.mean(part) if (part := found.rows(name, kind, r)) else "" for r in ratios),
        ]
        for name in found.names(kind)
    ]
    headings = (first, "dense", *(f"{ratio:g}" for ratio in ratios))
    return Table(headings, rows, words=(first,), num_keys=1, subject="method")


def _paired(found: Results, kind: str) -> Iterator[Table]:
    """By how much the best region is better than each other method, paired by repetition."""
    by, ratios, names = found.by, found.ratios(kind), found.names(kind)
    best = found.favorite(kind, [n for n in names if n in found.settings["regions"]])
    if not best or len(names) < 2:
        return
    first = f"{KINDS[kind]}: {best}, {by.unit} over"
    rows = []
    for name in names:
        if name != best:
            each = [found.difference(kind, ratio, best, name) for ratio in ratios]
            whole = found.over_all(kind, best, name)
            cells = ["" if d is None else by.plain(d) for d in (*each, whole)]
            rows.append([name, *cells])
    headings = (first, *(f"{ratio:g}" for ratio in ratios), "mean")
    yield Table(headings, rows, words=(first,), num_keys=1, subject="method")


def _methods(found: Results) -> Iterator[Table]:
    """Settings, the network before compression, and what its training takes."""
    by, seconds = found.by, found.seconds()
    layers = found.stored.rows("layers")
    rows = []
    for name in found.methods:
        if name not in found.dense:
            continue
        part = found.dense[name]
        gauges = [row["gauge"] for row in part if row["gauge"] is not None]
        own = [row for row in layers if row["method"] == name]
        rows.append([
            name,
            *("" if part[0][key] is None else f"{part[0][key]:g}" for key in
              ("width", "share", "penalty", "rate")),
            by.mean(part),
            f"{max(gauges):.4f}" if gauges else "",
            f"{np.mean([row['effective_rank'] for row in own]):.1f}" if own else "",
            f"{seconds[name]:.1f}" if name in seconds else "",
        ])  # fmt: skip
    headings = (
        "method", "width", "k", "penalty", "rate", f"dense {by.label}", "gauge", "effective rank",
        "seconds",
    )  # fmt: skip
    used = [p for p in range(len(headings)) if any(row[p] for row in rows)]
    if rows:
        yield Table(
            [headings[p] for p in used],
            [[row[p] for p in used] for row in rows],
            words=("method",),
            num_keys=1,
            subject="method",
        )


def _sizes(found: Results, kinds: Sequence[str]) -> Iterator[Table]:
    """What compressed models take, relative to the network; means over methods."""
    first = "percent that is left of"
    names = {"parameters": "parameters", "multiplications": "multiplications", "bytes": "bytes"}
    whole = next((rows[0] for rows in found.dense.values()), None)
    rows = []
    ratios = sorted({ratio for kind in kinds for ratio in found.ratios(kind)}, reverse=True)
    for kind in kinds:
        for column, word in names.items():
            cells = []
            for ratio in ratios:
                own = [row for n in found.names(kind) for row in found.rows(n, kind, ratio)]
                share = (
                    np.mean([row[column] for row in own]) / whole[column] if own and whole else 0
                )
                cells.append(f"{100 * share:.1f}" if own else "")
            rows.append([f"{word}, {KINDS[kind]}", *cells])
    if rows and whole:
        headings = (first, *(f"{ratio:g}" for ratio in ratios))
        yield Table(headings, rows, words=(first,), num_keys=1, subject="measure")


# --- notes --------------------------------------------------------------------------------------


def _recalibration(found: Results, kinds: Sequence[str]) -> Iterator[str]:
    """What recalibration adds."""
    by = found.by
    for kind in kinds:
        rows = [
            row
            for name in found.names(kind)
            if name != IMP
            for ratio in found.ratios(kind)
            for row in found.rows(name, kind, ratio)
        ]
        one, other = (per_replicate(rows, column) for column in (by.column, "uncalibrated"))
        gain = difference(one, other)
        if gain is not None and rows:
            unstable = interval(per_replicate(rows, "instability").values())
            yield (
                f"{KINDS[kind]}: recalibration adds {by.text(gain)} on average; after it "
                f"{unstable.percent(1)} % of the {by.label} of the networks are lost (instability)"
            )


def _rankings(found: Results, kinds: Sequence[str]) -> Iterator[str]:
    """Whether repetitions agree on the order of methods."""
    for kind in kinds:
        each = [(ratio, concordance(values)) for ratio, values in found.rankings(kind)]
        if each:
            mean = sum(value for _, value in each) / len(each)
            least = min(each, key=lambda pair: pair[1])
            yield (
                f"{KINDS[kind]}: repetitions agree on the order of methods with Kendall's W "
                f"{mean:.2f} on average, least {least[1]:.2f} at ratio {least[0]:g} (1: all agree)"
            )


def _verified(stored: Stored) -> Iterator[str]:
    rows = stored.rows("verification")
    wrong = [row for row in rows if row["status"] != Status.OK]
    known = [row["difference"] for row in rows if row["difference"] is not None]
    most = f", outputs of smaller modules differ by {max(known):.1e} at most" if known else ""
    yield f"made again from files: {len(rows) - len(wrong)} of {len(rows)} compressed models{most}"
    for row in wrong:
        yield f"{row['item']}: {row['reason']}"


def _exportable(found: Results, kinds: Sequence[str]) -> Iterator[str]:
    """How to take out a model: of the best region of the first kind at the middle ratio."""
    for kind in kinds[:1]:
        ratios = found.ratios(kind)
        name = found.favorite(kind, found.settings["regions"])
        rows = found.rows(name, kind, ratios[len(ratios) // 2])
        if rows:
            run = found.stored.run.run_id
            yield f"`latticework export {run} --item {rows[0]['item']} --to FOLDER` writes a model"


def _failures(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row["status"] != Status.OK:
            yield f"{row['item']}: {row['status']}, {row['reason']}"
