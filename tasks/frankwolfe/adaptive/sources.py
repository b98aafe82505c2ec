"""Tables of numbers: rows of features, and a target for each.

breast_cancer, diabetes    as scikit-learn has them; columns with mean 0 and variance 1
digits                     8 x 8 pixels, even numbers against odd ones; likewise
digits10                   the same pixels, each number against the others: ten targets
breast_cancer_raw, diabetes_raw    columns with mean 0 in their own units, which differ by up to 1e5
planted                    Gaussian columns, targets of a sparse vector with noise
scaled                     the same with columns of sizes from 1e-2 to 1e2
tasks                      the same with ten targets each, of a matrix of rank 2
permuted                   targets are a mean of four orders of the features, with noise
routes                     features are costs of the edges of a grid, targets the costs of a flow
tasks_scaled, permuted_scaled, routes_scaled    the same with columns of sizes from 0.1 to 10
ratings                    entries of a matrix of rank 3 with noise, a part of which is seen
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.records.errors import InputError, abridged
from tasks.records.seeds import stream
from tasks.records.sources import read_source

__all__ = ["GRID", "SOURCES", "Table", "own_table", "table_of"]

GRID = 6
"""Nodes on a side of the grid of routes."""
SIDE, NUM_MIXED = 12, 4
"""Size of permutations; how many of these, and of routes, targets are means of."""
RATING_ROWS, RATING_COLUMNS, RANK = 40, 16, 3
NUM_ROWS, NUM_COLUMNS, NUM_TARGETS = 400, 40, 10
NOISE = 0.3
MAX_BYTES = 2**30
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers of a problem.

    Attributes
    ----------
    rows : (n, p) float64
    targets : (n, q) float64
        For squares; for other losses classes are made of them.
    shape : tuple of int
        Of the weights.
    places : (n,) int64, optional
        Observed entries of the weights, in place of rows.
    size : float
        Nuclear norm of a matrix to be completed; 0 for others.
    """

    rows: Array
    targets: Array
    shape: tuple[int, int]
    places: NDArray[np.int64] | None = None
    size: float = 0.0


def table_of(name: str, seed: int) -> Table:
    """A table by name; generated ones follow from the seed."""
    return SOURCES[name](stream(seed, "adaptive-frank-wolfe", name))


def _breast_cancer(_: np.random.Generator, *, is_scaled: bool) -> Table:
    numbers = _read("breast_cancer.csv.gz")
    return _regular(_columns(numbers[:, :-1], is_scaled), 2 * numbers[:, -1] - 1)


def _diabetes(_: np.random.Generator, *, is_scaled: bool) -> Table:
    numbers = _read("diabetes.csv.gz")
    targets = numbers[:, -1] - numbers[:, -1].mean()
    return _regular(_columns(numbers[:, :-1], is_scaled), targets / targets.std())


def _digits(_: np.random.Generator, *, is_many: bool) -> Table:
    # PyTorch is slow to import.
    from tasks.nn.data import load_dataset

    data = load_dataset("digits")
    parts = (data.train, data.validation, data.test)
    pixels = np.concatenate([part.inputs.numpy().reshape(len(part.targets), -1) for part in parts])
    labels = np.concatenate([part.targets.numpy() for part in parts])
    rows = _columns(pixels.astype(float), is_scaled=True)
    if is_many:
        return _regular(rows, 2.0 * (labels[:, None] == np.arange(10)) - 1)
    return _regular(rows, 1.0 - 2.0 * (labels % 2))


def _read(name: str) -> Array:
    content = gzip.decompress((Path(__file__).parent / "data" / name).read_bytes())
    return np.loadtxt(content.decode().splitlines(), delimiter=",")


def _columns(numbers: Array, is_scaled: bool) -> Array:
    """Columns that vary, with mean 0, and with variance 1 if that is wanted."""
    varying = numbers[:, numbers.std(axis=0) > 0]
    centered = varying - varying.mean(axis=0)
    return centered / centered.std(axis=0) if is_scaled else centered


def _regular(rows: Array, targets: Array) -> Table:
    wanted = targets.reshape(len(rows), -1)
    return Table(rows, wanted, (rows.shape[1], wanted.shape[1]))


def _scales(count: int, decades: float) -> Array:
    """Sizes of columns, from 10^-decades to 10^decades."""
    return np.logspace(-decades, decades, count)


def _planted(random: np.random.Generator, *, decades: float, rank: int = 0) -> Table:
    scales = random.permutation(_scales(NUM_COLUMNS, decades))
    plain = random.standard_normal((NUM_ROWS, NUM_COLUMNS))
    if rank:
        factors = (
            random.standard_normal(shape) for shape in ((NUM_COLUMNS, rank), (rank, NUM_TARGETS))
        )
        weights = next(factors) @ next(factors) / np.sqrt(NUM_COLUMNS * rank)
    else:
        is_kept = random.random(NUM_COLUMNS) < 0.25
        weights = (is_kept * random.standard_normal(NUM_COLUMNS))[:, None]
    exact = plain @ weights
    return _regular(plain * scales, exact + NOISE * random.standard_normal(exact.shape))


def _permuted(random: np.random.Generator, *, decades: float) -> Table:
    scales = random.permutation(_scales(SIDE, decades))
    rows = random.standard_normal((NUM_ROWS, SIDE)) * scales
    moved = np.mean([rows[:, random.permutation(SIDE)] for _ in range(NUM_MIXED)], axis=0)
    noise = NOISE * np.median(scales) * random.standard_normal(moved.shape)
    return _regular(rows, moved + noise)


def _routes(random: np.random.Generator, *, decades: float) -> Table:
    """Targets are measured along the mean of some routes."""
    edges = grid_edges()
    scales = random.permutation(_scales(len(edges), decades))
    rows = random.standard_normal((NUM_ROWS, len(edges))) * scales
    flow = np.mean([_route(random, edges) for _ in range(NUM_MIXED)], axis=0)
    exact = rows @ flow
    return _regular(rows, exact + NOISE * exact.std() * random.standard_normal(NUM_ROWS))


def grid_edges() -> list[tuple[int, int]]:
    """Edges of the grid, to the right and down."""
    found = []
    for node in range(GRID * GRID):
        if node % GRID < GRID - 1:
            found.append((node, node + 1))
        if node < GRID * (GRID - 1):
            found.append((node, node + GRID))
    return found


def _route(random: np.random.Generator, edges: list[tuple[int, int]]) -> Array:
    """A random path through the grid."""
    node, path = 0, np.zeros(len(edges))
    while node < GRID * GRID - 1:
        leaving = [number for number, (tail, _) in enumerate(edges) if tail == node]
        edge = leaving[random.integers(len(leaving))]
        path[edge], node = 1.0, edges[edge][1]
    return path


def _ratings(random: np.random.Generator) -> Table:
    shape = RATING_ROWS, RATING_COLUMNS
    left = random.standard_normal((RATING_ROWS, RANK))
    exact = left @ random.standard_normal((RANK, RATING_COLUMNS)) / np.sqrt(RANK)
    seen = np.sort(random.permutation(exact.size)[: exact.size // 2])
    values = exact.ravel()[seen] + NOISE * random.standard_normal(len(seen))
    size = float(np.linalg.svd(exact, compute_uv=False).sum())
    return Table(np.empty((0, RATING_ROWS)), values[:, None], shape, seen.astype(np.int64), size)


SOURCES: Mapping[str, Callable[[np.random.Generator], Table]] = {
    "breast_cancer": lambda random: _breast_cancer(random, is_scaled=True),
    "breast_cancer_raw": lambda random: _breast_cancer(random, is_scaled=False),
    "diabetes": lambda random: _diabetes(random, is_scaled=True),
    "diabetes_raw": lambda random: _diabetes(random, is_scaled=False),
    "digits": lambda random: _digits(random, is_many=False),
    "digits10": lambda random: _digits(random, is_many=True),
    "planted": lambda random: _planted(random, decades=0),
    "scaled": lambda random: _planted(random, decades=2),
    "tasks": lambda random: _planted(random, decades=0, rank=2),
    "tasks_scaled": lambda random: _planted(random, decades=1, rank=2),
    "permuted": lambda random: _permuted(random, decades=0),
    "permuted_scaled": lambda random: _permuted(random, decades=1),
    "routes": lambda random: _routes(random, decades=0),
    "routes_scaled": lambda random: _routes(random, decades=1),
    "ratings": _ratings,
}
"""All tables by name."""


# --- tables of one's own ------------------------------------------------------------------------


def own_table(source: str) -> Table:
    """A table of one's own.

    It is ``FILE.npz`` with arrays x (n, p) and y (n,), or ``FILE.csv`` of numbers whose last column
    is the target.

    Raises
    ------
    InputError
        If it cannot be read, has other arrays or shapes, no rows, or numbers that are not finite.
    """
    content = read_source(source, max_bytes=MAX_BYTES)
    what = f"data {abridged(source)}"
    is_csv = source.endswith((".csv", ".txt"))
    rows, targets = _from_csv(what, content) if is_csv else _from_npz(what, content)
    for name, numbers in (("x", rows), ("y", targets)):
        if numbers.dtype.kind not in "biuf":
            raise InputError(f"{what}: {name} has type {numbers.dtype}; wanted are real numbers")
    if (
        rows.ndim != 2
        or targets.ndim not in (1, 2)
        or (targets.ndim == 2 and targets.shape[1] != 1)
    ):
        raise InputError(
            f"{what}: x has shape {rows.shape} and y {targets.shape}; wanted are (n, p) and (n,)"
        )
    if len(rows) != len(targets):
        raise InputError(f"{what}: x has {len(rows)} rows and y has {len(targets)}")
    if 0 in rows.shape:
        raise InputError(f"{what} has no rows: a finite sum needs at least one, with a column")
    found = rows.astype(float), targets.reshape(-1, 1).astype(float)
    for name, numbers in zip("xy", found, strict=True):
        wrong = ~np.isfinite(numbers)
        if wrong.any():
            first = tuple(int(k) for k in np.argwhere(wrong)[0][: 1 + (name == "x")])
            raise InputError(
                f"{what}: {name} has {int(wrong.sum())} entries that are not finite, the first at "
                f"{first}"
            )
    return Table(*found, (found[0].shape[1], 1))


def _from_npz(what: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    wanted = f"{what} is not an .npz file of arrays x and y (np.savez(FILE, x=..., y=...))"
    if content[:2] != b"PK":
        raise InputError(f"{wanted}: it is not a zip file")
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            names = list(file.files)
            found = {name: file[name] for name in ("x", "y") if name in names}
    except Exception as error:  # damaged files fail in zipfile, zlib, struct, NumPy and others
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{wanted}: {reason}") from error
    for name in ("x", "y"):
        if name not in found:
            raise InputError(f"{what} has no array {name}; it has {', '.join(names) or 'none'}")
    return found["x"], found["y"]


def _from_csv(what: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        lines = content.decode("utf-8-sig").splitlines()
        numbers = np.loadtxt(lines, delimiter=",", ndmin=2) if lines else np.empty((0, 2))
    except ValueError as error:
        reason = next(iter(str(error).splitlines()), "it is not text")
        raise InputError(f"{what} is not a table of numbers with commas: {reason}") from error
    if numbers.shape[1] < 2:
        raise InputError(f"{what} has one column; wanted are features, then the target")
    return numbers[:, :-1], numbers[:, -1]
