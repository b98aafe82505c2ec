"""Identity of a run: equal identities are the same work and share one folder of the store.

run id = first 16 hex digits of SHA-256 of the canonical JSON of
(flow, config, input content hashes, code version, seed).
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property

from tasks.records.canonical import canonical_json, fingerprint
from tasks.records.errors import InputError, shortened

_FLOW_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class RowIdentity:
    """What rows tell of their run: its identity without config and inputs, which may be long."""

    run_id: str
    code_version: str
    seed: int


@dataclass(frozen=True)
class RunIdentity:
    """What determines the science of a run.

    Attributes
    ----------
    flow
        Name of the flow: letters, digits, ``-`` and ``_``; it becomes a folder.
    config
        Canonical JSON of the frozen config.
    inputs
        Pairs (name, SHA-256 of the content); kept sorted, so their order does not matter.
    code_version
        See `code_version`.
    seed
        Root of all random streams.

    Raises
    ------
    InputError
        For a flow name that cannot name a folder or a config that JSON cannot express.
    """

    flow: str
    config: str
    inputs: tuple[tuple[str, str], ...]
    code_version: str
    seed: int = 0

    def __post_init__(self) -> None:
        if not _FLOW_NAME.fullmatch(self.flow):
            raise InputError(
                f"{shortened(self.flow)} cannot name a flow; "
                "use up to 64 letters, digits, '-' and '_'"
            )
        object.__setattr__(self, "config", _canonical_object(self.config))
        inputs = tuple(sorted((name, digest) for name, digest in self.inputs))
        object.__setattr__(self, "inputs", inputs)

    @cached_property
    def run_id(self) -> str:
        """16 hex digits; found once, as there may be thousands of inputs."""
        return fingerprint(
            {
                "flow": self.flow,
                "config": json.loads(self.config),
                "inputs": self.inputs,
                "code_version": self.code_version,
                "seed": self.seed,
            }
        )

    @property
    def of_rows(self) -> RowIdentity:
        """What rows tell of it."""
        return RowIdentity(self.run_id, self.code_version, self.seed)


def _canonical_object(text: str) -> str:
    try:
        config = json.loads(text)
        if isinstance(config, dict):
            return canonical_json(config)
        problem = f"not {type(config).__name__}"
    except (ValueError, TypeError) as error:
        problem = str(error)
    raise InputError(
        f"the config of a run is the text of a JSON object, see FrozenConfig.canonical_json "
        f"({problem})"
    )
