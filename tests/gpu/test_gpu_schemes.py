"""Scheme codes of batches and ranges: octants and blocks against the oracles; devices."""

import numpy as np
import pytest
from commands import run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_instances import (
    by_reference,
    by_union_find,
    free_points,
    packed,
    pinwheel,
    random_words,
    star,
)
from strategies import SEEDS, triangulations

from gpu import backend, blocks, isotopy, octants
from gpu.backend import DeviceUnavailableError, resolve_device
from gpu.octants import FAILED
from gpu.schemes import scheme_codes, sweep
from tasks.lattice import (
    Regularity,
    Triangulation,
    certify_regularity,
    honeycomb,
    load_triangulations,
    num_points,
    random_flips,
)
from tasks.tcurves import Scheme, as_word, frontier_census, harnack_bound, harnack_signs, patchwork
from tasks.tcurves.patchwork import octant_grid
from tasks.tcurves.signs import num_sign_classes

DEGREES = range(1, 10)


# --- batches ------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(triangulations(1, 9), SEEDS)
def test_codes_of_a_fixed_triangulation_are_those_of_the_reference(triangulation, seed) -> None:
    words = random_words(triangulation.degree, 4, seed)
    codes = scheme_codes(packed(triangulation), octant_grid(triangulation.degree), words)
    assert codes.tolist() == by_reference(triangulation, words)
    assert codes.tolist() == by_union_find(triangulation, words).tolist()


@settings(max_examples=30)
@given(st.integers(1, 9), st.lists(SEEDS, min_size=2, max_size=5), SEEDS)
def test_codes_with_one_triangulation_per_instance_are_those_of_the_reference(
    degree, seeds, seed
) -> None:
    steps = 10 * degree**2
    chosen = [random_flips(honeycomb(degree), steps, np.random.default_rng(s)) for s in seeds]
    words = random_words(degree, len(chosen), seed)
    codes = scheme_codes(packed(*chosen), octant_grid(degree), words)
    alone = [by_reference(t, words[i : i + 1])[0] for i, t in enumerate(chosen)]
    assert codes.tolist() == alone


@pytest.mark.parametrize("each", [False, True], ids=["fixed", "each"])
def test_all_threads_give_the_codes_of_one(each) -> None:
    words = random_words(6, 3 * 4096 + 17, seed=1)
    rng = np.random.default_rng(2)
    chosen = [random_flips(honeycomb(6), 100, rng) for _ in range(7)]
    triangles = packed(*chosen)[np.arange(words.size) % 7] if each else packed(chosen[0])
    grid = octant_grid(6)
    serial = scheme_codes(triangles, grid, words)
    assert np.array_equal(scheme_codes(triangles, grid, words, parallel=True), serial)


@pytest.mark.parametrize("degree", range(4, 10))
def test_irregular_triangulations_have_the_codes_of_the_reference(degree: int) -> None:
    triangulation = pinwheel(degree)
    assert certify_regularity(triangulation).status is Regularity.IRREGULAR
    words = random_words(degree, 40, seed=degree)
    codes = scheme_codes(packed(triangulation), octant_grid(degree), words)
    assert codes.tolist() == by_reference(triangulation, words)


@pytest.mark.parametrize("degree", DEGREES)
def test_constant_signs_on_the_honeycomb_give_the_deepest_nest(degree: int) -> None:
    words = np.array([0, (1 << num_points(degree)) - 1])
    codes = scheme_codes(packed(honeycomb(degree)), octant_grid(degree), words)
    assert codes.tolist() == by_reference(honeycomb(degree), words)
    scheme = Scheme.from_code(int(codes[0]), pseudo_line=bool(degree % 2))
    assert (scheme.depth, scheme.ovals) == (degree // 2, degree // 2)


@pytest.mark.parametrize("degree", DEGREES)
def test_harnack_signs_give_maximal_curves(degree: int) -> None:
    for triangulation in (
        honeycomb(degree),
        pinwheel(degree) if degree >= 4 else honeycomb(degree),
    ):
        words = np.array([as_word(harnack_signs(degree))])
        codes = scheme_codes(packed(triangulation), octant_grid(degree), words)
        assert codes.tolist() == by_reference(triangulation, words)
        scheme = Scheme.from_code(int(codes[0]), pseudo_line=bool(degree % 2))
        assert scheme.components == harnack_bound(degree)


def test_an_empty_batch_has_no_codes() -> None:
    empty = np.zeros(0, dtype=np.int64)
    assert scheme_codes(packed(honeycomb(3)), octant_grid(3), empty).size == 0


@pytest.mark.parametrize("shape", [(16, 3), (2, 16, 3), (1, 16, 2)])
def test_other_shapes_of_triangles_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(1, F, 3\) or \(5, F, 3\)"):
        scheme_codes(np.zeros(shape, np.uint8), octant_grid(4), np.zeros(5, np.int64))


# --- what has no code ---------------------------------------------------------------------------


def test_without_a_one_sided_region_there_is_no_code() -> None:
    no_triangles = np.zeros((1, 0, 3), np.uint8)
    assert scheme_codes(no_triangles, octant_grid(4), np.array([0])).tolist() == [FAILED]


def test_more_regions_than_a_code_holds_fail() -> None:
    word = np.array([1 << num_points(9) // 2])
    assert scheme_codes(star(9), octant_grid(9), word).tolist() == [FAILED]


def test_a_sweep_counts_its_failures() -> None:
    no_triangles = np.zeros((0, 3), np.uint8)
    counts = sweep(no_triangles, octant_grid(4), free_points(4), 5, 25)
    assert counts.failures == 20
    assert counts.codes.size == 0


def test_a_full_table_says_so() -> None:
    codes, counts, witnesses = np.zeros((3, 8), np.int64)
    kept = [isotopy.count_code(codes, counts, witnesses, code, code) for code in range(1, 20)]
    assert sum(kept) == np.count_nonzero(counts) < 19
    assert isotopy.count_code(codes, counts, witnesses, 1, 1)


# --- sweeps -------------------------------------------------------------------------------------


def rows(codes, counts, witnesses) -> dict[int, tuple[int, int]]:
    used = np.flatnonzero(counts)
    return {int(codes[i]): (int(counts[i]), int(witnesses[i])) for i in used}


def swept_by_union_find(triangulation: Triangulation, begin: int, end: int):
    complex_ = patchwork(triangulation)
    degree = triangulation.degree
    shape = (complex_.num_vertices, num_points(degree), bool(degree % 2))
    *table, failures = isotopy.sweep(complex_.edges, *shape, free_points(degree), begin, end)
    assert failures == 0
    return rows(*table)


@settings(max_examples=40)
@given(triangulations(1, 9), st.floats(0, 1), st.integers(0, 700))
def test_a_sweep_counts_like_union_find_with_the_same_witnesses(
    triangulation, share, length
) -> None:
    degree = triangulation.degree
    begin = int(share * (num_sign_classes(degree) - 1))
    end = min(begin + length, num_sign_classes(degree))
    grid = octant_grid(degree)
    counts = sweep(triangulation.triangles.astype(np.uint8), grid, free_points(degree), begin, end)
    assert counts.failures == 0
    assert rows(*counts[:3]) == swept_by_union_find(triangulation, begin, end)
    assert counts.codes.tolist() == sorted(counts.codes.tolist())


@pytest.mark.parametrize("degree", [4, 7, 8, 9])
@pytest.mark.parametrize("low", [0, 1, 5, 12, 20])
def test_blocks_of_any_size_give_the_same_counts(degree: int, low: int) -> None:
    # With 20 varied points the graphs of degree 9 do not fit; their blocks are done otherwise.
    triangulation = pinwheel(degree)
    begin = num_sign_classes(degree) // 3
    end = begin + 3000
    neighbors = np.zeros(64, dtype=np.int64)
    octants.fill_neighbors(triangulation.triangles.astype(np.uint8), neighbors)
    edges = triangulation.edges.astype(np.int64)
    grid, free = octant_grid(degree), free_points(degree)
    *table, failures = blocks.sweep(neighbors, edges, grid, free, begin, end, low)
    assert failures == 0
    assert rows(*table) == swept_by_union_find(triangulation, begin, end)


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_the_whole_range_is_the_census(degree: int) -> None:
    assert_sweep_is_the_census(honeycomb(degree))


def assert_sweep_is_the_census(triangulation: Triangulation) -> None:
    degree = triangulation.degree
    triangles, grid = triangulation.triangles.astype(np.uint8), octant_grid(degree)
    counts = sweep(triangles, grid, free_points(degree), 0, num_sign_classes(degree))
    assert counts.failures == 0
    census = frontier_census(triangulation)
    expected = {row.scheme.code: row.count for row in census.schemes}
    assert dict(zip(counts.codes.tolist(), counts.counts.tolist(), strict=True)) == expected
    assert sum(expected.values()) == num_sign_classes(degree)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["6_bat", "6_honeycomb"])
def test_the_whole_range_of_degree_6_is_the_census(name: str) -> None:
    [triangulation] = load_triangulations([name])
    assert_sweep_is_the_census(triangulation)


# --- devices ------------------------------------------------------------------------------------


@pytest.fixture
def without_gpu(monkeypatch):
    monkeypatch.setattr(backend, "cuda_problem", lambda: "no CUDA device is visible")


@pytest.mark.usefixtures("without_gpu")
def test_cuda_without_a_gpu_is_one_line() -> None:
    with pytest.raises(DeviceUnavailableError) as caught:
        resolve_device("cuda")
    assert str(caught.value) == "no GPU can be used: no CUDA device is visible"


@pytest.mark.usefixtures("without_gpu")
def test_auto_without_a_gpu_is_the_cpu() -> None:
    assert resolve_device("auto") == "cpu"
    words = random_words(4, 5, seed=3)
    arguments = (packed(honeycomb(4)), octant_grid(4), words)
    assert np.array_equal(scheme_codes(*arguments, device="auto"), scheme_codes(*arguments))


@pytest.mark.usefixtures("without_gpu")
def test_kernels_on_cuda_without_a_gpu_say_so() -> None:
    with pytest.raises(DeviceUnavailableError):
        scheme_codes(packed(honeycomb(4)), octant_grid(4), np.array([0]), device="cuda")
    with pytest.raises(DeviceUnavailableError):
        sweep(packed(honeycomb(4))[0], octant_grid(4), free_points(4), 0, 1, device="cuda")


def test_without_cupy_the_reason_names_the_extra(monkeypatch) -> None:
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda _: None)
    assert backend.cuda_problem.__wrapped__() == (
        "CuPy is not installed (pip install 'latticework[gpu]')"
    )


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match="one of auto, cpu, cuda, not 'gpu'"):
        resolve_device("gpu")


def test_importing_the_kernels_needs_no_cupy() -> None:
    program = "import gpu.schemes, sys; sys.exit('cupy' in sys.modules)"
    run_python("-c", program)
