"""What a user reads when his file is wrong: golden messages, and the exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BROKEN = HERE / "testdata" / "broken"
SRC = HERE.parent.parent / "src"
NAMES = sorted(p.stem for p in BROKEN.glob("*.py") if p.stem != "steps")


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "levada", "check", f"{name}.py"],
        cwd=BROKEN,
        env=os.environ | {"PYTHONPATH": str(SRC), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    got = done.stderr.replace(f"{BROKEN}/", "")
    # Carets under a line of a traceback came with 3.11 and change since.
    got = re.sub(r"\n *[~^]+(?=\n)", "", got)
    golden = BROKEN / f"{name}.stderr"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(got)
    assert done.stdout == ""
    assert got == golden.read_text()
    assert done.returncode == 78
