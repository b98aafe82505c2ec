"""Members: alone or together the same bits, resumed, halved; what they find."""

import dataclasses

import numpy as np
import pytest
import torch

from tasks.coloring import parse_distances
from tasks.coloring.certificates.lattices import Lattice
from tasks.coloring.certificates.norms import PolygonalNorm
from tasks.coloring.certificates.scoring import score
from tasks.coloring.search import training
from tasks.coloring.search.halving import (
    Rung,
    best,
    removal_estimate,
    standings,
    successive_halving,
)
from tasks.coloring.search.members import Member
from tasks.coloring.search.schedule import Schedule
from tasks.coloring.search.starts import Start, reduced, rounded
from tasks.coloring.search.torus import Phase, TorusLogits, TorusLoss, resampled
from tasks.coloring.search.training import Geometric, Phases, Settings, train_members
from tasks.coloring.search.waves import Waves
from tasks.nn import FitStatus
from tasks.records import InputError, stream

SHORT = Settings(shape=(12, 10), num_steps=12, curve_steps=4, batch_size=8)


def members(count=6, **settings):
    given = {"num_colors": 3, **settings}
    penalties = (0.02, 0.05, 0.1)
    return [Member(seed, penalty=penalties[seed % 3], **given) for seed in range(count)]


def same(first, second):
    arrays = ("logits", "lattice")
    texts = ("status", "conflict", "removed", "curve", "lattice_texts", "member")
    return all(np.array_equal(getattr(first, n), getattr(second, n)) for n in arrays) and all(
        getattr(first, n) == getattr(second, n) for n in texts
    )


@pytest.mark.parametrize("shape", [(12, 10), (9, 7), (6, 5, 4)])
@pytest.mark.parametrize("distances", [None, {"2": "0.4-0.6"}])
def test_a_member_gets_the_same_bits_alone_in_any_batch_and_at_any_place(shape, distances):
    settings = dataclasses.replace(SHORT, shape=shape)
    chosen = members(7, distances=distances, dimension=len(shape))
    together = train_members(chosen, settings)
    backwards = train_members(chosen[::-1], dataclasses.replace(settings, batch_size=3))[::-1]
    for j in (0, 3, 6):
        (alone,) = train_members([chosen[j]], settings)
        assert same(alone, together[j])
        assert same(alone, backwards[j])
    assert not np.array_equal(together[0].lattice, chosen[0].lattice())


def test_distances_of_their_own_do_not_change_what_others_get():
    several = [Member(seed, 2, distances=[str(0.9 + seed / 20), "0.5-0.6,1"]) for seed in range(4)]
    together = train_members(several, SHORT)
    for j in (1, 3):
        assert same(train_members([several[j]], SHORT)[0], together[j])


def test_members_in_other_norms_get_the_same_bits_alone():
    chosen = members(3, norm=PolygonalNorm.maximum())
    settings = dataclasses.replace(SHORT, num_steps=4, lattice_start=0.5)
    assert same(train_members(chosen[2:], settings)[0], train_members(chosen, settings)[2])


def test_a_training_that_was_killed_comes_to_the_same_outcomes(tmp_path, monkeypatch):
    chosen, place = members(5), str(tmp_path / "search")
    settings = dataclasses.replace(SHORT, batch_size=2, checkpoint_steps=4)
    expected = train_members(chosen, settings)
    loss, calls = TorusLoss.__call__, []

    def broken(*arguments):
        calls.append(1)
        if len(calls) == 20:
            raise RuntimeError("power cut")
        return loss(*arguments)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(TorusLoss, "__call__", broken)
        train_members(chosen, settings, checkpoint=place)
    resumed = train_members(chosen, settings, checkpoint=place)
    assert all(map(same, resumed, expected))
    monkeypatch.setattr(training.StackedState, "take_step", None)
    assert all(map(same, train_members(chosen, settings, checkpoint=place), expected))


def test_a_checkpoint_of_other_members_is_passed_over(tmp_path):
    place = str(tmp_path / "search")
    train_members(members(2), SHORT, checkpoint=place)
    others = [dataclasses.replace(m, penalty=0.3) for m in members(2)]
    found = train_members(others, SHORT, checkpoint=place)
    assert all(map(same, found, train_members(others, SHORT)))


def test_a_step_of_mirror_descent_is_the_derivative_by_probabilities():
    (start,) = members(1)
    settings = dataclasses.replace(SHORT, num_steps=1, momentum=0.0, rates=(3.0, 3.0))
    settings = dataclasses.replace(settings, lattice_rate=0.0, first_penalty=0.0)
    (found,) = train_members([start], settings)
    logits = torch.tensor(start.logits(SHORT.shape, SHORT.deviation))[None].double()
    waves = Waves([start.distances], margin=settings.margin)
    model = TorusLogits(logits, torch.tensor(start.lattice())[None], waves)
    p = torch.softmax(logits, dim=1).requires_grad_()
    model.probabilities = lambda mirror: p
    loss = TorusLoss([start.penalty], first_penalty=0.0, num_colors=3)
    value, _ = loss(model, Phase(1.0, learns_lattice=False))
    (gradient,) = torch.autograd.grad(value.sum(), p)
    expected = logits - 3.0 * gradient * logits[0, 0].numel()
    np.testing.assert_allclose(found.logits, expected[0].detach(), atol=1e-5)


def test_plain_gradients_are_those_of_the_logits():
    logits = torch.randn(
        2, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    lattices = torch.eye(2, dtype=torch.float64).expand(2, 2, 2) * 1.3
    waves = Waves([parse_distances(None, 2)] * 2)
    loss = TorusLoss([0.1, 0.2], first_penalty=0.3, num_colors=2, mirror=False)

    def values(logits):
        model = TorusLogits(logits.detach(), lattices, waves)
        del model.logits
        model.logits = logits
        return loss(model, Phase(0.5, learns_lattice=False))[0]

    assert torch.autograd.gradcheck(values, logits.requires_grad_(), fast_mode=True)


def test_a_diverged_member_is_an_outcome_and_comes_last():
    chosen = members(3)
    settings = dataclasses.replace(SHORT, rates=(1e30, 1e38))
    found = train_members(chosen, settings)
    assert {each.status for each in found} == {FitStatus.DIVERGED}
    assert "not finite" in found[0].reason
    good = train_members(chosen[:1], SHORT)[0]
    assert best([*found, good], 1, removal_estimate) == [good]


def test_a_lattice_that_collapses_ends_its_member_alone():
    flat = Start(vectors=((3.0, 0.0), (0.0, 1e-3)))
    chosen = [*members(2), Member(9, 3, start=flat)]
    found = train_members(chosen, SHORT)
    statuses = [FitStatus.FINISHED, FitStatus.FINISHED, FitStatus.DIVERGED]
    assert [each.status for each in found] == statuses
    assert same(found[1], train_members(chosen[1:2], SHORT)[0])


def test_halving_keeps_the_best_and_is_that_of_its_rungs(tmp_path):
    chosen = members(6)
    finer = dataclasses.replace(SHORT, shape=(16, 20), num_steps=6, first_penalty=0.0)
    rungs = [Rung(SHORT, 3), Rung(finer, 2)]
    found = successive_halving(chosen, rungs, checkpoint=str(tmp_path / "halving"))
    first = train_members(chosen, SHORT)
    order = sorted(range(6), key=lambda j: removal_estimate(first[j]))[:3]
    second = train_members([chosen[j] for j in order], finer, starts=[first[j] for j in order])
    expected = sorted(second, key=removal_estimate)[:2]
    assert all(map(same, found, expected))
    assert len(found) == 2
    again = successive_halving(chosen, rungs, checkpoint=str(tmp_path / "halving"))
    assert all(map(same, again, found))


def test_standings_say_how_far_each_member_came_and_do_not_depend_on_the_others_kept():
    chosen = members(5)
    finer = dataclasses.replace(SHORT, shape=(16, 20), num_steps=6, first_penalty=0.0)
    rungs = [Rung(SHORT, 3), Rung(finer, 1)]
    found = standings(chosen, rungs)
    assert [each.outcome.member for each in found] == chosen
    assert sorted((each.rungs, each.steps) for each in found) == [(1, 12)] * 2 + [(2, 18)] * 3
    (winner,) = successive_halving(chosen, rungs)
    assert [each.outcome for each in found if each.is_kept] == [found[winner.member.seed].outcome]
    assert same(winner, found[winner.member.seed].outcome)
    for each in found:
        (alone,) = standings([each.outcome.member], rungs[: each.rungs])
        assert same(alone.outcome, each.outcome)


def test_a_schedule_refines_for_few_members_and_steps():
    first = dataclasses.replace(SHORT, num_steps=10, margin=0.1)
    schedule = Schedule(first, ((24, 20), (24, 20), (48, 40)), kept=(4, 2), share=0.25)
    rungs = schedule.rungs()
    assert [rung.keep for rung in rungs] == [4, 2, 2, 2]
    assert [rung.settings.shape for rung in rungs] == [(12, 10), (24, 20), (24, 20), (48, 40)]
    assert [rung.settings.num_steps for rung in rungs] == [10, 2, 2, 2]
    assert rungs[0].settings == first
    assert all(rung.settings.margin == 0.1 for rung in rungs)
    assert {rung.settings.first_penalty for rung in rungs[1:]} == {0.0}
    by_sides = Schedule.of_sides(first, (8, 16), kept=3).rungs()
    assert [(rung.settings.shape, rung.keep) for rung in by_sides] == [((8, 8), 3), ((16, 16), 3)]
    assert Schedule(first, (), (1,)).rungs() == (Rung(first, 1),)


def test_ties_go_to_the_member_that_stands_first():
    outcomes = train_members(members(3), SHORT)
    assert best(outcomes, 2, lambda _: 1.0) == outcomes[:2]
    assert best(outcomes, 3, lambda o: float("nan") if o is outcomes[0] else 0.0)[-1] is outcomes[0]


def test_seven_colors_are_found_from_random_lattices():
    settings = Settings(shape=(16, 16), num_steps=120)
    found = train_members([Member(seed, 7) for seed in range(8)], settings)
    assert min(map(removal_estimate, found)) < 0.05


def test_four_colors_without_removed_points_are_found_in_the_maximum_norm():
    norm, square = PolygonalNorm.maximum(), Start(vectors=((2.0, 0.0), (0.0, 2.0)))
    settings = Settings(shape=(8, 8), num_steps=200, lattice_rate=0.0, margin=0.0)
    chosen = [Member(seed, 4, 0.3, start=square, norm=norm) for seed in range(8)]
    (best_of, *_) = best(train_members(chosen, settings), 1, removal_estimate)
    lattice = Lattice.parse(best_of.lattice_texts)
    found = score(best_of.colors(), lattice, best_of.member.distances, norm=norm)
    assert found.is_proper
    assert found.removed == 0


def test_outcomes_state_their_lattice_as_decimals():
    (found,) = train_members(members(1), SHORT)
    texts = found.lattice_texts
    assert [[float(x) for x in row] for row in texts] == found.lattice.tolist()
    assert all(len(text.partition(".")[2]) == 10 for row in texts for text in row)
    colors = found.colors()
    assert colors.shape == (12, 10)
    assert set(np.unique(colors)) <= {0, 1, 2, 255}
    assert np.array_equal(found.colors((24, 20))[::2, ::2], colors)


@pytest.mark.parametrize("dimension", [2, 3])
def test_drawn_lattices_are_reduced_and_within_their_bounds(dimension):
    start = Start(areas=(3.0, 5.0), aspect=1.6)
    for seed in range(20):
        lattice = start.lattice(stream(seed, "lattice"), dimension)
        lengths = np.linalg.norm(lattice, axis=1)
        assert 3.0 - 1e-6 <= abs(np.linalg.det(lattice)) <= 5.0 + 1e-6
        assert lengths.max() <= 1.6 * lengths.min() + 1e-6
        assert np.array_equal(lattice, rounded(lattice))
        np.testing.assert_allclose(reduced(lattice), lattice, atol=1e-9)


def test_the_hexagonal_start_has_seven_hexagons_of_diameter_one():
    lattice = Start.hexagonal().lattice(stream(0, "lattice"), 2)
    assert abs(np.linalg.det(lattice)) == pytest.approx(7 * 3 * np.sqrt(3) / 8)
    lengths = np.linalg.norm([lattice[0], lattice[1], lattice[0] - lattice[1]], axis=1)
    np.testing.assert_allclose(lengths, np.sqrt(21) / 2, atol=1e-9)


@pytest.mark.parametrize("shape", [(8, 6), (9, 5), (4, 5, 6)])
def test_finer_grids_hold_the_same_trigonometric_polynomial(shape):
    values = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    found = resampled(values, tuple(3 * size for size in shape))
    every = (slice(None), *[slice(None, None, 3)] * len(shape))
    torch.testing.assert_close(found[every], values, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.mean(), values.mean(), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="not coarsened"):
        resampled(values, tuple(size - 1 for size in shape))


def test_phases_and_rates_of_a_training():
    settings = Settings(num_steps=10, lattice_start=0.5, penalty_share=0.5, first_penalty=0.3)
    stream_of = Phases(settings).at(3)
    found = [next(stream_of) for _ in range(4)]
    assert [phase.progress for phase in found] == pytest.approx([0.6, 0.8, 1.0, 1.0])
    assert [phase.learns_lattice for phase in found] == [False, False, False, True]
    steps = Phases(dataclasses.replace(settings, lattice_every=1)).at(3)
    assert [next(steps).learns_lattice for _ in range(4)] == [False, False, True, True]
    kept = Phases(dataclasses.replace(settings, lattice_rate=0.0)).at(8)
    assert not next(kept).learns_lattice
    loss = TorusLoss([0.1, 0.2], first_penalty=0.4, num_colors=2)
    assert loss.prices(0.5).tolist() == pytest.approx([0.2, 0.08**0.5])
    assert Geometric(1.0, 16.0, 5).at(3) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Member(0, 0), "the number of colors"),
        (lambda: Member(0, 3, penalty=-1.0), "at least 0, not -1"),
        (lambda: Member(0, 3, dimension=4), "dimension 2 or 3, not 4"),
        (lambda: Member(0, 3, norm=PolygonalNorm.maximum(), dimension=3), "for the plane"),
        (lambda: Start(areas=(3.0, 2.0)), "0 < low <= high"),
        (lambda: Member(0, 3, start=Start(vectors=((1.0, 2.0), (2.0, 4.0)))).lattice(), "parallel"),
        (lambda: Member(0, 3, start=Start(vectors=((1.0, 2.0),))).lattice(), "2 finite vectors"),
        (lambda: Rung(SHORT, 0), "keep at least 1"),
        (lambda: train_members([], SHORT), "no members"),
        (lambda: train_members([Member(0, 3), Member(0, 4)], SHORT), "one num_colors, not 3 and 4"),
        (lambda: train_members([Member(0, 3, dimension=3)], SHORT), "give 3 axes"),
        (lambda: successive_halving(members(1), []), "no rungs"),
        (lambda: Schedule(share=0.0), "a share above 0"),
        (lambda: Schedule(kept=()), "numbers that fall"),
        (lambda: Schedule(kept=(2, 4)), "numbers that fall"),
        (lambda: Schedule(finer=((12, 48),)), "grids that refine"),
    ],
)
def test_wrong_use_is_named_in_one_line(make, match):
    with pytest.raises(InputError, match=match) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.gpu
def test_members_on_a_gpu_get_the_same_bits_alone_and_almost_those_of_the_cpu():
    chosen, settings = members(5), dataclasses.replace(SHORT, num_steps=6)
    together = train_members(chosen, settings, device="cuda")
    (alone,) = train_members(chosen[3:4], settings, device="cuda")
    assert same(alone, together[3])
    for mine, theirs in zip(together, train_members(chosen, settings), strict=True):
        np.testing.assert_allclose(mine.logits, theirs.logits, atol=1e-2)
        np.testing.assert_allclose(mine.lattice, theirs.lattice, atol=1e-3)
