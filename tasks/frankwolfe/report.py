"""Report of the study `frank-wolfe`: regions beside rivals, paired by repetition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tasks.nn.config import TEXTS
from tasks.nn.statistics import Interval, difference, interval, per_replicate
from tasks.nn.yardstick import ACCURACY, LOSS, R2, Yardstick, yardstick_of
from tasks.records import Figure, Report, Status, Stored, Table
from tasks.records.report import counted

__all__ = ["frank_wolfe_figures", "frank_wolfe_report"]

HEADINGS = (
    "method", "width", "rate", "accuracy", "R²", "loss", "OOD", "gap", "gauge", "zeros", "rank"
)  # fmt: skip
"""Accuracies in percent; share of zeros in percent, and stable rank over its largest value in
percent, both means over the weights that regions constrain."""
RIVALS = {"sgd": "SGD without weight decay", "sgd_decay": "SGD with weight decay"}
LEARNED = {
    "zeros": (("l1", "k_sparse", "k_support"), "has more zeros"),
    "rank": (("nuclear", "spectral_k_support"), "has a lower rank"),
}
"""What regions are for: the first of these that there is, beside SGD."""
Row = Mapping[str, Any]
Methods = Mapping[str, Sequence[Row]]
Certified = Mapping[float, Mapping[str, float]]


def frank_wolfe_report(stored: Stored) -> Report:
    """What regions are good for here, then one row per method."""
    models, settings = stored.rows("models"), stored.settings
    finals = [row for row in models if row["replicate"] >= 0]
    good = [row for row in finals if row["status"] == Status.OK]
    methods: dict[str, list[Row]] = {}
    for row in good:
        methods.setdefault(row["method"], []).append(row)
    learned = _learned(stored.rows("layers"))
    by = yardstick_of(settings)
    rows = [_cells(name, part, learned, by) for name, part in methods.items()]
    # What nobody has is left out.
    used = [place for place in range(len(HEADINGS)) if any(row[place] for row in rows)]
    table = Table(
        [HEADINGS[place] for place in used],
        [[row[place] for place in used] for row in rows],
        words=("method",),
        num_keys=1,
        subject="method",
    )
    certified = _certified(stored)
    findings = [
        *_best(methods, settings),
        *_safest(certified, settings),
        *_claims(methods, learned, settings),
    ]
    chosen = sum(row["replicate"] < 0 for row in models)
    kind = "text" if settings["dataset"] in TEXTS else "images"
    how = (
        f"sizes and rates are the best of {counted(chosen, 'training')} of another repetition on "
        f"validation {kind}; "
        if chosen
        else ""
    )
    seeds = f"{counted(settings['seeds'], 'repetition')} with 95 % intervals; "
    lines = [
        f"{seeds}{how}weights without a region: AdamW",
        *_verified(stored),
        *_exportable(good, settings, stored.run.run_id),
        *_failures(models),
    ]
    tables = [table, *_paired_table(methods, settings), *_certified_table(certified)]
    return Report(findings or ["no training is done yet"], tables, lines)


def frank_wolfe_figures(stored: Stored) -> Iterator[Figure]:
    """Accuracies, gaps and gauges along the way, what was learned, and what is certain."""
    for name, tables in (
        (_compared(stored), ("models",)),
        ("curves", ("curve",)),
        ("learned", ("layers",)),
    ):
        yield Figure(f"figures/{name}.png", partial(_figure, stored, name), tables)
    for name in ("filters", "certified"):
        if stored.rows(name):
            yield Figure(f"figures/{name}.png", partial(_figure, stored, name), (name,))


def _compared(stored: Stored) -> str:
    return "losses" if yardstick_of(stored.settings) is LOSS else "accuracies"


def _figure(stored: Stored, name: str) -> Any:
    # matplotlib is slow to import.
    from tasks.frankwolfe import figures

    order = [*stored.settings["rivals"], *stored.settings["regions"]]
    drawn = "accuracies" if name == "losses" else name
    return getattr(figures, f"draw_{drawn}")(stored, order)


def _learned(layers: Sequence[Row]) -> dict[str, dict[str, dict[int, float]]]:
    """Method -> measure -> repetition -> mean over the weights that regions constrain."""
    constrained = {row["layer"] for row in layers if row["gauge"] is not None}
    sums: dict[tuple[str, int], list[Row]] = {}
    for row in layers:
        if row["replicate"] >= 0 and row["layer"] in constrained:
            sums.setdefault((row["method"], row["replicate"]), []).append(row)
    found: dict[str, dict[str, dict[int, float]]] = {}
    for (method, replicate), rows in sums.items():
        own = found.setdefault(method, {"zeros": {}, "rank": {}})
        own["zeros"][replicate] = sum(row["zeros"] for row in rows) / len(rows)
        shares = [row["stable_rank"] / _full_rank(row["shape"]) for row in rows]
        own["rank"][replicate] = sum(shares) / len(shares)
    return found


def _full_rank(shape: Sequence[int]) -> int:
    rest = 1
    for size in shape[1:]:
        rest *= size
    return min(shape[0], rest)


def _cells(name: str, part: Sequence[Row], learned: Mapping[str, Any], by: Yardstick) -> list[str]:
    columns = ("accuracy", "loss", "ood_accuracy")
    mean = {column: interval(per_replicate(part, column).values()) for column in columns}
    gaps = [row["gap"] for row in part if row["gap"] is not None]
    gauges = [row["gauge"] for row in part if row["gauge"] is not None]
    own = learned.get(name, {"zeros": {}, "rank": {}})
    return [
        name,
        "" if part[0]["width"] is None else f"{part[0]['width']:g}",
        f"{part[0]['rate']:g}",
        by.mean(part) if by is ACCURACY else _percent(mean["accuracy"]),
        by.mean(part) if by is R2 else "",
        by.mean(part) if by is LOSS else f"{mean['loss'].mean:.3f}",
        mean["ood_accuracy"].percent(1) if mean["ood_accuracy"].count else "",
        f"{sum(gaps) / len(gaps):.3g}" if gaps else "",
        f"{max(gauges):.4f}" if gauges else "",
        f"{100 * interval(own['zeros'].values()).mean:.1f}" if own["zeros"] else "",
        f"{100 * interval(own['rank'].values()).mean:.1f}" if own["rank"] else "",
    ]


def _percent(found: Interval) -> str:
    return f"{100 * found.mean:.2f}" if found.count else ""


def _paired_table(methods: Methods, settings: Mapping[str, Any]) -> Iterator[Table]:
    """By how much every region is better than every rival, paired by repetition."""
    by = yardstick_of(settings)
    regions, rivals = (
        [name for name in settings[kind] if name in methods] for kind in ("regions", "rivals")
    )
    rows = []
    for region in regions:
        found = [by.difference(methods[region], methods[rival]) for rival in rivals]
        rows.append([region, *("" if each is None else by.plain(each) for each in found)])
    if rows and rivals:
        first = f"{by.unit} over"
        yield Table((first, *rivals), rows, words=(first,), num_keys=1, subject="region")


def _best(methods: Methods, settings: Mapping[str, Any]) -> Iterator[str]:
    """The region that is best on validation data, and the best rival."""
    by = yardstick_of(settings)
    names = [by.favorite(methods, settings[kind]) for kind in ("regions", "rivals")]
    texts = [f"{name} {by.mean(methods[name])} {by.measured_in}" for name in names if name]
    if texts:
        kind = "text" if settings["dataset"] in TEXTS else "images"
        yield f"best region and best rival on validation {kind}, {by.column}: {', '.join(texts)}"


def _claims(
    methods: Methods, learned: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[str]:
    """Claims of arXiv:2010.07243 with what is seen of them here.

    That is about images and steps with gradient rescaling; of others they are only questions.
    """
    is_published = settings["preset"] != "scion" and settings["dataset"] not in TEXTS

    def claim(what: str, verdict: str) -> str:
        return f"{'published' if is_published else 'here'}: {what} -> {verdict}"

    regions = [name for name in settings["regions"] if name in methods]
    if not regions:
        return
    inside = all(row["gauge"] <= 1 + 1e-4 for name in regions for row in methods[name])
    yield claim("weights are feasible at the end", "holds" if inside else "does not hold")
    by = yardstick_of(settings)
    best = by.favorite(methods, settings["regions"])
    for rival, name in RIVALS.items():
        found = by.difference(methods[best], methods[rival]) if rival in methods else None
        if found is not None:
            words, verdict = f"{by.better} {name}", found.verdict
            if rival == "sgd_decay":
                words, verdict = f"matches {name} {by.close}", by.matches(found)
            yield claim(f"{best} {words}", f"{verdict}, {by.text(found)}")
    for measure, (names, words) in LEARNED.items():
        name = next((each for each in names if each in learned), "")
        if not name or "sgd" not in learned:
            continue
        one, other = learned[name][measure], learned["sgd"][measure]
        found = difference(one, other) if measure == "zeros" else difference(other, one)
        if found is not None:
            yield claim(f"{name} {words} than SGD", f"{found.verdict}, {found.points()} points")


def _certified(stored: Stored) -> Certified:
    """Radius -> method -> mean certified accuracy."""
    values: dict[float, dict[str, list[float]]] = {}
    for row in stored.rows("certified"):
        values.setdefault(row["radius"], {}).setdefault(row["method"], []).append(row["accuracy"])
    return {
        radius: {method: sum(v) / len(v) for method, v in by.items()}
        for radius, by in sorted(values.items())
    }


def _certified_table(certified: Certified) -> Iterator[Table]:
    """Accuracies that no change of an image by a Euclidean radius can take away."""
    first = next(iter(certified.values()), {})
    rows = [
        [method, *(f"{100 * by.get(method, 0.0):.1f}" for by in certified.values())]
        for method in first
    ]
    if rows:
        headings = ("certified at radius", *(f"{radius:g}" for radius in certified))
        yield Table(headings, rows, words=("certified at radius",), num_keys=1, subject="method")


def _safest(certified: Certified, settings: Mapping[str, Any]) -> Iterator[str]:
    """Region and rival with the best certified accuracies, at the radius where they differ most."""
    found = []
    for radius, by in certified.items():
        sides = [{m: by[m] for m in settings[kind] if m in by} for kind in ("regions", "rivals")]
        if all(sides):
            best = [max(side.items(), key=lambda pair: pair[1]) for side in sides]
            found.append((best[0][1] - best[1][1], radius, best))
    if found:
        _, radius, best = max(found, key=lambda each: (abs(each[0]), -each[1]))
        texts = [f"{method} {100 * value:.1f} %" for method, value in best]
        yield f"most certified accuracy at Euclidean radius {radius:g}: {', '.join(texts)}"


def _exportable(good: Sequence[Row], settings: Mapping[str, Any], run_id: str) -> Iterator[str]:
    """The best model, and how to take it out."""
    by = yardstick_of(settings)
    best = max(good, key=by.quality, default=None)
    if best is not None:
        yield (
            f"best model by validation data: {best['item']} ({by.label} "
            f"{by.scale * best[by.column]:.{by.digits}f} {by.measured_in}); "
            f"`latticework export {run_id} --best --to FOLDER` writes its files"
        )


def _verified(stored: Stored) -> Iterator[str]:
    rows = stored.rows("verification")
    wrong = [row for row in rows if row["status"] != Status.OK]
    yield f"verified from their files: {len(rows) - len(wrong)} of {len(rows)} models"
    for row in wrong:
        yield f"{row['item']}: {row['reason']}"


def _failures(models: Sequence[Row]) -> Iterator[str]:
    for row in models:
        if row["status"] != Status.OK:
            yield f"{row['item']}: {row['status']}, {row['reason']}"
