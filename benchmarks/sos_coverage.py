"""Predicted bases beside even square roots, on polynomials that no training has seen.

Four tables in Markdown: by family, drawn as in training; by α; at points of the published tables;
at and beyond the edge of the training's ranges. A basis counts as covered if the known one is
within it after complete repair, so that a proof over it exists. 95 % intervals: Wilson's for
shares, the normal approximation for means. Both methods see the same polynomials, so what tells
them apart is the exact sign test on those that one of them covers only.

The seed was not used in training, and α was not chosen on it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration import calibrate
from tasks.sos.prediction.calibration import sigmoid
from tasks.sos.prediction.config import PredictorConfig
from tasks.sos.prediction.evaluation import discordant, even_sqrt_scores, score_predictions
from tasks.sos.prediction.examples import row_example
from tasks.sos.prediction.metrics import BasisScore, Summary, sign_test, summarize
from tasks.sos.prediction.predictor import Predictor, load_predictor, shipped_predictor
from tasks.sos.prediction.training import LabeledGraph, draw_graphs, labeled, logits_of
from tasks.sos.sampling.cells import Cell

STRUCTURES = ("dense", "sparse", "low_rank", "block_diagonal")
CANCELLING = ("vanishing", "binomial_squares", "multiplied")
PUBLISHED = ("n4-d3-m20", "n6-d6-m30", "n8-d10-m30")
BEYOND = ("n100-d5-m20", "n6-d10-m60", "n20-d6-m40", "n6-d20-m40")
SHIFTED = ("dense", "sparse", "block_diagonal", "vanishing", "binomial_squares")
TRAINED = ("families", "max_variables", "max_half_degree", "max_size")
"""What the card of a model says about the examples of its training."""
ALPHAS = (0.05, 0.02, 0.01, 0.005, 0.002)

Probabilities = list[NDArray[np.float64]]


def probabilities_of(predictor: Predictor, graphs: Sequence[LabeledGraph]) -> Probabilities:
    """Calibrated probabilities of the candidates of every polynomial."""
    logits = logits_of(predictor.model, graphs, predictor.device)
    return [sigmoid(values / predictor.temperature) for values in logits]


def drawn(family: str, point: str, seed: int, count: int) -> list[LabeledGraph]:
    """Polynomials of one cell."""
    cell = Cell.of(family, point)
    return [labeled(row_example(cell, seed, number)) for number in range(count)]


def share(summary: Summary) -> str:
    """Covered, in percent, with its interval."""
    low, high = (100 * value for value in summary.interval)
    return f"{100 * summary.coverage:.1f} ({low:.1f}–{high:.1f})"


def of(scores: Sequence[BasisScore], places: Iterable[int]) -> Summary:
    """Numbers over some of the polynomials."""
    return summarize(scores[k] for k in places)


def paired(mine: Sequence[BasisScore], rule: Sequence[BasisScore]) -> str:
    """Polynomials covered by the prediction only : by even-sqrt only, and whether it is chance."""
    wins, losses = discordant(mine, rule)
    return f"{wins} : {losses} (p = {sign_test(wins, losses):.2g})"


def print_row(*cells: str) -> None:
    """One row of a Markdown table."""
    print(f"| {' | '.join(cells)} |", flush=True)


def print_header(*cells: str) -> None:
    """The head of a Markdown table."""
    print()
    print_row(*cells)
    print(f"|{'---|' * len(cells)}")


def print_families(
    graphs: Sequence[LabeledGraph], mine: Sequence[BasisScore], rule: Sequence[BasisScore]
) -> None:
    """One line per family."""
    names = [each.example.family for each in graphs]
    print_header("family", "covers %", "even-sqrt %", "size ratio", "even-sqrt", "one only")
    for family in [*dict.fromkeys(names), "all"]:
        places = [k for k, name in enumerate(names) if family in (name, "all")]
        ours, theirs = of(mine, places), of(rule, places)
        print_row(
            f"`{family}`",
            share(ours),
            f"{100 * theirs.coverage:.1f}",
            f"{ours.ratio:.3f} ± {ours.ratio_error:.3f}",
            f"{theirs.ratio:.3f}",
            paired([mine[k] for k in places], [rule[k] for k in places]),
        )


def print_alphas(
    predictor: Predictor,
    graphs: Sequence[LabeledGraph],
    probabilities: Probabilities,
    rule: Sequence[BasisScore],
) -> None:
    """One line per α, over all and over two groups of families: covers in percent, size ratio."""
    names = [each.example.family for each in graphs]
    groups = [set(names), set(STRUCTURES), set(CANCELLING)]
    parts = [[k for k, name in enumerate(names) if name in group] for group in groups]
    print_header("α", "all", "published structures", "cancelling")
    lines = {
        f"{alpha:g}": score_predictions(graphs, probabilities, predictor.threshold_at(alpha))
        for alpha in ALPHAS
    }
    for name, scores in {**lines, "even-sqrt": rule}.items():
        found = [of(scores, part) for part in parts]
        print_row(name, *(f"{100 * each.coverage:.1f}, {each.ratio:.3f}" for each in found))


def print_points(
    predictor: Predictor, points: Iterable[str], families: Iterable[str], seed: int, count: int
) -> None:
    """One line per point and family."""
    print_header("point", "family", "covers %", "even-sqrt %", "size", "even-sqrt", "one only")
    for point in points:
        for family in families:
            graphs = drawn(family, point, seed, count)
            probabilities = probabilities_of(predictor, graphs)
            scores = score_predictions(graphs, probabilities, predictor.threshold)
            others = even_sqrt_scores(graphs)
            mine, rule = summarize(scores), summarize(others)
            print_row(
                point,
                f"`{family}`",
                share(mine),
                f"{100 * rule.coverage:.1f}",
                f"{mine.size:.1f} ({mine.ratio:.3f})",
                f"{rule.size:.1f} ({rule.ratio:.3f})",
                paired(scores, others),
            )


def main(arguments: list[str]) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="", help="file of a model; the shipped one otherwise")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--count", type=int, default=500, help="polynomials per line")
    asked = parser.parse_args(arguments)
    predictor = load_predictor(asked.model) if asked.model else shipped_predictor()
    trained = predictor.card["config"]
    if asked.seed == trained["seed"]:
        parser.error(f"seed {asked.seed} is the training's")
    print(calibrate())
    fresh = PredictorConfig(seed=asked.seed, **{name: trained[name] for name in TRAINED})
    graphs = draw_graphs(fresh, "test", 0, asked.count * len(fresh.families))
    probabilities = probabilities_of(predictor, graphs)
    mine = score_predictions(graphs, probabilities, predictor.threshold)
    rule = even_sqrt_scores(graphs)
    print_families(graphs, mine, rule)
    print_alphas(predictor, graphs, probabilities, rule)
    print_points(predictor, PUBLISHED, STRUCTURES, asked.seed, asked.count)
    print_points(predictor, BEYOND, SHIFTED, asked.seed, max(asked.count // 5, 1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
