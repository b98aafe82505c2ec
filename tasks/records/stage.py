"""A stage of a study: one call on many items, which come in waves."""

from dataclasses import dataclass

from tasks.records.lazy import Reference

__all__ = ["Stage"]


@dataclass(frozen=True)
class Stage:
    """A fan-out of one call over items; what a person watches as one step.

    Attributes
    ----------
    name : str
    call : reference
    tables : tuple of str
        Tables that hold a part of every item; rows of a failed item go to the first one.
    items, waves : reference
        One of the two.
    known : reference
        Without it a failed item has no rows, and is left to do.
    needs : tuple of str
        Tables whose parts the call gets; an item is left out until these are stored.
    needs_ok : bool
        Whether these parts have to be ok, too.
    is_final : bool
        Whether rows that are not ok are results, which are not made again.
    placed : bool
        Whether the call gets the `Place` it runs at, as one that writes files needs.
    prepare, resources, share, tally : reference
    """

    name: str
    call: Reference
    tables: tuple[str, ...]
    items: Reference = ""
    waves: Reference = ""
    known: Reference = ""
    needs: tuple[str, ...] = ()
    needs_ok: bool = True
    is_final: bool = False
    placed: bool = False
    prepare: Reference = ""
    resources: Reference = ""
    share: Reference = ""
    tally: Reference = ""
