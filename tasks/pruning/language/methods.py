"""What is trained after pruning, as text: words joined by "+", such as ``masklora+norms``.

    biases, norms, head      subsets of the model's own parameters (the head through LoRA)
    lora, lora-prune, masklora, scalelora, spp     adapters of every pruned layer, one kind at most
    full                     every parameter
    none                     nothing: the weights stay as pruning left them
    least-squares            the best weights of each layer for its mask
    reconstruct              blocks one after another

The last four stand alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tasks.records import InputError

__all__ = ["ADAPTERS", "ALONE", "SUBSETS", "Method", "parse_method"]

ADAPTERS = ("lora", "lora-prune", "masklora", "scalelora", "spp")
SUBSETS = ("biases", "norms", "head")
ALONE = ("none", "full", "least-squares", "reconstruct")


@dataclass(frozen=True)
class Method:
    """What is trained.

    Attributes
    ----------
    subsets : tuple of str
        In the order of `SUBSETS`.
    adapter : str
        One of `ADAPTERS`, or empty.
    alone : str
        One of `ALONE`, or empty.
    """

    subsets: tuple[str, ...] = ()
    adapter: str = ""
    alone: str = ""

    def __str__(self) -> str:
        return self.alone or "+".join(filter(None, (self.adapter, *self.subsets)))

    @property
    def retrains(self) -> bool:
        """Whether the whole model is trained on text."""
        return self.alone in ("", "full")

    @property
    def keeps_zeros(self) -> bool:
        """Whether pruned weights stay zero."""
        return self.adapter != "lora"

    def fits(self, lacking: Collection[str]) -> bool:
        """Whether it trains something in a model that lacks parameters of some words."""
        if "head" in self.subsets and "head" in lacking:
            return False
        return bool(self.alone or self.adapter or not {*self.subsets} <= {*lacking})


def parse_method(text: str) -> Method:
    """The method that a text names, with its words in one order.

    Raises
    ------
    InputError
        For an unknown word, two kinds of adapters, or a word that stands alone and does not.
    """
    words = [word.strip() for word in text.split("+")]
    known = (*SUBSETS, *ADAPTERS, *ALONE)
    for word in words:
        if word not in known:
            raise InputError(
                f"{word!r} in the method {text!r} is unknown; known are {', '.join(known)}, "
                "joined by +"
            )
    single = [word for word in words if word in ALONE]
    if single and len(words) > 1:
        raise InputError(f"{single[0]!r} in the method {text!r} stands alone; leave out the rest")
    adapters = list(dict.fromkeys(word for word in words if word in ADAPTERS))
    if len(adapters) > 1:
        raise InputError(
            f"the method {text!r} has {len(adapters)} kinds of adapters; take one of "
            f"{' and '.join(adapters)}"
        )
    subsets = tuple(word for word in SUBSETS if word in words)
    return Method(subsets, "".join(adapters), "".join(single))
