"""Writing bases with the autoregressive baseline: greedy decoding, scores by permutations.

At every position the likeliest exponent of each variable is taken, until the end is likelier than
not. The *permutation score* of a monomial is the share of orders of the variables in which it is
written; several orders, or polynomials, are decoded side by side.

References
----------
N. Pelleriti et al., Neural sum-of-squares, arXiv:2510.13444, section on inference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tasks.lattice import positions, sort_monomials
from tasks.lattice.monomials import Rows
from tasks.records import InputError
from tasks.sos.prediction.autoregressive import MonomialTransformer

__all__ = ["greedy_bases", "greedy_basis", "in_range", "permutation_scores", "term_tensors"]

Terms = tuple[NDArray[np.integer], NDArray[np.floating]]
"""Exponents (T, n) and coefficients (T,)."""
_MAX_LOG = 20.0
_MAX_SIZE = 100


def in_range(exponents: NDArray[np.integer], *, num_variables: int, max_exponent: int) -> bool:
    """Whether a model with these bounds can read the terms."""
    return exponents.shape[1] <= num_variables and exponents.max(initial=0) <= max_exponent


def term_tensors(
    exponents: NDArray[np.integer],
    coefficients: NDArray[np.floating],
    *,
    num_variables: int,
    max_exponent: int,
) -> tuple[Tensor, Tensor]:
    """Exponents (T, n) filled up to the variables of a model, and numbers (T, 2).

    Both in graded lexicographic order.

    Raises
    ------
    InputError
        For more variables or larger exponents than the model knows.
    """
    num_terms, n = exponents.shape
    if not in_range(exponents, num_variables=num_variables, max_exponent=max_exponent):
        raise InputError(
            f"{n} variables with exponents up to {exponents.max(initial=0)}: the model knows "
            f"{num_variables} with exponents up to {max_exponent}"
        )
    rows = np.zeros((num_terms, num_variables), dtype=np.int64)
    rows[:, :n] = exponents
    order = np.lexsort((*-rows.T[::-1], -rows.sum(axis=1)))
    logs = np.clip(np.log(np.abs(coefficients)), -_MAX_LOG, _MAX_LOG) / 4
    numbers = np.stack([np.sign(coefficients), logs], axis=1).astype(np.float32)
    return torch.from_numpy(rows[order]), torch.from_numpy(numbers[order])


@torch.inference_mode()
def greedy_bases(
    model: MonomialTransformer, polynomials: Sequence[Terms], *, max_size: int = _MAX_SIZE
) -> list[Rows]:
    """Write a basis for each polynomial: the likeliest exponents, until the end is likelier.

    Parameters
    ----------
    model : MonomialTransformer
    polynomials : sequence of (int (T, n), float (T,))
    max_size : int
        Most monomials that are written for each.

    Returns
    -------
    list of int32 (m, n)
        What was written, each monomial once, in graded lexicographic order.
    """
    if not polynomials:
        return []
    written, is_open = _decoded(model, polynomials, max_size)
    return [
        _basis(monomials[here], exponents.shape[1])
        for monomials, here, (exponents, _) in zip(written, is_open, polynomials, strict=True)
    ]


def _decoded(
    model: MonomialTransformer, polynomials: Sequence[Terms], max_size: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Monomials (B, t, n) and which of them stand before the end (B, t)."""
    device = model.table.device
    bounds = {"num_variables": model.num_variables, "max_exponent": model.max_exponent}
    given = [term_tensors(*terms, **bounds) for terms in polynomials]
    rows = pad_sequence([part for part, _ in given], batch_first=True)
    numbers = pad_sequence([part for _, part in given], batch_first=True)
    counts = torch.tensor([len(part) for part, _ in given])
    present = torch.arange(rows.shape[1]) < counts[:, None]
    memory = model.encode(rows.to(device), numbers.to(device), present.to(device))
    inputs = model.started(rows[:, :0].to(device))
    is_open = torch.ones(len(given), dtype=torch.bool, device=device)
    written, before_end = [rows[:, :0].to(device)], [is_open[:, None][:, :0]]
    for _ in range(max_size):
        logits, end = model.decode(inputs, memory)
        is_open = is_open & (end[:, -1] <= 0)
        if not is_open.any():
            break
        written.append(logits[:, -1:].argmax(dim=3))
        before_end.append(is_open[:, None])
        inputs = model.monomials(written[-1])
    return torch.cat(written, 1).cpu().numpy(), torch.cat(before_end, 1).cpu().numpy()


def _basis(monomials: NDArray[np.int64], n: int) -> Rows:
    """A table without what was written of variables that are not there."""
    return sort_monomials(monomials[:, :n].astype(np.int32))


def greedy_basis(
    model: MonomialTransformer,
    exponents: NDArray[np.integer],
    coefficients: NDArray[np.floating],
    *,
    max_size: int = _MAX_SIZE,
) -> Rows:
    """The same for one polynomial."""
    return greedy_bases(model, [(exponents, coefficients)], max_size=max_size)[0]


def permutation_scores(
    model: MonomialTransformer,
    exponents: NDArray[np.integer],
    coefficients: NDArray[np.floating],
    *,
    count: int,
    rng: np.random.Generator,
    max_size: int = _MAX_SIZE,
) -> tuple[Rows, NDArray[np.float64]]:
    """Monomials written in the given or any other order of the variables, and how often.

    Parameters
    ----------
    count : int
        Orders of the variables, the given one first.

    Returns
    -------
    monomials : int32 (m, n)
        Highest score first; of equal ones the larger monomial.
    scores : float64 (m,)
        Shares of the orders.
    """
    n = exponents.shape[1]
    orders = [np.arange(n), *(rng.permutation(n) for _ in range(count - 1))]
    turned = [(exponents[:, order], coefficients) for order in orders]
    bases = greedy_bases(model, turned, max_size=max_size)
    found = [basis[:, np.argsort(order)] for basis, order in zip(bases, orders, strict=True)]
    rows = sort_monomials(np.concatenate(found))
    counts = np.zeros(len(rows), dtype=np.int64)
    for basis in found:
        counts[positions(basis, rows)] += 1
    best = np.argsort(-counts, kind="stable")
    return rows[best], counts[best] / count
