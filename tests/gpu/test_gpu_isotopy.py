"""The union-find kernel against the twin on the double cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import triangulations

from gpu import reference
from gpu.isotopy import sweep
from tasks.lattice import honeycomb, num_points
from tasks.tcurves import patchwork
from tasks.tcurves.signs import gauge_points


def swept(triangulation, begin, end):
    complex_ = patchwork(triangulation)
    degree = triangulation.degree
    fixed = gauge_points(degree)
    free = np.array([p for p in range(num_points(degree)) if p not in fixed], dtype=np.int64)
    arguments = (
        complex_.edges,
        complex_.num_vertices,
        num_points(degree),
        bool(degree % 2),
        free,
        begin,
        end,
    )
    codes, counts, witnesses, failures = sweep(*arguments)
    used = np.flatnonzero(counts)
    rows = {int(codes[i]): (int(counts[i]), int(witnesses[i])) for i in used}
    return rows, failures, reference.sweep(*arguments)


@settings(max_examples=25)
@given(triangulations(1, 7))
def test_the_kernel_counts_like_its_twin(triangulation) -> None:
    classes = 1 << (num_points(triangulation.degree) - 3)
    begin = max(0, classes // 3 - 8)
    rows, failures, expected = swept(triangulation, begin, min(begin + 16, classes))
    assert failures == 0
    assert {code: count for code, (count, _) in rows.items()} == expected


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_the_witness_is_the_smallest_sign_vector(degree: int) -> None:
    triangulation = honeycomb(degree)
    complex_ = patchwork(triangulation)
    rows, _, _ = swept(triangulation, 0, 1 << (num_points(degree) - 3))
    first: dict[int, int] = {}
    fixed = sum(1 << p for p in gauge_points(degree))
    for word in range(1 << num_points(degree)):
        if word & fixed == 0:
            signs = np.array([(word >> i) & 1 for i in range(num_points(degree))])
            code = reference.scheme_code(
                complex_.edges, complex_.num_vertices, bool(degree % 2), signs
            )
            first.setdefault(code, word)
    assert {code: witness for code, (_, witness) in rows.items()} == first
