"""Planted sums of squares are proved, perturbed ones refuted; all certificates are checked."""

from collections import Counter
from dataclasses import dataclass

import pytest
from perturbations import negative_somewhere, outside_cone
from planted import STRUCTURES, planted

from tasks.records import stream
from tasks.sos.certify import Settings, certify
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.verdict import Verdict

SMALL = ((4, 6, 20), (6, 12, 30), (8, 20, 30))
LARGE = ((6, 20, 60),)
SECONDS = 300.0
CLAIMS = {Verdict.PROVED: "sos", Verdict.REFUTED_SOS: "not_sos", Verdict.NEGATIVE: "negative"}
REFUTED = (Verdict.REFUTED_SOS, Verdict.NEGATIVE)


@dataclass(frozen=True)
class Trial:
    """One polynomial: whether its planted Gram matrix has full rank, and what became of it."""

    label: str
    is_full_rank: bool
    verdict: Verdict


def decided(polynomial):
    """The verdict; its certificate must hold for this polynomial."""
    found = certify(polynomial, Settings(seconds=SECONDS))
    assert (found.certificate is not None) == found.verdict.is_exact
    if found.certificate is not None:
        assert found.certificate.polynomial == polynomial
        outcome = verify_sos_certificate(found.certificate.to_data())
        assert outcome.valid, outcome.summary
        assert outcome.claim == CLAIMS[found.verdict]
    return found.verdict


def trials(grids, structure, number, perturb=False):
    """`number` instances of a structure in turn from all grids; perturbed ones in two ways."""
    found = []
    for index in range(number):
        grid, k = grids[index % len(grids)], index // len(grids)
        names = (*map(str, grid), structure, k)
        item = planted(*grid, structure, stream(7, "planted proofs", *names))
        polynomial = item.polynomial
        if perturb:
            change = (negative_somewhere, outside_cone)[k % 2]
            polynomial = change(item, stream(7, "perturbed proofs", *names)).polynomial
        is_full_rank = item.gram.rank() == len(item.basis)
        found.append(Trial(str(names), is_full_rank, decided(polynomial)))
    return found


def share(found, verdicts):
    return sum(trial.verdict in verdicts for trial in found) / len(found) if found else 1.0


def check_planted(found):
    wrong = [trial for trial in found if trial.verdict in REFUTED]
    assert not wrong
    full = [trial for trial in found if trial.is_full_rank]
    rest = [trial for trial in found if not trial.is_full_rank]
    missing = [trial for trial in found if trial.verdict is not Verdict.PROVED]
    assert share(full, [Verdict.PROVED]) >= 0.99, missing
    assert share(rest, [Verdict.PROVED]) >= 0.8, missing


def check_perturbed(found):
    counts = Counter(trial.verdict for trial in found)
    assert counts[Verdict.PROVED] == counts[Verdict.NUMERICAL] == 0, found
    assert share(found, REFUTED) >= 0.9, [t for t in found if t.verdict not in REFUTED]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_planted_sums_of_squares_are_proved(structure):
    check_planted(trials(SMALL, structure, 20))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_perturbed_ones_are_refuted(structure):
    check_perturbed(trials(SMALL, structure, 20, perturb=True))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_thousand_planted_sums_of_squares_are_proved(structure):
    check_planted(trials(SMALL, structure, 1000))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_thousand_perturbed_ones_are_refuted(structure):
    check_perturbed(trials(SMALL, structure, 1000, perturb=True))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_fifty_planted_sums_of_squares_with_sixty_monomials_are_proved(structure):
    check_planted(trials(LARGE, structure, 50))


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_fifty_perturbed_ones_with_sixty_monomials_are_refuted(structure):
    check_perturbed(trials(LARGE, structure, 50, perturb=True))
