"""Methods by which a pruned model gets better, as words that + joins.

========================  ==========================================================================
least-squares             the best weights of each layer for its mask, layer by layer
reconstruct               parts are fitted to the outputs of the dense ones
biases, norms, head       retraining of these alone
lora                      W + c BA, which loses the zeros
lora-prune                W + c BA in training, W + c M*(BA) afterwards
masklora                  W + c M*(BA)
scalelora                 W * (BA)
spp                       W + c W*(BA)
full                      retraining of all weights that are left
========================  ==========================================================================

M is the mask, c = alpha / r.

References
----------
Zimmer, Andoni, Spiegel, Pokutta, PERP, arXiv:2312.15230.
"""

from __future__ import annotations

from tasks.records.errors import InputError, unknown_name

__all__ = ["ADAPTERS", "BY_BLOCK", "SUBSETS", "check_method", "parts_of"]

BY_BLOCK = ("least-squares", "reconstruct")
SUBSETS = ("biases", "norms", "head", "full")
ADAPTERS = ("lora", "lora-prune", "masklora", "scalelora", "spp")


def parts_of(method: str) -> tuple[str, ...]:
    """The words of a method.

    >>> parts_of("biases+norms")
    ('biases', 'norms')
    """
    return tuple(part.strip() for part in method.split("+"))


def check_method(method: str) -> None:
    """Refuse what no method is called, and what cannot be joined.

    Raises
    ------
    InputError
        In one line.
    """
    parts = parts_of(method)
    known = (*BY_BLOCK, *SUBSETS, *ADAPTERS)
    for part in parts:
        if part not in known:
            raise InputError(unknown_name("method", part, known))
    if len(set(parts)) < len(parts):
        raise InputError(f"method {method}: a part occurs twice")
    if len(parts) > 1 and {"full", *BY_BLOCK} & set(parts):
        raise InputError(f"method {method}: full, least-squares and reconstruct stand alone")
    if sum(part in ADAPTERS for part in parts) > 1:
        raise InputError(f"method {method}: a layer takes one adapter; name one of them")
