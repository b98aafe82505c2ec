"""Masks and weights of one layer, against brute force on small matrices."""

from itertools import combinations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from gpu.matrix_reference import least_error_after_swap, swapped_row
from tasks.pruning.language.layers.gram import Gram, gram_of, row_errors
from tasks.pruning.language.layers.least_squares import best_weights
from tasks.pruning.language.layers.patterns import Pattern
from tasks.pruning.language.layers.preconditioners import BatchFactors, ScaledGram
from tasks.pruning.language.layers.relaxation import relaxed_mask, split_diagonal
from tasks.pruning.language.layers.saliencies import saliency
from tasks.pruning.language.layers.sparsegpt import sparsegpt
from tasks.pruning.language.layers.swaps import swapped_mask
from tasks.records import InputError


def layer(rows=4, width=8, tokens=40, seed=0, rank=None):
    """Weights, inputs whose columns are correlated and of several sizes, and their Gram matrix."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    mixing = torch.randn(rank or width, width, generator=generator, dtype=torch.float64)
    inputs = torch.randn(tokens, rank or width, generator=generator, dtype=torch.float64) @ mixing
    inputs = inputs * torch.logspace(-1, 1, width, dtype=torch.float64)
    return weight, inputs, gram_of(inputs)


def masks_of(width, pattern):
    """All masks of a row, bool (number, width)."""
    if not pattern.group:
        chosen = combinations(range(width), pattern.num_kept(width))
    else:
        groups = [list(combinations(range(g, g + pattern.group), pattern.kept))
                  for g in range(0, width, pattern.group)]  # fmt: skip
        chosen = [()]
        for group in groups:
            chosen = [(*one, *more) for one in chosen for more in group]
    masks = [[j in each for j in range(width)] for each in map(set, chosen)]
    return torch.tensor(masks)


def least_error(row, gram, pattern):
    """Of all masks of a row, weights as they are."""
    masks = masks_of(len(row), pattern)
    return float(row_errors(row.expand(len(masks), -1), row * masks, gram).min())


HALF, TWO_OF_FOUR = Pattern.parse("0.5"), Pattern.parse("2:4")
PATTERNS = pytest.mark.parametrize("pattern", [HALF, TWO_OF_FOUR, Pattern.parse("0.25")], ids=str)


def test_errors_are_those_of_the_outputs():
    weight, inputs, gram = layer()
    other = weight * (weight > 0)
    expected = ((weight - other) @ inputs.T).square().sum(dim=1)
    torch.testing.assert_close(row_errors(weight, other, gram), expected)
    both = Gram.zero(8).plus(inputs[:10]).plus(inputs[10:].view(2, 15, 8))
    torch.testing.assert_close(both.matrix, gram.matrix)
    assert both.num_tokens == 40


def test_inputs_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="not finite"):
        gram_of(torch.tensor([[1.0, float("inf")]]))


@pytest.mark.parametrize("text", ["1", "-0.1", "4:4", "0:4", "5:4", "half", "nan", ""])
def test_patterns_that_keep_nothing_or_all_are_refused(text):
    with pytest.raises(InputError, match="pattern"):
        Pattern.parse(text)


def test_patterns_compare_rows_unless_the_matrix_is_asked_for():
    """A threshold for the whole matrix emptied rows of small weights."""
    scores = torch.tensor([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]])
    assert HALF.largest(scores).tolist() == [[False, False, True, True]] * 2
    whole = HALF.largest(scores, by_matrix=True)
    assert whole.tolist() == [[False] * 4, [True] * 4] and HALF.fits(whole)
    tied = torch.zeros(3, 8)
    assert TWO_OF_FOUR.largest(tied).tolist() == [[True, True, False, False] * 2] * 3
    assert TWO_OF_FOUR.fits(TWO_OF_FOUR.largest(tied)) and not TWO_OF_FOUR.fits(HALF.largest(tied))
    with pytest.raises(InputError, match=r"layer 3 has 6 inputs, which cannot be pruned 2:4"):
        TWO_OF_FOUR.check("layer 3", 6)


def test_saliencies_are_those_of_the_papers():
    weight, inputs, gram = layer()
    norms = inputs.norm(dim=0)
    torch.testing.assert_close(saliency("wanda", weight, gram), weight.abs() * norms)
    for i in range(4):
        for j in range(8):
            size = weight.abs()
            share = size[i, j] / size[:, j].sum() + size[i, j] / size[i].sum()
            torch.testing.assert_close(saliency("ria", weight, gram)[i, j], share * norms[j].sqrt())
    first, again = (saliency("random", weight, seed=3) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, saliency("random", weight, seed=4))


# --- swaps --------------------------------------------------------------------------------------


def best_single_swap(row, mask, gram, group):
    """Error after the best swap of a row, by computing every one."""
    return least_error_after_swap(row.numpy(), mask.numpy(), gram.matrix.numpy(), group)


@PATTERNS
@given(seed=st.integers(0, 10**6))
def test_swaps_end_where_no_swap_helps_and_never_raise_the_error(pattern, seed):
    weight, _, gram = layer(seed=seed)
    start = pattern.largest(saliency("random", weight, seed=seed))
    mask, swaps = swapped_mask(weight, start, gram, group=pattern.group)
    before, after = (row_errors(weight, weight * m, gram) for m in (start, mask))
    assert bool((after <= before).all()) and pattern.fits(mask)
    assert (swaps == 0) == torch.equal(start, mask)
    for row, kept, error in zip(weight, mask, after, strict=True):
        assert best_single_swap(row, kept, gram, pattern.group) >= error * (1 - 1e-9)


def test_the_first_swap_is_the_best_one():
    weight, _, gram = layer(rows=6, seed=3)
    start = HALF.largest(saliency("magnitude", weight))
    mask, swaps = swapped_mask(weight, start, gram, max_swaps=1)
    assert 0 < swaps <= 6
    for row, before, after in zip(weight, start, mask, strict=True):
        found = float(row_errors(row[None], (row * after)[None], gram))
        assert found == pytest.approx(best_single_swap(row, before, gram, 0), rel=1e-9)


@pytest.mark.parametrize("width", [8, 200])  # 100 columns are more than one block of the kernel
@pytest.mark.parametrize("pattern", [HALF, TWO_OF_FOUR, Pattern.parse("0.9")], ids=str)
def test_swaps_are_those_of_computing_all_pairs_again_for_each(pattern, width):
    weight, _, gram = layer(rows=3, width=width, tokens=2 * width, seed=width)
    start = pattern.largest(saliency("random", weight, seed=1))
    mask, swaps = swapped_mask(weight, start, gram, group=pattern.group)
    for row, kept, found in zip(weight, start, mask, strict=True):
        given = row.numpy(), kept.numpy(), gram.matrix.numpy(), pattern.group
        assert np.array_equal(swapped_row(*given), found.numpy())
    assert swaps > 0 and pattern.fits(mask)


def test_rows_that_keep_all_or_nothing_have_no_swaps():
    weight, _, gram = layer(rows=2, width=8)
    start = torch.tensor([[True] * 8, [False] * 8])
    assert swapped_mask(weight, start, gram)[1] == 0
    assert swapped_mask(weight, start, gram, group=4)[1] == 0


# --- relaxation ---------------------------------------------------------------------------------


@PATTERNS
def test_the_lower_bound_is_below_the_best_of_all_masks(pattern):
    bounds = leasts = 0.0
    for seed in range(6):
        weight, _, gram = layer(seed=seed)
        start = pattern.largest(saliency("wanda", weight, gram))
        found = relaxed_mask(weight, start, gram, pattern, steps=200)
        before = row_errors(weight, weight * start, gram)
        assert pattern.fits(found.mask) and bool((found.errors <= before).all())
        torch.testing.assert_close(found.errors, row_errors(weight, weight * found.mask, gram))
        for row, error, bound in zip(weight, found.errors, found.lower_bounds, strict=True):
            least = least_error(row, gram, pattern)
            assert bound <= least * (1 + 1e-9) <= error * (1 + 2e-9)
            bounds, leasts = bounds + float(bound), leasts + least
    # It says something: of these few, very different weights a quarter at least.
    assert bounds > leasts / 4


@pytest.mark.parametrize("rank", [None, 3])
def test_what_is_split_off_leaves_a_semidefinite_matrix(rank):
    for seed in range(4):
        _, _, gram = layer(seed=seed, rank=rank)
        diagonal = split_diagonal(gram)
        rest = gram.matrix - torch.diag(diagonal)
        scale = float(gram.matrix.diagonal().max())
        assert bool((diagonal >= 0).all())
        assert float(torch.linalg.eigvalsh(rest).min()) >= -1e-10 * scale
        if rank is None:
            assert float((diagonal / gram.matrix.diagonal()).mean()) > 1e-4


# --- weights for a mask -------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [None, 3], ids=["full", "deficient"])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_weights_are_those_of_least_squares(seed, rank):
    weight, inputs, gram = layer(rows=5, width=12, seed=seed, rank=rank)
    mask = Pattern.parse("0.5").largest(saliency("magnitude", weight))
    mask[2] = False
    mask[2, :3] = True  # rows may keep different numbers
    found = best_weights(weight, mask, gram)
    assert found.residual <= 1e-6 and bool((found.weight[~mask] == 0).all())
    for row, kept, solved in zip(weight, mask, found.weight, strict=True):
        a = inputs[:, kept].numpy()
        expected, *_ = scipy.linalg.lstsq(a, (inputs @ row).numpy(), cond=1e-12)
        error = np.square(a @ expected - (inputs @ row).numpy()).sum()
        mine = float((inputs @ (row - solved)).square().sum())
        assert mine <= error * (1 + 1e-6) + 1e-9 * float((inputs @ row).square().sum())


def test_a_row_that_keeps_nothing_or_all_and_dead_inputs_are_solved():
    weight, inputs, _ = layer(rows=3, width=8)
    inputs[:, 5] = 0
    gram = gram_of(inputs)
    mask = torch.ones(3, 8, dtype=torch.bool)
    mask[0] = False
    mask[1, ::2] = False
    found = best_weights(weight, mask, gram)
    assert bool((found.weight[0] == 0).all()) and found.residual <= 1e-6
    assert float(row_errors(weight, found.weight, gram)[2]) < 1e-10
    assert bool(found.weight.isfinite().all())


@pytest.mark.parametrize("rank", [None, 3], ids=["full", "deficient"])
def test_factors_in_batches_are_those_of_single_rows(rank):
    """What other devices take."""
    weight, _, gram = layer(rows=7, width=12, rank=rank)
    mask = HALF.largest(saliency("random", weight))
    mask[2] = False
    mask[3] = True
    right = torch.randn(7, 12, dtype=torch.float64).masked_fill(~mask, 0.0)
    right = (right @ gram.matrix).masked_fill(~mask, 0.0)  # what a singular block can reach
    scaled = ScaledGram.of(gram.matrix)
    single, batch = scaled.factors(mask), BatchFactors.of(scaled, mask)
    assert single.num_raised == batch.num_raised
    one, other = single.solve(right), batch.solve(right)
    assert bool((one[~mask] == 0).all()) and bool((other[~mask] == 0).all())
    # Single precision, condition of the scaled blocks up to 1e4; G shows errors that matter.
    gap = (row_errors(one, other, gram) / row_errors(one, torch.zeros_like(one), gram))[mask.any(1)]
    assert float(gap.max().sqrt()) < 1e-2


def test_rows_are_solved_without_factors_too():
    """As of layers that are too wide for them."""
    weight, _, gram = layer(rows=5, width=12)
    mask = HALF.largest(saliency("magnitude", weight))
    expected = best_weights(weight, mask, gram).weight
    found = best_weights(weight, mask, gram, factor_width=0)
    assert found.residual <= 1e-7 and found.steps > 1 and found.num_raised == 0
    torch.testing.assert_close(
        row_errors(weight, found.weight, gram), row_errors(weight, expected, gram)
    )


@PATTERNS
@pytest.mark.parametrize("by_matrix", [False, True])
def test_sparsegpt_keeps_exact_numbers_and_least_squares_is_never_worse(pattern, by_matrix):
    for seed in range(4):
        weight, _, gram = layer(rows=6, width=16, tokens=60, seed=seed)
        found = sparsegpt(weight, gram, pattern, by_matrix=by_matrix, block=8)
        assert pattern.fits(found.mask) and bool((found.weight[~found.mask] == 0).all())
        if not by_matrix:
            assert bool((found.mask.sum(1) == pattern.num_kept(16)).all())
        own = row_errors(weight, found.weight, gram)
        best = row_errors(weight, best_weights(weight, found.mask, gram).weight, gram)
        assert bool((best <= own * (1 + 1e-9)).all())
        assert float(own.sum()) < float(row_errors(weight, weight * found.mask, gram).sum())


def test_sparsegpt_is_optimal_brain_surgery_column_by_column():
    """Against elimination with the inverse of the remaining Hessian, written out."""
    weight, _, gram = layer(rows=3, width=6, seed=5)
    mask = Pattern.parse("0.5").largest(saliency("magnitude", weight))
    damped = gram.matrix + 0.01 * gram.matrix.diagonal().mean() * torch.eye(6).double()
    expected = weight.clone()
    for j in range(6):
        inverse = torch.linalg.inv(damped[j:, j:])
        for i in range(3):
            if not mask[i, j]:
                expected[i, j:] -= expected[i, j] / inverse[0, 0] * inverse[0]
    for block in (1, 4, 128):
        found = sparsegpt(weight, gram, HALF, mask=mask, block=block)
        torch.testing.assert_close(found.weight, expected.masked_fill(~mask, 0.0))


def test_the_mask_does_not_depend_on_the_number_of_samples():
    """The size of a block was that number in published code."""
    weight, inputs, gram = layer(rows=4, width=32, tokens=64)
    twice = gram_of(torch.cat([inputs, inputs]))
    assert torch.equal(sparsegpt(weight, gram, HALF).mask, sparsegpt(weight, twice, HALF).mask)


def test_dead_inputs_and_singular_grams_are_pruned_without_a_fault():
    weight, inputs, _ = layer(rows=4, width=16, tokens=5)  # rank 5
    inputs[:, :4] = 0
    gram = gram_of(inputs)
    found = sparsegpt(weight, gram, HALF)
    assert bool(found.weight.isfinite().all()) and HALF.fits(found.mask)
    assert bool((found.weight[:, :4] == 0).all())
    huge = gram_of(1e150 * inputs)
    assert bool(sparsegpt(weight, huge, HALF).weight.isfinite().all())


def test_least_squares_from_few_tokens_stays_near_the_weights_and_full_masks_change_nothing():
    """Of the many minima for fewer tokens than inputs it takes one that is good on others, too."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(8, 64, generator=generator)
    inputs, fresh = (torch.randn(count, 64, generator=generator) for count in (16, 500))
    mask = Pattern(0.5).largest(weight.abs())
    found = best_weights(weight, mask, gram_of(inputs)).weight
    errors = [
        float(row_errors(weight, each, gram_of(fresh)).sum()) for each in (weight * mask, found)
    ]
    assert float(row_errors(weight, found, gram_of(inputs)).sum()) < 1e-6 * errors[0]
    assert errors[1] < 3 * errors[0]  # 7 times as much if solved for the weights themselves
    full = torch.ones_like(mask)
    assert torch.equal(best_weights(weight, full, gram_of(inputs)).weight, weight.double())
