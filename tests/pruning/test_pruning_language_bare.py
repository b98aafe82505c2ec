"""What runs on a bare GPU node does without pydantic, transformers, Ray and Prefect."""

import subprocess
import sys
from pathlib import Path

BARE = """
import sys
for name in ("pydantic", "pydantic_core", "transformers", "ray", "prefect"):
    sys.modules[name] = None
sys.argv = ["gpu_language", "--device", "cpu", "--small"]
from benchmarks.gpu_language import main
sys.exit(main())
"""


def test_the_script_for_gpus_runs_in_small_on_the_cpu_of_a_bare_node():
    found = subprocess.run(
        [sys.executable, "-c", BARE], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert found.stdout.count(" 0 zeros lost, finished") == 3
    before, after = found.stdout.split("loss of the block ")[1].splitlines()[0].split(" -> ")
    assert float(after) <= float(before)
