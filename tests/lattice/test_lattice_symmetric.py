import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_triangulations import all_triangulations
from strategies import SEEDS

from tasks.lattice import (
    REFLECTIONS,
    Triangulation,
    automorphisms,
    honeycomb,
    load_triangulations,
    permutations,
    random_flips,
    random_symmetric,
    symmetric_flips,
    transform,
)
from tasks.records.errors import InputError


def symmetric_triangulations(degree, reflection):
    return {T for T in all_triangulations(degree) if transform(T, reflection) == T}


def test_the_reflections_are_the_elements_of_order_two():
    table = permutations(3)
    identity = np.arange(10)
    order_two = [g for g in range(1, 6) if np.array_equal(table[g][table[g]], identity)]
    assert tuple(order_two) == REFLECTIONS


@given(st.integers(1, 7), SEEDS, st.sampled_from(REFLECTIONS))
def test_random_symmetric_triangulations_are_valid_and_invariant(degree, seed, reflection):
    T = random_symmetric(degree, np.random.default_rng(seed), reflection=reflection)
    assert Triangulation.of(degree, T.triangles) == T
    assert reflection in automorphisms(T)
    assert T.weights is None


@pytest.mark.parametrize("reflection", REFLECTIONS)
@pytest.mark.parametrize(("degree", "count"), [(1, 1), (2, 2), (3, 7), (4, 74)])
def test_all_symmetric_triangulations_of_small_degree_are_reached(degree, count, reflection):
    rng = np.random.default_rng(0)
    reached = {random_symmetric(degree, rng, reflection=reflection) for _ in range(12 * count)}
    assert reached == symmetric_triangulations(degree, reflection)
    assert len(reached) == count


def test_one_proposal_changes_an_edge_and_its_mirror_image_or_nothing():
    rng, T = np.random.default_rng(1), honeycomb(6).with_weights(None)
    sizes = set()
    for _ in range(200):
        after = symmetric_flips(T, 1, rng, reflection=1)
        before = set(map(tuple, T.edges.tolist()))
        sizes.add(len(before - set(map(tuple, after.edges.tolist()))))
        T = after
    assert sizes == {0, 1, 2}


def test_the_walk_is_uniform_on_the_invariant_triangulations_of_degree_3():
    rng, T, visits = np.random.default_rng(0), honeycomb(3), {}
    for _ in range(1400):
        T = symmetric_flips(T, 10, rng, reflection=1)
        visits[T] = visits.get(T, 0) + 1
    # 200 expected visits, standard deviation 13.3 if they were independent; ten proposals apart
    # they nearly are.
    assert all(abs(count - 200) < 80 for count in visits.values()), sorted(visits.values())


def test_the_default_reflection_is_one_of_the_triangulation():
    [bat] = load_triangulations(["6_bat"])
    [reflection] = automorphisms(bat)[1:]
    walked = symmetric_flips(bat, 100, np.random.default_rng(0))
    assert reflection in automorphisms(walked)
    assert walked.triangles.tolist() != bat.triangles.tolist()


def test_a_symmetric_walk_is_determined_by_its_generator_and_varies():
    draws = [random_symmetric(7, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert random_symmetric(4, np.random.default_rng(0), name="mirror").name == "mirror"


def test_a_triangulation_without_the_symmetry_is_refused():
    crooked = random_flips(honeycomb(5), 500, np.random.default_rng(0), name="crooked")
    assert automorphisms(crooked) == (0,)
    with pytest.raises(InputError, match="crooked is not invariant under reflection 1 or 2 or 5"):
        symmetric_flips(crooked, 1, np.random.default_rng(0))
    [bat] = load_triangulations(["6_bat"])
    [wrong, *_] = set(REFLECTIONS) - set(automorphisms(bat))
    with pytest.raises(InputError, match=f"6_bat is not invariant under reflection {wrong}"):
        symmetric_flips(bat, 1, np.random.default_rng(0), reflection=wrong)


def test_wrong_use_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="steps = -1 is not allowed"):
        symmetric_flips(honeycomb(2), -1, rng)
    with pytest.raises(InputError, match="reflection 3 is not allowed: give 1, 2 or 5"):
        random_symmetric(2, rng, reflection=3)
