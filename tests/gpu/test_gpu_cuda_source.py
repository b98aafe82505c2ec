"""The CUDA source: compiled for the host it gives the codes of its twins, and nvcc accepts it."""

import ctypes
import shutil
from importlib.resources import files

import numpy as np
import pytest
from commands import run_command
from hypothesis import given, settings
from scheme_instances import by_union_find, packed, pinwheel, random_words, star
from strategies import SEEDS, triangulations

from gpu.octants import FAILED, GRID_LAYOUT, Grid, pack_grid
from gpu.schemes import scheme_codes
from tasks.lattice import Triangulation, honeycomb, num_points, random_flips
from tasks.tcurves import Scheme, as_word, harnack_bound, harnack_signs
from tasks.tcurves.patchwork import octant_grid

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on this machine")
needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc on this machine")


class CompiledForTheHost:
    """The CUDA source as a C++ library: `fixed` and `each` take the place of the kernels."""

    def __init__(self, path) -> None:
        self.library = ctypes.CDLL(str(path))

    def fixed(self, triangles, grid: Grid, words) -> np.ndarray:
        return self._run(self.library.codes_fixed, triangles, grid, words)

    def each(self, triangles, grid: Grid, words) -> np.ndarray:
        return self._run(self.library.codes_each, triangles, grid, words)

    @staticmethod
    def _run(function, triangles, grid: Grid, words) -> np.ndarray:
        triangles, layout = np.ascontiguousarray(triangles), pack_grid(grid)
        codes = np.empty(words.size, np.int64)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (triangles, layout, words, codes)]
        function(
            pointers[0],
            ctypes.c_int(triangles.shape[1]),
            *pointers[1:],
            ctypes.c_longlong(words.size),
        )
        return codes


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("cuda") / "schemes.cu"
    path.write_text((files("gpu") / "cuda" / "schemes.cu").read_text("utf-8"))
    return path


@pytest.fixture(scope="module")
def on_host(source_path) -> CompiledForTheHost:
    library = source_path.with_suffix(".so")
    flags = ["-O2", "-Wall", "-Werror", "-DSCHEMES_HOST", "-shared", "-fPIC", "-x", "c++"]
    run_command(["g++", *flags, str(source_path), "-o", str(library)])
    return CompiledForTheHost(library)


def test_the_packed_grid_has_the_layout_of_the_struct() -> None:
    layout = pack_grid(octant_grid(9))
    assert GRID_LAYOUT.itemsize == 72
    assert layout["masks"][3] == (1 << 55) - 1
    assert int(layout["is_odd"]) == 1


@needs_compiler
@settings(max_examples=60)
@given(triangulation=triangulations(1, 9), seed=SEEDS)
def test_the_cuda_source_gives_the_codes_of_the_numba_twin(on_host, triangulation, seed) -> None:
    words = random_words(triangulation.degree, 50, seed)
    triangles, grid = packed(triangulation), octant_grid(triangulation.degree)
    expected = scheme_codes(triangles, grid, words)
    assert np.array_equal(on_host.fixed(triangles, grid, words), expected)
    assert np.array_equal(on_host.each(np.repeat(triangles, 50, axis=0), grid, words), expected)


@needs_compiler
def test_the_cuda_source_fails_where_the_numba_twin_fails(on_host) -> None:
    word = np.array([1 << num_points(9) // 2])
    assert on_host.fixed(star(9), octant_grid(9), word).tolist() == [FAILED]
    no_triangles = np.zeros((1, 0, 3), np.uint8)
    assert on_host.fixed(no_triangles, octant_grid(4), np.array([0])).tolist() == [FAILED]


@pytest.mark.slow
@needs_nvcc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvcc_compiles_the_kernels(source_path, architecture: str) -> None:
    target = source_path.with_suffix(f".{architecture}.cubin")
    flags = ["-std=c++17", "-cubin", f"-arch={architecture}", "-Werror", "all-warnings"]
    run_command(["nvcc", *flags, str(source_path), "-o", str(target)])
    content = target.read_bytes()
    assert all(name in content for name in (b"codes_each", b"codes_fixed", b"sweep"))


def many_instances(degree: int, count: int) -> tuple[list[Triangulation], np.ndarray, np.ndarray]:
    """Triangulations, the index of one per instance, and sign words, a third of them extreme.

    Half the triangulations are ends of long flip walks; the honeycomb and the pinwheel, whose
    walks are short so that it mostly stays irregular, make up the rest.
    """
    rng = np.random.default_rng(degree)
    start = pinwheel(degree) if degree >= 4 else honeycomb(degree)
    chosen = [honeycomb(degree), start]
    chosen += [random_flips(start, int(steps), rng) for steps in rng.integers(1, 12, 18)]
    chosen += [
        random_flips(honeycomb(degree), int(steps), rng)
        for steps in rng.integers(1, 100 * degree**2, 60)
    ]
    index = np.sort(rng.integers(0, len(chosen), count))
    words = rng.integers(0, 1 << num_points(degree), count)
    few = np.zeros(count, dtype=np.int64)
    for _ in range(3):
        few ^= 1 << rng.integers(0, num_points(degree), count)
    kind = np.arange(count) % 6
    words = np.where(kind == 0, few, words)
    words = np.where(kind == 1, few ^ as_word(harnack_signs(degree)), words)
    return chosen, index, words


@pytest.mark.slow
@needs_compiler
def test_a_million_instances_have_the_same_codes_three_times(on_host) -> None:
    total, maximal, deepest = 0, 0, 0
    for degree in range(3, 10):
        chosen, index, words = many_instances(degree, 143_000)
        grid, triangles = octant_grid(degree), packed(*chosen)
        twin = scheme_codes(triangles[index], grid, words)
        assert np.array_equal(on_host.each(triangles[index], grid, words), twin)
        for i, triangulation in enumerate(chosen):
            mine = index == i
            expected = by_union_find(triangulation, words[mine])
            assert np.array_equal(scheme_codes(triangles[i : i + 1], grid, words[mine]), expected)
            assert np.array_equal(on_host.fixed(triangles[i : i + 1], grid, words[mine]), expected)
            assert np.array_equal(twin[mine], expected)
        schemes = [
            Scheme.from_code(code, pseudo_line=bool(degree % 2)) for code in set(twin.tolist())
        ]
        maximal += any(scheme.components == harnack_bound(degree) for scheme in schemes)
        deepest += any(scheme.depth == degree // 2 for scheme in schemes)
        total += words.size
    assert total >= 10**6
    assert (maximal, deepest) == (7, 7)
