"""Functions of a payload and shared values, importable on workers."""

from typing import Any

from worker_functions import die_once  # isort: skip


def add_all(first: str, *others: str) -> str:
    return first + "".join(others)


def describe_array(_: object, array: Any) -> dict[str, object]:
    flags = array.flags
    return {"sum": int(array.sum()), "writeable": flags.writeable, "owns": flags.owndata}


def die_once_then_add(marker: str, value: str) -> str:
    die_once(marker)
    return f"again {value}"
