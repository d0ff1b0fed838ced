"""Type checkers as judges of the typed face: right.py must be clean, and in wrong/ an
error must be reported on every line marked ``# error`` and on no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SRC = HERE.parent.parent / "src"
WRONG = sorted(p.name for p in (HERE / "wrong").glob("*.py"))

Errors = dict[str, dict[int, str]]
"""file name -> line -> message."""


@cache
def mypy() -> Errors:
    out = _run(
        "mypy", "--strict", "--config-file=", "--python-version=3.11", "--no-error-summary",
        "--hide-error-context", "right.py", "wrong",
    )  # fmt: skip
    errors: Errors = {}
    for line in out.splitlines():
        found = re.match(r"(.+?):(\d+): error: (.*)", line)
        if found:
            errors.setdefault(Path(found[1]).name, {})[int(found[2])] = found[3]
    return errors


@cache
def pyright() -> Errors:
    report = json.loads(_run("pyright", "--outputjson", "--project", "pyrightconfig.json"))
    errors: Errors = {}
    for found in report["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            errors.setdefault(Path(found["file"]).name, {})[line] = found["message"]
    assert report["summary"]["filesAnalyzed"] >= len(WRONG)
    return errors


def _run(tool: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", tool, *args],
        cwd=HERE,
        env=os.environ | {"MYPYPATH": f"{SRC}{os.pathsep}{HERE}"},
        capture_output=True,
        text=True,
        check=False,
    )
    # 1: there are errors. Anything else: the tool itself did not work.
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=[mypy, pyright], ids=["mypy", "pyright"])
def errors(request: pytest.FixtureRequest) -> Errors:
    found: Errors = request.param()
    return found


def test_right_pipelines_are_accepted(errors: Errors) -> None:
    assert errors.get("right.py", {}) == {}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_pipelines_are_refused(errors: Errors, name: str) -> None:
    lines = (HERE / "wrong" / name).read_text().splitlines()
    marked = {n for n, line in enumerate(lines, 1) if line.endswith("# error")}
    assert marked, "a file that expects nothing proves nothing"
    found = errors.get(name, {})
    assert set(found) == marked, found


def test_nothing_public_is_untyped() -> None:
    """pyright's own measure of a py.typed package."""
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--verifytypes", "levada", "--ignoreexternal"],
        cwd=HERE,
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "Type completeness score: 100%" in done.stdout
