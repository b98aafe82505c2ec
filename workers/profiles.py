"""Resource profiles: what one call reserves on a node.

A node with resources R runs as many calls of profile p at once as
min(R.cpus / p.cpus, R.gpus / p.gpus, R.memory / p.memory), rounded down.
A reservation is bookkeeping: Ray does not confine a call to the memory it reserved.
"""

from types import MappingProxyType

from pydantic import Field

from tasks.records.config import FrozenConfig
from tasks.records.errors import InputError

GIB = 2**30


class ResourceProfile(FrozenConfig):
    """Resources that one call holds while it runs."""

    cpus: float = Field(default=1.0, gt=0)
    """Cores; less than one lets several calls share a core."""

    gpus: float = Field(default=0.0, ge=0)
    """GPUs; a fraction lets several calls share one."""

    memory_gib: float = Field(default=0.0, ge=0)
    """Memory in GiB, reserved on the node; 0 reserves none."""

    @property
    def memory_bytes(self) -> int:
        """Reserved memory in bytes."""
        return int(self.memory_gib * GIB)

    def describe(self) -> str:
        """One phrase, e.g. ``1 CPU, 0.5 GPU, 4 GiB``."""
        parts = [f"{self.cpus:g} CPU"]
        if self.gpus:
            parts.append(f"{self.gpus:g} GPU")
        if self.memory_gib:
            parts.append(f"{self.memory_gib:g} GiB")
        return ", ".join(parts)


PROFILES = MappingProxyType({"cpu": ResourceProfile(), "gpu": ResourceProfile(gpus=1.0)})


def profile(name: str) -> ResourceProfile:
    """Profile of that name.

    Raises
    ------
    InputError
        For an unknown name; lists the known ones.
    """
    if name not in PROFILES:
        raise InputError(f"no resource profile is named {name!r}; known: {', '.join(PROFILES)}")
    return PROFILES[name]
