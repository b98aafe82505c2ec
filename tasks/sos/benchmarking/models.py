"""The trained models that methods of a benchmark use, and what lies beyond their training.

A polynomial is *out of distribution* for a method if its family, its number of variables, its
degree or the size of its planted basis was not in the model's training; it is *out of range* if
the model cannot read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.records.errors import InputError, StoreError
from tasks.sos.benchmarking.config import HOW, WRITTEN, BenchmarkConfig, Method
from tasks.sos.benchmarking.schema import OUT_OF_RANGE
from tasks.sos.config import LEARNED_BASES
from tasks.sos.polynomials.polynomial import Polynomial
from tasks.sos.sampling.cells import Cell

__all__ = ["Model", "baseline_path", "check_unchanged", "inputs_of", "models_of", "placed"]

_ADVICE = (
    "train one by `latticework run sos-train --recipe {recipe}` and give its model.safetensors, "
    "or leave out the method"
)


@dataclass(frozen=True)
class Model:
    """What a benchmark has to know of a model.

    Attributes
    ----------
    name : str
        ``scorer`` or ``baseline``.
    digest : str
    families : tuple of str
    max_variables, max_half_degree, max_size : int
        Largest of its training.
    read_variables, read_exponent : int or None
        Largest that it can read; None without a bound.
    """

    name: str
    digest: str
    families: tuple[str, ...]
    max_variables: int
    max_half_degree: int
    max_size: int
    read_variables: int | None = None
    read_exponent: int | None = None

    def beyond(self, p: Polynomial, cell: Cell | None) -> tuple[str, ...]:
        """In what a polynomial of a cell, or of none, is out of distribution or range."""
        n, exponents = p.num_variables, p.exponents
        found = {
            "family": cell is None or cell.family not in self.families,
            "variables": n > self.max_variables,
            "degree": p.degree > 2 * self.max_half_degree,
            "size": cell is not None and cell.size > self.max_size,
            OUT_OF_RANGE: (self.read_variables is not None and n > self.read_variables)
            or (self.read_exponent is not None and exponents.max(initial=0) > self.read_exponent),
        }
        return tuple(name for name, is_beyond in found.items() if is_beyond)


def models_of(config: BenchmarkConfig) -> dict[Method, Model]:
    """The model of every method that has one.

    Raises
    ------
    InputError
        If the file of a model is missing or of another kind.
    """
    found: dict[Method, Model] = {}
    scored = [m for m in config.methods if m in HOW and HOW[m][0] in LEARNED_BASES]
    written = [method for method in config.methods if method in WRITTEN]
    if scored:
        found |= dict.fromkeys(scored, _scorer(scorer_path(config)))
    if written:
        found |= dict.fromkeys(written, _baseline(baseline_path(config)))
    return found


def baseline_path(config: BenchmarkConfig) -> str:
    """Place of the model of the baseline."""
    if config.baseline:
        return config.baseline
    from tasks.sos.prediction.baseline import SHIPPED_BASELINE

    return str(SHIPPED_BASELINE)


def scorer_path(config: BenchmarkConfig) -> str:
    """Place of the model that scores candidates."""
    if config.scorer:
        return config.scorer
    from tasks.sos.prediction.predictor import SHIPPED_MODEL

    return str(SHIPPED_MODEL)


def placed(config: BenchmarkConfig) -> BenchmarkConfig:
    """The same with full paths of local model files, for workers in other folders."""
    paths = {"baseline": config.baseline, "scorer": config.scorer}
    local = {name: path for name, path in paths.items() if path and "://" not in path}
    return config.model_copy(
        update={name: str(Path(path).absolute()) for name, path in local.items()}
    )


def _scorer(path: str) -> Model:
    # Loads torch.
    from tasks.sos.prediction.model_files import open_model
    from tasks.sos.prediction.predictor import KIND

    try:
        found = open_model(path, KIND, "train-shipped")
    except StoreError as error:
        raise InputError(f"scorer: {error}; {_ADVICE.format(recipe='train-small')}") from error
    return _model("scorer", found.digest, found.extra["card"])


def _baseline(path: str) -> Model:
    from tasks.sos.prediction.baseline import load_baseline

    try:
        found = load_baseline(path)
    except StoreError as error:
        raise InputError(f"baseline: {error}; {_ADVICE.format(recipe='train-baseline')}") from error
    n, exponent = found.model.num_variables, found.model.max_exponent
    return _model("baseline", found.digest, found.card, read_variables=n, read_exponent=exponent)


def _model(name: str, digest: str, card: Mapping[str, Any], **bounds: int) -> Model:
    trained = card["config"]
    return Model(
        name,
        digest,
        tuple(trained["families"]),
        trained["max_variables"],
        trained["max_half_degree"],
        trained["max_size"],
        **bounds,
    )


def inputs_of(models: Mapping[Method, Model]) -> dict[str, str]:
    """Name and digest of every model, once."""
    return {model.name: model.digest for model in models.values()}


def check_unchanged(models: Mapping[Method, Model], inputs: Mapping[str, str]) -> None:
    """Refuse models that are not those of the plan.

    Raises
    ------
    InputError
        If a file was replaced since.
    """
    if changed := set(inputs_of(models).items()) - set(inputs.items()):
        names = ", ".join(sorted(name for name, _ in changed))
        raise InputError(f"the model file of {names} has changed since the run was planned")
