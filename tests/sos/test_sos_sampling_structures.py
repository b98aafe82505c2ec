"""The published distributions, and rows that depend on their number alone."""

import math

import numpy as np
import pytest
from planted import STRUCTURES, planted

from tasks.records import stream
from tasks.sos.sampling.cells import FAMILIES, Cell
from tasks.sos.sampling.generation import Rows, certificate_of

FIELDS = ("sizes", "structures", "content", "num_terms", "basis", "exponents", "coefficients")

RECORDED = {
    "dense": [1245916036174076131, 1237307672003304968],
    "sparse": [1308381813967252938, 2093187484513845367],
    "low_rank": [1221186109051645589, 1550262708541460564],
    "block_diagonal": [1520294910181142725, 34891412669312604],
    "homogeneous": [630744463690495241, 1901392142110085821],
    "integer": [816179349828640097, 201376505710603506],
    "minimum": [1277200441063754859, 2282901844360897643],
    "vanishing": [573937388472154382, 714714650733553259],
    "binomial_squares": [1976272157336697615, 1591224859072375880],
    "multiplied": [1831169481950640925, 717789296082060115],
    "lyapunov": [362912707337425414, 1730796519501511107],
    "banded": [935339793902329682, 26295651925606360],
    "negative": [288283935787531561, 1386065323288741625],
    "outside_cone": [556999944807619298, 2098818055372003550],
}
"""Contents of the first two rows at n4-d6-m14, seed 7."""


def generate(name, first, count, seed=2, terms=True):
    return Rows.generate(Cell.parse(name), seed=seed, first=first, count=count, terms=terms)


def factors(name, count):
    cell = Cell.parse(name)
    return [certificate_of(cell, seed=3, row=row).factor / 2**16 for row in range(count)]


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_the_same_in_any_cut_and_order(family):
    name = f"{family}-n3-d4-m9"
    whole = generate(name, 100, 12)
    parts = [generate(name, first, count) for first, count in ((109, 3), (100, 1), (101, 8))]
    parts.sort(key=lambda part: part.first)
    for field in FIELDS:
        joined = np.concatenate([getattr(part, field) for part in parts])
        assert np.array_equal(joined, getattr(whole, field))


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_those_of_record(family):
    # A change of these is a change of all data sets, to be listed in the changelog.
    rows = generate(f"{family}-n4-d6-m14", 0, 2, seed=7, terms=False)
    assert rows.content.tolist() == RECORDED[family]


def test_rows_without_terms_are_those_with_terms():
    bare, whole = (
        generate("sparse-n4-d5-m9", 0, 30, terms=False),
        generate("sparse-n4-d5-m9", 0, 30),
    )
    assert not len(bare.exponents)
    assert not len(bare.coefficients)
    for field in ("sizes", "content", "num_terms", "num_sums", "basis"):
        assert np.array_equal(getattr(bare, field), getattr(whole, field))


def test_rows_of_high_numbers_differ_in_both_words():
    rows = [generate("dense-n3-d4-m9", first, 1).content[0] for first in (5, 5 + 2**32, 2**62)]
    assert len(set(rows)) == 3


@pytest.mark.parametrize("other", [("dense-n3-d4-m9", 3), ("dense-n3-d4-m10", 2)])
def test_other_seeds_and_data_sets_have_other_rows(other):
    name, seed = other
    contents = set(generate("dense-n3-d4-m9", 0, 50).content.tolist())
    assert not contents & set(generate(name, 0, 50, seed=seed).content.tolist())


def test_sizes_are_uniform():
    count = 8000
    sizes = generate("dense-n8-d6-m9", 0, count, terms=False).sizes
    counts = np.bincount(sizes)[3:]
    assert sizes.min() == 3
    assert len(counts) == 13
    chi_square = ((counts - count / 13) ** 2 / (count / 13)).sum()
    assert chi_square < 12 + 5 * math.sqrt(24)


def test_degrees_have_the_chances_of_the_numbers_of_monomials():
    rows = generate("dense-n20-d3-m2", 0, 10_000, terms=False)
    degrees = rows.basis.reshape(-1, 20).sum(axis=1, dtype=int)
    counts = np.array([20, 210, 1540])
    for degree, chance in enumerate(counts / counts.sum(), start=1):
        # Monomials of a basis are distinct: of at most 4 a share below 4 max p is drawn again.
        deviation = 5 * math.sqrt(chance * (1 - chance) / len(degrees))
        again = 4 * max(1 / 1770 * 20 / 20, 1540 / 1770 * 6 / 20**3)
        assert np.mean(degrees == degree) == pytest.approx(chance, abs=deviation + again)


def test_variables_are_exchangeable():
    rows = generate("dense-n5-d8-m6", 0, 4000, terms=False)
    means = rows.basis.reshape(-1, 5).mean(axis=0)
    spread = rows.basis.reshape(-1, 5).std() / math.sqrt(len(rows.basis) / 5)
    assert np.abs(means - means.mean()).max() < 5 * spread


def test_a_basis_takes_all_monomials_where_there_are_no_more():
    rows = generate("dense-n2-d2-m30", 0, 20)
    assert set(rows.sizes.tolist()) == {5}


def test_draws_without_replacement_prefer_likely_monomials():
    # In x, y, x^2, xy, y^2 the chances are 2/5 * 1/2 twice, 3/5 * (1/4, 1/2, 1/4).
    rows = generate("dense-n2-d2-m1", 0, 12_000, terms=False)
    ends = np.cumsum(rows.sizes)
    single = rows.basis.reshape(-1, 2)[ends[rows.sizes == 1] - 1]
    found = [np.mean((single == monomial).all(axis=1)) for monomial in ([1, 0], [2, 0], [1, 1])]
    for share, chance in zip(found, (0.2, 0.15, 0.3), strict=True):
        assert share == pytest.approx(chance, abs=5 * math.sqrt(chance / len(single)))


def test_dense_factors_are_normal_with_variance_a_quarter():
    entries = np.concatenate([f.ravel() for f in factors("dense-n6-d8-m30", 30)])
    count = len(entries)
    assert np.mean(entries) == pytest.approx(0, abs=5 * math.sqrt(0.25 / count))
    assert np.mean(entries**2) == pytest.approx(0.25, abs=5 * math.sqrt(2 / 16 / count))
    assert np.mean(entries**4) == pytest.approx(3 / 16, abs=5 * math.sqrt(96 / 256 / count))


def test_sparse_factors_keep_five_to_ten_percent():
    kept = [(f != 0).sum() / f.shape[1] ** 2 for f in factors("sparse-n6-d8-m100", 60)]
    assert np.mean(kept) == pytest.approx(0.075, abs=5 * math.sqrt(0.05**2 / 12 / len(kept)) + 1e-3)
    assert min(kept) > 0.04
    assert max(kept) < 0.12


def test_low_rank_factors_have_one_to_five_columns_with_random_weights():
    found = factors("low_rank-n6-d8-m30", 400)
    counts = np.bincount([f.shape[1] for f in found], minlength=6)[1:]
    assert ((counts - 80) ** 2 / 80).sum() < 4 + 5 * math.sqrt(8)
    # The mean of D g^2 / 4 over a column is near D / 4, which has mean 1/8 and variance 1/192;
    # 30 or so normal variables add less than a third to that.
    squares = np.concatenate([(f**2).mean(axis=0) for f in found])
    deviation = math.sqrt(1.3 / 192 / len(squares))
    assert np.mean(squares) == pytest.approx(1 / 8, abs=5 * deviation)


def test_blocks_have_one_to_ten_rows():
    for factor in factors("block_diagonal-n6-d8-m30", 30):
        gram = factor @ factor.T != 0
        sizes = gram.sum(axis=1)
        assert sizes.max() <= 10
        # Rows of one block have the same neighbors.
        assert all((gram[i] == gram[j]).all() for i, j in np.argwhere(gram).tolist())


@pytest.mark.parametrize("structure", STRUCTURES)
# In (2, 3, 10) there are 9 monomials and 4 to 16 are asked for.
@pytest.mark.parametrize(("n", "d", "m"), [(3, 4, 9), (2, 3, 10)])
def test_rows_are_distributed_as_planted_polynomials(structure, n, d, m):
    """Means of size, terms and trace of two samples, within five deviations of their difference."""
    rng, cell = stream(1, "oracle", structure), Cell.of(structure, f"n{n}-d{d}-m{m}")
    items = [planted(n, 2 * d, m, structure, rng) for _ in range(150)]
    slow = [[len(p.basis), p.polynomial.num_terms, p.gram_floats.trace()] for p in items]
    rows = Rows.generate(cell, seed=1, first=0, count=600)
    traces = [
        (certificate_of(cell, seed=1, row=row).factor.astype(float) ** 2).sum() / 2**32
        for row in range(600)
    ]
    fast = np.stack([rows.sizes, rows.num_terms, traces], axis=1)
    difference = np.mean(slow, axis=0) - fast.mean(axis=0)
    deviation = np.sqrt(np.var(slow, axis=0) / len(slow) + fast.var(axis=0) / len(fast))
    assert (np.abs(difference) < 5 * deviation).all()
