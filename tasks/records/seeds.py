"""Named random streams.

A name is a path of strings and integers below one integer seed. With h the SHA-256 of the JSON
list [seed, name_1, ..., name_k], the derived seed is the first 63 bits of h and the stream is
Philox 4x64 with the first 128 bits of h as key. Streams of different names are independent, and
none depends on the order of calls, on the number of workers or on the split into batches.

References
----------
J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3,
SC 2011 (Philox).
"""

import hashlib
import json
import operator

import numpy as np

from tasks.records.errors import InputError


def derive_seed(seed: int, *names: str | int) -> int:
    """Seed in [0, 2**63) of the stream `names` below `seed`."""
    return int.from_bytes(_digest(seed, names)[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Random generator of the stream `names` below `seed`, always at its start.

    Examples
    --------
    >>> first = stream(1, "signs", 7).integers(100, size=3)
    >>> bool((first == stream(1, "signs", 7).integers(100, size=3)).all())
    True
    """
    key = int.from_bytes(_digest(seed, names)[:16], "big")
    return np.random.Generator(np.random.Philox(key=key))


def _digest(seed: int, names: tuple[str | int, ...]) -> bytes:
    path = [
        _component(seed),
        *(name if isinstance(name, str) else _component(name) for name in names),
    ]
    return hashlib.sha256(json.dumps(path).encode()).digest()


def _component(value: object) -> int:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(
            "a seed is an integer and the name of a stream consists of strings and integers, "
            f"not {value!r}"
        ) from None
