import numpy as np
import pytest

from tasks.lattice import SOURCES, Triangulation, automorphisms, canonical_key, draw, honeycomb
from tasks.records.errors import InputError


@pytest.mark.parametrize("degree", [1, 2, 5])
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_valid_certified_triangulations(source, degree):
    for seed in range(5):
        T = SOURCES[source](degree, np.random.default_rng(seed))
        assert Triangulation.of(degree, T.triangles).triangles.tolist() == T.triangles.tolist()
        certified = draw(source, degree, np.random.default_rng(seed))
        assert certified.verify()
        assert certified.triangulation.triangles.tolist() == T.triangles.tolist()


@pytest.mark.parametrize("source", sorted(set(SOURCES) - {"honeycomb"}))
def test_every_random_source_varies(source):
    keys = {canonical_key(SOURCES[source](6, np.random.default_rng(seed))) for seed in range(10)}
    assert len(keys) >= 5


def test_the_names_of_the_sources_are_part_of_the_interface():
    assert list(SOURCES) == ["honeycomb", "flips", "heights", "perturbed", "symmetric", "uniform"]


@pytest.mark.parametrize("source", ["heights", "perturbed", "honeycomb"])
def test_sources_of_weights_are_regular_by_construction(source):
    draws = [draw(source, 7, np.random.default_rng(seed)) for seed in range(5)]
    assert all(certified.is_regular for certified in draws)


def test_the_symmetric_source_is_symmetric():
    for seed in range(5):
        assert len(automorphisms(SOURCES["symmetric"](6, np.random.default_rng(seed)))) > 1


def test_the_honeycomb_is_a_source():
    assert SOURCES["honeycomb"](4, np.random.default_rng(0)) == honeycomb(4)


def test_an_unknown_source_is_refused():
    with pytest.raises(InputError, match="no source 'magic': give one of honeycomb, flips"):
        draw("magic", 4, np.random.default_rng(0))


def test_the_uniform_source_ends_at_degree_7():
    with pytest.raises(InputError, match="degree 8 is too large"):
        draw("uniform", 8, np.random.default_rng(0))
