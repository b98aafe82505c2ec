"""Components by rank over F2: the searches against the component matrix and the schemes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_instances import free_points, packed, pinwheel, random_words
from strategies import SEEDS, triangulations

from gpu.component_matrix import layout_of
from gpu.component_search import has_components, search
from gpu.octants import grid_of_degree
from gpu.schemes import scheme_codes
from tasks.lattice import Triangulation, honeycomb, random_flips
from tasks.tcurves import as_word, harnack_bound, harnack_signs
from tasks.tcurves.patchwork import octant_grid
from tasks.tcurves.twists import num_components_by_rank

DEGREES = range(2, 10)


def by_rank(triangulation: Triangulation, words: np.ndarray) -> list[int]:
    """Counts by the component matrix of each sign vector."""
    return [num_components_by_rank(triangulation, int(word)) for word in words]


def counts_of(triangulation: Triangulation, words: np.ndarray) -> np.ndarray:
    """Components that the schemes have: a node of the code for each oval, and J."""
    degree = triangulation.degree
    codes = scheme_codes(packed(triangulation), octant_grid(degree), words)
    return np.bitwise_count(codes) + degree % 2


def some_triangulations(degree: int) -> list[Triangulation]:
    """The honeycomb, an irregular triangulation from degree 4 on, and ends of flip walks."""
    rng = np.random.default_rng(degree)
    chosen = [honeycomb(degree), pinwheel(degree) if degree >= 4 else honeycomb(degree)]
    steps = rng.integers(1, 50 * degree**2, 8)
    return chosen + [random_flips(start, int(n), rng) for n in steps for start in chosen]


# --- counts -------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(triangulations(1, 9), SEEDS)
def test_the_rank_counts_the_ovals_and_the_pseudo_line_of_schemes(triangulation, seed) -> None:
    words = random_words(triangulation.degree, 6, seed)
    assert by_rank(triangulation, words) == counts_of(triangulation, words).tolist()


@pytest.mark.parametrize("degree", DEGREES)
def test_harnack_signs_reach_harnacks_bound_and_constant_signs_the_deepest_nest(degree) -> None:
    harnack = np.array([as_word(harnack_signs(degree))])
    for triangulation in some_triangulations(degree):
        assert by_rank(triangulation, harnack) == [harnack_bound(degree)]
    nest = by_rank(honeycomb(degree), np.array([0]))
    assert nest == [degree // 2 + degree % 2]


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triangles", "words", "message"),
    [
        (np.zeros((16, 2), np.uint8), [0], r"must have the shape \(1, F, 3\) or \(1, F, 3\)"),
        (np.zeros((9, 3), np.uint8), [0], "degree 4 has 16 triangles, not 9"),
        (np.full((16, 3), 15, np.uint8), [0], "degree 4 has the points 0 to 14, not more"),
        (packed(honeycomb(4))[0], [1 << 15], "degree 4 has sign words from 0 to 32767"),
        (packed(honeycomb(4))[0], [-1], "degree 4 has sign words from 0 to 32767"),
    ],
)
def test_what_is_no_instance_is_refused_in_one_line(triangles, words, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        has_components(triangles, octant_grid(4), np.array(words), 1)
    assert "\n" not in str(caught.value)


def test_a_degree_that_does_not_fit_a_word_is_refused() -> None:
    too_large = octant_grid(9)._replace(masks=np.array([(1 << 11) - 1, 0, 0, 0]))
    with pytest.raises(ValueError, match="degree 10 does not fit one word; at most 9"):
        layout_of(too_large)


# --- many components ----------------------------------------------------------------------------


@settings(max_examples=60)
@given(triangulations(1, 9), SEEDS, st.integers(-3, 33))
def test_marked_are_the_sign_vectors_with_enough_components(triangulation, seed, least) -> None:
    degree = triangulation.degree
    words, grid = random_words(degree, 300, seed), octant_grid(degree)
    counts = counts_of(triangulation, words)
    marked = has_components(packed(triangulation)[0], grid, words, least)
    assert np.array_equal(marked, counts >= least)


def words_of_range(degree: int, begin: int, end: int) -> np.ndarray:
    numbers = np.arange(begin, end)
    return sum((numbers >> i & 1) << int(p) for i, p in enumerate(free_points(degree)))


def searched(triangulation, begin, end, least, capacity) -> np.ndarray:
    """All parts of a search, one after the other."""
    grid, free = grid_of_degree(triangulation.degree), free_points(triangulation.degree)
    triangles, parts = packed(triangulation)[0], [np.zeros(0, dtype=np.int64)]
    while begin < end:
        found = search(triangles, grid, free, begin, end, least=least, capacity=capacity)
        assert begin < found.end <= end
        parts.append(found.words)
        begin = found.end
    return np.concatenate(parts)


@settings(max_examples=40)
@given(triangulations(2, 9), st.floats(0, 1), st.integers(1, 4000), st.integers(-4, 4))
def test_a_search_finds_the_sign_vectors_of_a_range_in_order(
    triangulation, share, length, above
) -> None:
    degree = triangulation.degree
    classes = 1 << free_points(degree).size
    begin = int(share * (classes - 1))
    end = min(begin + length, classes)
    words = words_of_range(degree, begin, end)
    counts = counts_of(triangulation, words)
    least = int(np.median(counts)) + above
    expected = words[counts >= least]
    assert np.array_equal(searched(triangulation, begin, end, least, 1 << 20), expected)
    assert np.array_equal(searched(triangulation, begin, end, least, 37), expected)


@pytest.mark.parametrize("degree", [3, 4, 5])
def test_a_search_of_everything_finds_what_the_counts_say(degree: int) -> None:
    for triangulation in some_triangulations(degree)[:4]:
        classes = 1 << free_points(degree).size
        words = words_of_range(degree, 0, classes)
        counts = counts_of(triangulation, words)
        for least in range(harnack_bound(degree) + 2):
            found = searched(triangulation, 0, classes, least, 1 << 20)
            assert np.array_equal(found, words[counts >= least])


@pytest.mark.parametrize("free", [[], [7]])
def test_a_search_without_or_with_one_free_point_tries_all_there_is(free: list[int]) -> None:
    triangles, grid = packed(honeycomb(4))[0], octant_grid(4)
    everything = 1 << len(free)
    found = search(triangles, grid, np.array(free, dtype=np.int64), 0, everything, least=0)
    assert found.words.tolist() == [0, 1 << 7][:everything]
    assert found.end == everything
