"""Memory of long trainings."""

from commands import run_python

PROGRAM = """
from pathlib import Path
import numpy as np
from tasks.nn import release_freed_memory
def resident_bytes():
    [line] = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in x]
    return int(line.split()[1]) * 1024
blocks = [np.ones(100_000, dtype=np.uint8) for _ in range(3000)]
kept = blocks[::10]
before = resident_bytes()
del blocks
release_freed_memory()
print(before - resident_bytes() > 200_000_000, all(block.all() for block in kept))
"""


def test_holes_between_living_blocks_go_back_to_the_system():
    """In a process of its own, where nothing else takes or gives memory back."""
    assert run_python("-c", PROGRAM).stdout == "True True\n"
