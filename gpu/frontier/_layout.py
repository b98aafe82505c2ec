"""What a step, a layer of states and the scratch of a transition consist of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAX_REGIONS = 62
"""Regions are bits of a signed 64-bit mask; two bits are kept free."""
MAX_FRONTIER = 15
"""Frontier points: with the new point at most 64 slots, the size of the scratch arrays."""
KEY_WORDS = 224
"""Upper bound for the words of one key: header, labels, forests, chain and adjacencies."""


class Step(NamedTuple):
    """What adding one point means for every state: index tables, all int64.

    Edge copies are rows (slot, slot, position, position, e.(p + q), change of sheet); slots and
    positions are those of the frontier the table is for, the new point coming last.
    """

    is_odd: bool
    """Parity of the degree."""
    num_old_slots: int
    num_old_points: int
    num_copies: int
    """Copies of the new point."""
    old_links: NDArray[np.int64]
    """(l, 6): edge copies inside the old frontier."""
    edges: NDArray[np.int64]
    """(e, 6): edge copies from the old frontier to the new point."""
    kept_points: NDArray[np.int64]
    """(f,): positions that stay, in the order of the new frontier."""
    kept_slots: NDArray[np.int64]
    """(k,): slots that stay."""
    slot_source: NDArray[np.int64]
    """(4, k): per quadrant shift, the old slot that becomes new slot j."""
    slot_flip: NDArray[np.int64]
    """(4, k): per quadrant shift, the change of its potential."""
    new_links: NDArray[np.int64]
    """(m, 6): edge copies inside the new frontier."""
    references: NDArray[np.int64]
    """(r,), r <= 3: new positions whose signs are made 0."""
    gauge_signs: NDArray[np.int64]
    """(2**r,): the affine function that does so, on the new frontier."""
    gauge_quadrant: NDArray[np.int64]
    """(2**r,): its quadrant shift."""
    gauge_witness: NDArray[np.int64]
    """(2**r,): its values on all points added so far, as bits by point index."""
    point_bit: int
    """Bit of the new point in a witness."""
    min_regions: int
    """States that have made fewer regions are dropped (0 keeps all)."""


class Layer(NamedTuple):
    """States after a step: keys back to back, and one count and one witness for each."""

    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]
    """(num_states + 1,): where each key begins."""
    counts: NDArray[np.int64]
    """(num_states,), or empty if nothing is counted."""
    witnesses: NDArray[np.int64]


class Work(NamedTuple):
    """Scratch of one transition; every array has 64 entries but `key` (`KEY_WORDS`)."""

    region: NDArray[np.int64]
    potential: NDArray[np.int64]
    forest0: NDArray[np.int64]
    adjacent0: NDArray[np.int64]
    forest: NDArray[np.int64]
    adjacent: NDArray[np.int64]
    chain: NDArray[np.int64]
    parent: NDArray[np.int64]
    parity: NDArray[np.int64]
    slot_root: NDArray[np.int64]
    slot_potential: NDArray[np.int64]
    label: NDArray[np.int64]
    order: NDArray[np.int64]
    new_region: NDArray[np.int64]
    scratch: NDArray[np.int64]
    key: NDArray[np.int64]


@njit(cache=True)
def new_work():
    """Allocate the scratch of `advance`."""
    return Work(
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(64, np.int64),
        np.zeros(KEY_WORDS, np.int64),
    )


@njit(cache=True)
def is_cut(copies, i, signs):
    """Tell whether edge copy i of a table is bichromatic."""
    return ((signs >> copies[i, 2]) ^ (signs >> copies[i, 3]) ^ copies[i, 4]) & 1
