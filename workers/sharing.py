"""Values that many calls of a map need, such as a network that several members start from.

An item names the values that its call gets behind the payload: ``function(payload, *values)``. On
Ray each value is put into the object store once, on first use, and calls carry references: a node
fetches it once, and its calls read it there. Bytes that are to be read in place, not copied, have
to be in NumPy arrays.
"""

from collections.abc import Mapping
from typing import Any

from tasks.records.errors import InputError
from workers.calls import Call

Shared = Mapping[str, Any]
"""Values by name; each is asked for when the first call needs it."""


def shared_values(shared: Shared, call: Call) -> list[Any]:
    """Values that a call needs, in the order in which its item names them."""
    check_known(shared, call)
    return [shared[name] for name in call.shares]


def check_known(shared: Shared, call: Call) -> None:
    """Refuse an item that needs what is not shared."""
    unknown = [name for name in call.shares if name not in shared]
    if unknown:
        known = ", ".join(sorted(shared)) or "nothing"
        raise InputError(f"item {call.key} needs {unknown[0]!r}, but shared is {known}")
