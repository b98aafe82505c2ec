"""Bounded fan-out: map a function over many items on an executor.

At any moment at most `max_in_flight` items are between being taken from the input and being
handed out, so memory does not grow with the number of items. Every item taken becomes exactly one
`Outcome`: a value, or a failure with its reason. Only a cluster that can no longer run any call
ends the whole map with an exception; what was handed out before stands.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sized
from typing import Any

from tasks.records.errors import InputError
from workers.executors import Executor
from workers.fan_out import FanOut
from workers.outcomes import Outcome, Progress, WorkItem
from workers.profiles import ResourceProfile
from workers.sharing import Shared

__all__ = ["DEFAULT_RETRIES", "Outcome", "Progress", "WorkItem", "map_batches"]

DEFAULT_RETRIES = 2


def map_batches(
    function: Callable[..., Any],
    items: Iterable[WorkItem],
    *,
    executor: Executor,
    profile: ResourceProfile | None = None,
    max_in_flight: int | None = None,
    retries: int = DEFAULT_RETRIES,
    ordered: bool = False,
    done: Collection[str] = (),
    progress: Callable[[Progress], None] | None = None,
    warm: bool | None = None,
    shared: Shared | None = None,
) -> Iterator[Outcome]:
    """Outcomes of ``function(item.payload, *values)`` for every item whose key is not in `done`.

    The values are those of `shared` that the item names in its `shares`.

    Parameters
    ----------
    function
        Importable on the workers (a module's top level); its argument and value are picklable.
    items
        Consumed lazily; keys are unique.
    executor
        From `workers.connect`.
    profile
        Resources of one call; one CPU by default.
    max_in_flight
        Items taken but not handed out; twice the executor's slots by default.
    retries
        Further tries after an infrastructure failure; failures of the science are final.
    ordered
        Hand out in the order of the input instead of the order of completion.
    done
        Keys to skip, from an earlier run.
    progress
        Called once at the start and after every outcome; the callback decides how often to draw.
    warm
        Whether workers of this map's own make the calls and keep their state between them:
        compiled kernels, a CUDA context, caches (see `workers.actors`). By default if the profile
        reserves GPUs.
    shared
        Values by name that several items need. Each is asked for once when the first item needs it
        (``serial``: for every item), and on Ray shared through its object store.

    Raises
    ------
    InputError
        For a negative `retries`, a `max_in_flight` below 1, what cannot be pickled, or an item that
        needs what is not shared.
    InfrastructureError
        If no node can run a call: not retryable at once, retryable when nodes were lost later.

    Notes
    -----
    Closing the iterator, an exception in it and Ctrl-C cancel what is in flight.
    """
    if retries < 0:
        raise InputError(f"retries: {retries} is not allowed: must be 0 or more")
    if max_in_flight is not None and max_in_flight < 1:
        raise InputError(f"max_in_flight: {max_in_flight} is not allowed: must be 1 or more")
    profile = profile or ResourceProfile()
    executor.check(profile)
    warm = profile.gpus > 0 if warm is None else warm
    fan_out = FanOut(
        executor=executor,
        calls=executor.calls(function, profile=profile, warm=warm, shared=shared or {}),
        profile=profile,
        window=max_in_flight or 2 * executor.slots(profile),
        retries=retries,
        skip=frozenset(done),
        total=len(items) if isinstance(items, Sized) else None,
        progress=progress,
    )
    return fan_out.outcomes(iter(items), ordered=ordered)
