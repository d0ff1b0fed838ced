"""The default extension with the whole engine, from Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SRC = HERE.parents[1] / "src"


def test_500_runs_in_one_process() -> None:
    assert (SRC / "levada" / "_native.abi3.so").exists(), "the extension is not built; make setup"
    got = subprocess.run(
        [sys.executable, "-X", "dev", str(HERE / "engine_500.py")],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert got.returncode == 0, f"exit code {got.returncode}\n{got.stdout}\n{got.stderr[-4000:]}"
