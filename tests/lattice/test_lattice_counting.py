import pickle

import numpy as np
import pytest
from commands import run_python
from hypothesis import given
from hypothesis import strategies as st
from known_triangulations import all_triangulations

from tasks.lattice import Triangulation, UniformSampler, count_triangulations
from tasks.records.errors import InputError

COUNTS = [1, 4, 79, 7424, 3370836, 7224583664, 72977202065037]
COUNT_7 = """
import resource
import numpy as np
from tasks.lattice import UniformSampler
sampler = UniformSampler(7)
draws = {sampler.sample(np.random.default_rng(seed)) for seed in range(20)}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sampler.count, len(draws), peak < 4 * 2**20)
"""


@pytest.mark.parametrize(("degree", "count"), list(enumerate(COUNTS[:6], start=1)))
def test_the_counts_up_to_degree_6_are_reproduced(degree, count):
    assert count_triangulations(degree) == count
    assert UniformSampler(degree).count == count


@pytest.mark.slow
def test_degree_7_is_counted_and_sampled_in_less_than_4_gib():
    assert run_python("-c", COUNT_7).stdout.split() == [str(COUNTS[6]), "20", "True"]


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_the_numbered_triangulations_are_those_of_the_flip_graph(degree):
    sampler = UniformSampler(degree)
    numbered = [sampler.triangulation(index) for index in range(sampler.count)]
    assert len(set(numbered)) == len(numbered)
    assert set(numbered) == all_triangulations(degree)


@given(st.integers(5, 6), st.data())
def test_different_numbers_give_different_valid_triangulations(degree, data):
    sampler = UniformSampler(degree)
    index = st.integers(0, sampler.count - 1)
    i, j = data.draw(index), data.draw(index)
    first, second = sampler.triangulation(i), sampler.triangulation(j)
    assert Triangulation.of(degree, first.triangles) == first
    assert (first == second) == (i == j)


def test_samples_of_degree_3_are_uniform_on_all_79():
    sampler, rng = UniformSampler(3), np.random.default_rng(0)
    draws = [sampler.sample(rng) for _ in range(79 * 40)]
    counts = dict.fromkeys(all_triangulations(3), 0)
    for T in draws:
        counts[T] += 1
    assert min(counts.values()) > 0
    chi_square = sum((count - 40) ** 2 / 40 for count in counts.values())
    # 78 degrees of freedom: mean 78, standard deviation 12.5; four of them to either side.
    assert abs(chi_square - 78) < 50


def test_every_small_triangulation_is_sampled():
    rng = np.random.default_rng(0)
    for degree in (1, 2):
        sampler = UniformSampler(degree)
        assert {sampler.sample(rng) for _ in range(100)} == all_triangulations(degree)


def test_samples_look_alike_in_all_corners():
    # The program sweeps from one side; a uniform sample knows no side. Corner (0, 0) is cut off
    # by the edge 1-(d+1) as often as the two others are by theirs.
    sampler, rng = UniformSampler(5), np.random.default_rng(0)
    cuts = [(1, 6), (4, 10), (18, 19)]
    draws = [set(map(tuple, sampler.sample(rng).edges.tolist())) for _ in range(600)]
    found = [sum(cut in edges for edges in draws) for cut in cuts]
    # Each is binomial with standard deviation at most 12.3; their differences below 5 · 17.4.
    assert max(found) - min(found) < 87


def test_a_sample_is_determined_by_its_generator():
    sampler = UniformSampler(6)
    first, again, other = (sampler.sample(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first == again != other
    assert first.weights is None
    assert sampler.sample(np.random.default_rng(5), name="mine").name == "mine"


def test_a_sampler_travels_as_its_degree():
    data = pickle.dumps(UniformSampler(6))
    assert len(data) < 200
    assert pickle.loads(data) == UniformSampler(6)
    assert pickle.loads(data).triangulation(123) == UniformSampler(6).triangulation(123)


@pytest.mark.parametrize(
    ("degree", "message"),
    [
        (8, "degree 8 is too large .* from 1 to 7, or walk randomly with random_flips"),
        (0, "degree 0 is not allowed"),
        ("3", "degree '3' is not allowed"),
    ],
)
def test_other_degrees_are_refused(degree, message):
    with pytest.raises(InputError, match=message):
        UniformSampler(degree)
    with pytest.raises(InputError, match=message):
        count_triangulations(degree)


@pytest.mark.parametrize("index", [-1, 79])
def test_numbers_out_of_range_are_refused(index):
    with pytest.raises(InputError, match=rf"triangulation {index} of degree 3 .* from 0 to 78"):
        UniformSampler(3).triangulation(index)
