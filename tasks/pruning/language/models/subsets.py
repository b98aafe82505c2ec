"""Subsets of the parameters of a language model, and their shares.

    biases   every vector called bias, those of normalizations too
    norms    weights and biases of normalizations: modules whose parameters are vectors, one of them
             called weight, and that have no modules with parameters inside
    head     the matrix in front of the logits, through LoRA; if the embeddings share it, they
             change with it, as they do in use
    full     everything

A parameter that belongs to two subsets counts once, as does one that two modules share.  Shares are
of the parameters of the model as it was, without adapters.

References
----------
Zimmer et al., PERP, arXiv:2312.15230, section 2 and table 1.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from tasks.pruning.language.methods import Method
from tasks.records import InputError

__all__ = ["aliases", "head_weight", "num_parameters", "num_trained", "subset", "trained_names"]


def subset(model: nn.Module, word: str) -> tuple[str, ...]:
    """Names of the parameters of a subset, in the order of the model.

    Raises
    ------
    InputError
        For an unknown word, or a head that the model does not tell.
    """
    if word == "head":
        return (head_weight(model),)
    names = [name for name, _ in model.named_parameters()]
    if word == "full":
        return tuple(names)
    if word not in ("biases", "norms"):
        raise InputError(f"no subset is called {word!r}; known are biases, norms, head, full")
    chosen = _biases(model) if word == "biases" else _norms(model)
    return tuple(name for name in names if name in chosen)


def trained_names(model: nn.Module, method: Method) -> tuple[str, ...]:
    """Parameters that a method trains themselves, not through adapters, in the model's order.

    Raises
    ------
    InputError
        If nothing is left to train.
    """
    if method.alone:
        return subset(model, "full") if method.alone == "full" else ()
    words = [word for word in method.subsets if word != "head"]
    chosen = {name for word in words for name in subset(model, word)}
    if not (chosen or method.adapter or "head" in method.subsets):
        raise InputError(
            f"this model has no {' and no '.join(words)} that {method} could train; take norms, "
            "an adapter such as masklora, or full"
        )
    return tuple(name for name, _ in model.named_parameters() if name in chosen)


def num_parameters(model: nn.Module) -> int:
    """Parameters of a model; shared ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def num_trained(model: nn.Module, method: Method, layers: Iterable[str], rank: int) -> int:
    """Numbers that a method trains; nothing is attached, and the model may be on ``meta``.

    Parameters
    ----------
    layers : iterable of str
        Names of the weights that adapters would be for.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    adapted = list(layers) if method.adapter else []
    adapted += [head_weight(model)] if "head" in method.subsets else []
    own = sum(parameters[name].numel() for name in trained_names(model, method))
    return own + sum(rank * sum(parameters[name].shape) for name in adapted)


def head_weight(model: nn.Module) -> str:
    """Name of the matrix in front of the logits, by which it is a layer's even if it is shared.

    Raises
    ------
    InputError
        If the model does not tell its output embeddings as those of transformers do.
    """
    found = getattr(model, "get_output_embeddings", lambda: None)()
    for name, module in model.named_modules():
        if found is not None and module is found:
            return f"{name}.weight"
    raise InputError(
        f"{type(model).__name__} does not tell its head (get_output_embeddings); leave out head"
    )


def aliases(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """All names of every parameter, by each of them."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {name: tuple(group) for group in names.values() for name in group}


def _biases(model: nn.Module) -> set[str]:
    return {
        name
        for name, parameter in model.named_parameters()
        if name.rpartition(".")[2] == "bias" and parameter.ndim == 1
    }


def _norms(model: nn.Module) -> set[str]:
    return {
        f"{place}.{name}"
        for place, module in model.named_modules()
        if _is_norm(module)
        for name, _ in module.named_parameters()
    }


def _is_norm(module: nn.Module) -> bool:
    own = dict(module.named_parameters(recurse=False))
    is_leaf = len(own) == len(list(module.parameters()))
    return is_leaf and "weight" in own and all(p.ndim == 1 for p in own.values())
