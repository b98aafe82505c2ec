"""A pruned layer: masks, weights, errors, notes; and sparsities by the errors of layers."""

from itertools import product
from math import isnan

import numpy as np
import pytest
import torch

from tasks.pruning.language.layers.allocation import (
    ErrorCurve,
    allocate,
    error_curve,
    sparsities_around,
)
from tasks.pruning.language.layers.gram import Gram, gram_of
from tasks.pruning.language.layers.least_squares import best_weights
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.pruning import LAYER_CRITERIA, LayerPruning, prune_layer
from tasks.records import InputError

HALF, TWO_OF_FOUR = Pattern.parse("0.5"), Pattern.parse("2:4")


def layer(rows=6, width=16, tokens=80, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    mixing = torch.randn(width, width, generator=generator, dtype=torch.float64)
    inputs = torch.randn(tokens, width, generator=generator, dtype=torch.float64) @ mixing
    return weight.to(dtype), inputs * torch.logspace(-1, 1, width, dtype=torch.float64)


def outputs_lost(weight, other, inputs):
    return float(((weight.double() - other.double()) @ inputs.T).square().sum())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("pattern", [HALF, TWO_OF_FOUR], ids=str)
@pytest.mark.parametrize("criterion", LAYER_CRITERIA)
def test_errors_are_those_of_the_weights_as_they_are_stored(criterion, pattern, dtype):
    weight, inputs = layer(dtype=dtype)
    for refinement, weights in product(["none", "swaps"], ["as-is", "least-squares"]):
        how = LayerPruning(criterion, pattern, refinement, weights, least_squares_errors=True)
        found = prune_layer(weight, gram_of(inputs), how)
        assert found.weight.dtype == dtype and found.is_pruned and found.notes == ()
        assert pattern.fits(found.mask) and bool((found.weight[~found.mask] == 0).all())
        assert found.error == pytest.approx(outputs_lost(weight, found.weight, inputs), rel=1e-6)
        assert found.scale == pytest.approx(outputs_lost(weight, 0 * weight, inputs), rel=1e-6)
        assert found.best_error <= found.error * (1 + 1e-6)
        if criterion != "sparsegpt" and weights == "as-is":
            assert torch.equal(found.weight, weight * found.mask)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_least_squares_is_never_worse_than_what_the_mask_comes_with(dtype):
    for seed, criterion in product(range(4), LAYER_CRITERIA):
        weight, inputs = layer(seed=seed, dtype=dtype)
        gram = gram_of(inputs)
        plain = prune_layer(weight, gram, LayerPruning(criterion, HALF))
        best = prune_layer(weight, gram, LayerPruning(criterion, HALF, weights="least-squares"))
        assert torch.equal(plain.mask, best.mask) and best.error <= plain.error
        if dtype == torch.float64:
            gradient = ((weight - best.weight) @ gram.matrix)[best.mask].norm()
            assert gradient <= 1e-6 * (weight @ gram.matrix)[best.mask].norm()


def test_refinements_lower_the_error_of_any_mask_and_keep_its_pattern():
    for pattern, criterion in product([HALF, TWO_OF_FOUR], ["magnitude", "wanda", "ria", "random"]):
        weight, inputs = layer(seed=1)
        errors = {}
        for refinement in ("none", "swaps", "relaxation"):
            how = LayerPruning(criterion, pattern, refinement, bounds=True)
            found = prune_layer(weight, gram_of(inputs), how)
            assert pattern.fits(found.mask) and 0 <= found.lower_bound <= found.error * (1 + 1e-9)
            errors[refinement] = found.error
        assert errors["swaps"] < errors["none"] and errors["relaxation"] <= errors["none"]


def test_a_mask_is_not_read_off_zeros():
    weight, inputs = layer()
    weight[:, ::2] = 0.0
    weight[1] = 0.0
    for criterion in LAYER_CRITERIA:
        found = prune_layer(weight, gram_of(inputs), LayerPruning(criterion, Pattern.parse("0.25")))
        assert int(found.mask.sum()) == 6 * 12


def test_a_threshold_for_the_whole_matrix_empties_rows_and_one_per_row_does_not():
    weight, inputs = layer()
    weight[0] *= 1e-3
    by_row, by_matrix = (
        prune_layer(weight, gram_of(inputs), LayerPruning(name, HALF)).mask.sum(1).tolist()
        for name in ("wanda", "wanda-matrix")
    )
    assert by_row == [8] * 6 and by_matrix[0] == 0 and sum(by_matrix) == 48


def test_transposed_weights_are_pruned_as_their_rows():
    weight, inputs = layer()
    stored = weight.T.contiguous()
    for criterion in LAYER_CRITERIA:
        how = LayerPruning(criterion, TWO_OF_FOUR, "swaps", "least-squares")
        one, other = (prune_layer(w, gram_of(inputs), how) for w in (weight, stored.T))
        assert torch.equal(one.mask, other.mask)
        torch.testing.assert_close(one.weight, other.weight)


# --- trouble ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_layer_whose_weights_are_not_finite_is_left_as_it_is(value):
    weight, inputs = layer()
    weight[2, 3] = value
    for criterion in LAYER_CRITERIA:
        found = prune_layer(weight, gram_of(inputs), LayerPruning(criterion, HALF))
        assert not found.is_pruned and bool(found.mask.all()) and isnan(found.error)
        assert torch.equal(found.weight.nan_to_num(), weight.nan_to_num())
        assert found.notes == ("1 weights are not finite: the layer is left as it is",)


@pytest.mark.parametrize("criterion", LAYER_CRITERIA)
def test_without_statistics_of_inputs_magnitude_decides(criterion):
    weight, _ = layer()
    expected = HALF.largest(weight.abs())
    broken = Gram(torch.full((16, 16), float("nan"), dtype=torch.float64), 80)
    for gram, reason in ((None, "not recorded"), (broken, "not finite")):
        found = prune_layer(weight, gram, LayerPruning(criterion, HALF, weights="least-squares"))
        assert HALF.fits(found.mask) and isnan(found.error) and found.is_pruned
        assert criterion == "random" or torch.equal(found.mask, expected)
        assert reason in found.notes[0]
    plain = prune_layer(weight, None, LayerPruning("magnitude", HALF))
    assert plain.notes == () and torch.equal(plain.mask, expected)


@pytest.mark.parametrize("criterion", LAYER_CRITERIA)
@pytest.mark.parametrize("weights", ["as-is", "least-squares"])
def test_dead_inputs_and_few_tokens_are_told_and_solved(criterion, weights):
    weight, inputs = layer(tokens=5)
    inputs[:, :3] = 0
    how = LayerPruning(criterion, TWO_OF_FOUR, "swaps", weights, bounds=True)
    found = prune_layer(weight, gram_of(inputs), how)
    assert found.notes[:2] == (
        "3 of 16 inputs are always zero",
        "5 tokens for 16 inputs: their Gram matrix is singular",
    )
    assert bool(found.weight.isfinite().all()) and TWO_OF_FOUR.fits(found.mask)
    assert 0 <= found.relative_error < 1
    if weights == "least-squares":  # eight weights of a row meet five equations
        assert found.relative_error < 1e-6
    nothing = prune_layer(weight, gram_of(0 * inputs), how)
    assert nothing.error == nothing.scale == nothing.relative_error == 0


def test_a_hessian_without_a_factor_gives_the_mask_of_wanda():
    weight, inputs = layer()
    gram = gram_of(inputs)
    indefinite = Gram(gram.matrix - 1e12 * (1 - torch.eye(16, dtype=torch.float64)), 80)
    found = prune_layer(weight, indefinite, LayerPruning("sparsegpt", TWO_OF_FOUR))
    expected = prune_layer(weight, gram, LayerPruning("wanda", TWO_OF_FOUR))
    assert torch.equal(found.mask, expected.mask)
    assert torch.equal(found.weight, weight * found.mask)
    assert "weights as they are, mask of Wanda" in found.notes[0]


def test_weights_that_half_precision_cannot_hold_stay_as_they_were():
    weight, inputs = layer(rows=2)
    inputs[:, 8:] = 1e-7 * inputs[:, :8]  # so weights of 1e6 would make up for those of 0.1
    weight[:, :8] *= 0.1
    weight[:, 8:] = 10 + weight[:, 8:].abs()
    weight, gram = weight.half(), gram_of(inputs)
    plain, found = (
        prune_layer(weight, gram, LayerPruning("magnitude", HALF, weights=weights))
        for weights in ("as-is", "least-squares")
    )
    assert bool(found.mask[:, 8:].all()) and torch.equal(found.weight, plain.weight)
    assert float(best_weights(weight, found.mask, gram).weight.abs().max()) > 65504


def test_what_does_not_exist_is_refused():
    for given in (
        {"criterion": "hessian"}, {"refinement": "annealing"}, {"weights": "none"},
    ):  # fmt: skip
        with pytest.raises(InputError, match="known are"):
            LayerPruning(**{"criterion": "wanda", "pattern": HALF, **given})
    with pytest.raises(InputError, match="relaxation compares weights row by row"):
        LayerPruning("wanda-matrix", HALF, "relaxation")
    with pytest.raises(InputError, match="the layer has 16 inputs, which cannot be pruned 2:3"):
        prune_layer(layer()[0], None, LayerPruning("magnitude", Pattern.parse("2:3")))


# --- sparsities by error ------------------------------------------------------------------------


def curves_of(number, points, seed):
    """Convex, rising; layers of equal size."""
    generator = np.random.default_rng(seed)
    for n in range(number):
        slopes = np.sort(generator.exponential(size=len(points) - 1))
        errors = np.concatenate([[0.0], np.cumsum(slopes)])
        yield ErrorCurve(f"layer {n}", 4, 100, points, tuple(errors.tolist()))


@pytest.mark.parametrize("seed", range(5))
def test_allocated_sparsities_are_the_best_of_all_with_as_many_weights(seed):
    points = (0.4, 0.45, 0.5, 0.55, 0.6)
    curves = list(curves_of(4, points, seed))
    found = allocate(curves, 0.5, band=0.1)
    totals = {
        chosen: sum(c.errors[k] for c, k in zip(curves, chosen, strict=True))
        for chosen in product(range(5), repeat=4)
        if sum(chosen) == 8
    }
    mine = sum(np.interp(found[c.name], points, c.errors) for c in curves)
    assert mine == pytest.approx(min(totals.values()), rel=1e-9)
    assert sum(Pattern(s).num_kept(100) for s in found.values()) == 200


def test_as_many_weights_stay_as_with_one_sparsity_for_all():
    """Of layers of several shapes, up to a row of the smallest."""
    for seed in range(10):
        generator = np.random.default_rng(seed)
        points = sparsities_around(0.6)
        shapes = [(576, 577), (192, 576), (1536, 576), (576, 1535)]
        curves = [
            ErrorCurve(f"{n}", *shape, points, tuple(np.sort(generator.random(7)).tolist()))
            for n, shape in enumerate(shapes)
        ]
        found = allocate(curves, 0.6)
        kept = [c.rows * Pattern(found[c.name]).num_kept(c.width) for c in curves]
        uniform = [c.rows * Pattern(0.6).num_kept(c.width) for c in curves]
        assert 0 <= sum(uniform) - sum(kept) < sum(c.rows for c in curves) / 2
        assert all(0.45 - 1e-2 <= s <= 0.75 + 1e-2 for s in found.values())


def test_layers_that_lose_more_keep_more_and_the_sum_of_errors_falls():
    weight, inputs = layer(rows=8, width=32, tokens=200)
    how, points = LayerPruning("wanda", HALF), sparsities_around(0.5)
    other = torch.eye(8, 32, dtype=torch.float64) + 1e-3 * weight  # easy to prune
    grams = {"hard": (weight, gram_of(inputs)), "easy": (other, gram_of(inputs))}
    curves = [error_curve(name, *given, how, points) for name, given in grams.items()]
    found = allocate(curves, 0.5)
    assert found["hard"] < 0.5 < found["easy"]

    def total(sparsities):
        return sum(
            prune_layer(*grams[n], LayerPruning("wanda", Pattern(s))).relative_error
            for n, s in sparsities.items()
        )

    assert total(found) < total({"hard": 0.5, "easy": 0.5})


def test_layers_of_unknown_error_keep_the_target_and_short_curves_are_refused():
    [curve] = curves_of(1, (0.3, 0.7), 0)
    unknown = ErrorCurve("unknown", 4, 100, (0.3, 0.7), (float("nan"), float("nan")))
    assert allocate([curve, unknown], 0.5, band=0.2) == {"layer 0": 0.5, "unknown": 0.5}
    with pytest.raises(InputError, match=r"layer 0 are known from 0\.3 to 0\.7; measure them"):
        allocate([curve], 0.5, band=0.3)
    with pytest.raises(InputError, match="the target is 1"):
        allocate([curve], 1.0)
