"""The CUDA source of component counts: compiled for the host it agrees, and nvcc accepts it."""

import ctypes
import shutil
from importlib.resources import files

import numpy as np
import pytest
from commands import run_command
from hypothesis import given, settings
from scheme_instances import packed, pinwheel, random_words
from strategies import SEEDS, triangulations

from gpu.component_matrix import LAYOUT_STRUCT, layout_of, pack_layout, tables_of
from gpu.components import num_components
from gpu.octants import Grid
from tasks.lattice import honeycomb, random_flips
from tasks.tcurves.patchwork import octant_grid

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ on this machine")
needs_nvcc = pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc on this machine")


class CompiledForTheHost:
    """The CUDA source as a C++ library: `fixed` and `each` take the place of the kernels."""

    def __init__(self, path) -> None:
        self.library = ctypes.CDLL(str(path))

    def fixed(self, triangles: np.ndarray, grid: Grid, words: np.ndarray) -> np.ndarray:
        tables = tables_of(triangles[0], grid)
        return self._run("components_fixed", [tables, *tables.shape[:2]], words)

    def each(self, triangles: np.ndarray, grid: Grid, words: np.ndarray) -> np.ndarray:
        layout = pack_layout(layout_of(grid))
        return self._run("components_each", [triangles, triangles.shape[1], layout], words)

    def _run(self, name: str, arguments: list, words: np.ndarray) -> np.ndarray:
        counts = np.empty(words.size, np.int64)
        self.library[name](
            *(
                ctypes.c_int(a) if isinstance(a, int) else ctypes.c_void_p(a.ctypes.data)
                for a in (*arguments, words, counts)
            ),
            ctypes.c_longlong(words.size),
        )
        return counts


@pytest.fixture(scope="module")
def source_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("cuda") / "components.cu"
    path.write_text((files("gpu") / "cuda" / "components.cu").read_text("utf-8"))
    return path


@pytest.fixture(scope="module")
def on_host(source_path) -> CompiledForTheHost:
    library = source_path.with_suffix(".so")
    flags = ["-O2", "-Wall", "-Werror", "-DCOMPONENTS_HOST", "-shared", "-fPIC", "-x", "c++"]
    run_command(["g++", *flags, str(source_path), "-o", str(library)])
    return CompiledForTheHost(library)


def test_the_packed_layout_has_the_layout_of_the_struct() -> None:
    packed_layout = pack_layout(layout_of(octant_grid(9)))
    assert LAYOUT_STRUCT.itemsize == 132
    assert int(packed_layout["num_rows"]) == 28
    assert packed_layout["row"].tolist().count(28) == 64 - 28


@needs_compiler
@settings(max_examples=60)
@given(triangulation=triangulations(1, 9), seed=SEEDS)
def test_the_cuda_source_gives_the_counts_of_the_numba_twin(on_host, triangulation, seed) -> None:
    words = random_words(triangulation.degree, 50, seed)
    triangles, grid = packed(triangulation), octant_grid(triangulation.degree)
    expected = num_components(triangles, grid, words)
    assert np.array_equal(on_host.fixed(triangles, grid, words), expected)
    assert np.array_equal(on_host.each(np.repeat(triangles, 50, axis=0), grid, words), expected)


@needs_compiler
@pytest.mark.parametrize("degree", range(2, 10))
def test_many_triangulations_in_one_batch_have_the_same_counts(on_host, degree: int) -> None:
    rng = np.random.default_rng(degree)
    chosen = [random_flips(honeycomb(degree), int(n), rng) for n in rng.integers(1, 900, 9)]
    chosen.append(pinwheel(degree) if degree >= 4 else honeycomb(degree))
    triangles = packed(*chosen)[rng.integers(0, len(chosen), 10_000)]
    words, grid = random_words(degree, 10_000, seed=1), octant_grid(degree)
    assert np.array_equal(
        on_host.each(triangles, grid, words), num_components(triangles, grid, words)
    )


@pytest.mark.slow
@needs_nvcc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvcc_compiles_the_component_kernels(source_path, architecture: str) -> None:
    target = source_path.with_suffix(f".{architecture}.cubin")
    flags = ["-std=c++17", "-cubin", f"-arch={architecture}", "-Werror", "all-warnings"]
    run_command(["nvcc", *flags, str(source_path), "-o", str(target)])
    content = target.read_bytes()
    assert all(name in content for name in (b"components_each", b"components_fixed"))
