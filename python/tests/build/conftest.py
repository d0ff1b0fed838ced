"""Wheels of this tree, built once, and the Pythons that they must work in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "python" / "src"
STEPS = ROOT / "examples" / "metrics" / "steps"

# As the Makefile: a setting of the caller wins.
os.environ.setdefault("GOTOOLCHAIN", "go1.27.3")


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


def run(*command: str | Path, cwd: Path | None = None, **env: str) -> Ran:
    """Runs a command to its end."""
    got = subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(got.returncode, got.stdout, got.stderr)


def build(what: str, folder: Path, out: Path, **env: str) -> Ran:
    """``python -m levada.build`` as a user without pip calls it."""
    env = {"PYTHONPATH": str(SOURCE), **env}
    return run(sys.executable, "-m", "levada.build", what, folder, "-o", out, **env)


def interpreters() -> dict[str, str]:
    """By version: this Python, and those of PATH and pyenv that start."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    candidates = [shutil.which(f"python3.{n}") for n in (11, 12, 13)]
    if pyenv := shutil.which("pyenv"):
        # Its python3.x on PATH start only where that version is chosen.
        for version in run(pyenv, "versions", "--bare").out.split():
            if re.fullmatch(r"3\.1[123]\.\d+", version):
                candidates.append(f"{run(pyenv, 'prefix', version).out.strip()}/bin/python")
    for path in filter(None, candidates):
        got = run(path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        if got.code == 0:
            found.setdefault(got.out.strip(), path)
    return found


INTERPRETERS = interpreters()


@pytest.fixture(params=sorted(INTERPRETERS))
def interpreter(request: pytest.FixtureRequest) -> str:
    """Every CPython of this machine in turn."""
    return INTERPRETERS[str(request.param)]


def copy_of_steps(folder: Path) -> Path:
    """A project of a user outside of this tree."""
    project = folder / "steps"
    shutil.copytree(STEPS, project, ignore=shutil.ignore_patterns("build", "dist", "tests"))
    mod = project / "go.mod"
    mod.write_text(mod.read_text().replace("=> ../../..", f"=> {ROOT}"))
    return project


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of the platform and that of the metrics steps."""
    out = tmp_path_factory.mktemp("dist")
    for folder in (ROOT / "python", STEPS):
        got = build("wheel", folder, out)
        assert got.code == 0, got.err
    return out


@pytest.fixture(scope="session")
def site(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as site-packages is after both were installed."""
    folder = tmp_path_factory.mktemp("site")
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder
