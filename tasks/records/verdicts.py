"""Certificate files and verdicts on them, the same for all fields."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.records.errors import InputError

__all__ = ["CertificateFile", "Verdict"]

_MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class Verdict:
    """A verdict on a certificate, in words and as an object.

    Attributes
    ----------
    valid : bool
    line : str
    details : Mapping
    more : str
        Further lines that were asked for, under the key `more_key` of the object.
    more_key : str
    """

    valid: bool
    line: str
    details: Mapping[str, Any]
    more: str = ""
    more_key: str = "more"


@dataclass(frozen=True)
class CertificateFile:
    """A file that is to be verified, read once: it may be a pipe."""

    name: str
    data: bytes

    @classmethod
    def read(cls, name: str) -> "CertificateFile":
        """Read a file, at most one byte more than any certificate may have.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        try:
            with Path(name).open("rb") as opened:
                return cls(name, opened.read(_MAX_BYTES + 1))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", error)
            raise InputError(f"cannot read {name}: {reason}") from error

    @cached_property
    def record(self) -> dict[str, Any] | None:
        """The JSON object in it; None if it holds something else."""
        try:
            record = json.loads(self.data) if len(self.data) <= _MAX_BYTES else None
        except (ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) else None
