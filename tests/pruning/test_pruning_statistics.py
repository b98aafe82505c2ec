"""The rows of a table, pictures."""

import doctest

from tasks.pruning import figures
from tasks.pruning.statistics import soup_methods


def row(method, replicate=0, member=0, phase=1, **values):
    base = {"status": "ok", "method": method, "replicate": replicate, "member": member}
    base |= {"phase": phase, "accuracy": 0.5, "validation_accuracy": 0.5, "sparsity": 0.9}
    return base | {"ood_accuracy": 0.4, "budget": 1.0, "target": 0.9} | values


def test_examples_are_true():
    assert doctest.testmod(figures, optionflags=doctest.ELLIPSIS).failed == 0


def test_the_best_member_is_chosen_by_validation_images():
    rows = [
        row("member", 0, 0, accuracy=0.9, validation_accuracy=0.1),
        row("member", 0, 1, accuracy=0.2, validation_accuracy=0.8),
        row("member", 1, 0, accuracy=0.3),
        row("member", 1, 1, accuracy=0.4, status="failed"),
    ]
    found = soup_methods(rows, 1, vary="seed")
    assert [r["accuracy"] for r in found["best member"]] == [0.2, 0.3]
    assert len(found["mean member"]) == len(found["IMP"]) == 3


def test_plain_pruning_is_member_0_alone_if_members_have_other_settings():
    rows = [row("member", 0, j) for j in range(3)] + [row("imp", 0, j, phase=2) for j in range(3)]
    assert [len(soup_methods(rows, p, vary="lr")["IMP"]) for p in (1, 2)] == [1, 1]
    assert [len(soup_methods(rows, p, vary="seed")["IMP"]) for p in (1, 2)] == [3, 3]


def test_pictures_show_every_method_with_its_interval():
    rows = [row(m, r, phase=p, sparsity=0.5 + p / 4) for m in ("member", "soup", "long")
            for r in range(2) for p in (1, 2)]  # fmt: skip
    distances = [
        {"replicate": 0, "phase": p, "first": 0, "second": s, "relative": 0.1}
        for p in (1, 2)
        for s in (1, -1)
    ]
    accuracy, corrupted, distance = figures.draw_soup(rows, distances, vary="seed").axes
    assert {t.get_label() for t in accuracy.containers} == {
        "IMP", "IMP, m-fold", "mean member", "soup",
    }  # fmt: skip
    assert len(corrupted.containers) == 4 and len(distance.containers) == 2
    [axes] = figures.draw_imp([row("imp-allr"), row("imp-allr", budget=5.0), row("gmp")]).axes
    assert [c.get_label() for c in axes.containers] == ["imp-allr", "gmp"]
