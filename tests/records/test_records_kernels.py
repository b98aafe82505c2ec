"""Whether a study has to wait for Numba."""

import os
import time

from tasks.records import kernels
from tasks.records.kernels import compiles_first, note_compiled


def test_kernels_that_a_study_does_without_are_waited_for_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    paths = {name: tmp_path / f"{name}.py" for name in ("used", "unused", "plain")}
    for name, path in paths.items():
        path.write_text("" if name == "plain" else "@njit(cache=True)")
    monkeypatch.setattr(kernels, "closure", lambda _: paths)
    assert compiles_first("toy")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "used.kernel-1.py312.nbi").touch()
    assert compiles_first("toy")
    note_compiled("toy")
    assert not compiles_first("toy")
    assert compiles_first("another")
    later = time.time() + 10
    os.utime(paths["used"], (later, later))
    assert compiles_first("toy")
