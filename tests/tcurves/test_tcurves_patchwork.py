"""The triangulated projective plane."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import signed_triangulations, triangulations

from tasks.lattice import honeycomb
from tasks.tcurves import affine_signs, patchwork
from tasks.tcurves.patchwork import copy_numbers


@given(triangulations(1, 8))
def test_the_complex_is_a_projective_plane(triangulation):
    complex_ = patchwork(triangulation)
    d = triangulation.degree
    assert complex_.num_vertices == 2 * d * d + 1
    assert complex_.edges.shape == (6 * d * d, 6)
    assert complex_.faces.shape == (4 * d * d, 3)
    # Closed surface: every edge lies in two faces; connected with characteristic 1: RP^2.
    assert set(Counter(complex_.faces.ravel().tolist()).values()) == {2}
    assert len(Counter(complex_.faces.ravel().tolist())) == 6 * d * d


@given(triangulations(1, 7))
def test_faces_are_triangles(triangulation):
    complex_ = patchwork(triangulation)
    ends = complex_.edges[complex_.faces][:, :, :2].reshape(-1, 6)
    for face in ends.tolist():
        assert sorted(Counter(face).values()) == [2, 2, 2]


@given(triangulations(2, 8).filter(lambda t: t.degree % 2 == 0))
def test_the_twists_define_the_sphere(triangulation):
    # A face lifts to a face: its twists cancel. The cover is connected: it is the sphere.
    complex_ = patchwork(triangulation)
    assert (complex_.edges[complex_.faces, 5].sum(axis=1) % 2 == 0).all()
    size = complex_.num_vertices
    parent = list(range(2 * size))

    def find(v):
        while parent[v] != v:
            v = parent[v]
        return v

    for u, v, _, _, _, twist in complex_.edges.tolist():
        for sheet in (0, 1):
            parent[find(u + size * sheet)] = find(v + size * (sheet ^ twist))
    assert len({find(v) for v in range(2 * size)}) == 1


@settings(max_examples=50)
@given(signed_triangulations(1, 7))
def test_a_curve_crosses_every_face_in_two_edges_or_none(pair):
    triangulation, signs = pair
    complex_ = patchwork(triangulation)
    crossed = complex_.bichromatic(signs)[complex_.faces].sum(axis=1)
    assert set(crossed.tolist()) <= {0, 2}
    assert crossed.any()  # a T-curve is never empty


@pytest.mark.parametrize("degree", range(1, 10))
def test_points_have_four_two_or_one_copies(degree):
    copies = Counter((copy_numbers(degree).max(axis=1) + 1).tolist())
    inside = (degree - 1) * (degree - 2) // 2
    expected = {1: 3, 2: 3 * (degree - 1), 4: inside}
    assert copies == {k: v for k, v in expected.items() if v}


def test_gauge_permutes_the_quadrants():
    triangulation = honeycomb(5)
    complex_ = patchwork(triangulation)
    rng = np.random.default_rng(0)
    signs = rng.integers(0, 2, triangulation.num_points)
    count = complex_.bichromatic(signs).sum()
    for c in np.ndindex(2, 2, 2):
        moved = complex_.bichromatic(signs ^ affine_signs(5, *c))
        assert moved.sum() == count
