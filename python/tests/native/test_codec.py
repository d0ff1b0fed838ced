"""The frame codec in C alone: golden and hostile frames under sanitizers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

CODEC = Path(__file__).parent / "codec"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CODEC / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sanitized = loaded("sanitized")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("codec") / "codec.so"
    sanitized.build(out)
    return out


def under_sanitizers(library: Path, *args: str) -> None:
    got = subprocess.run(
        [sys.executable, "-X", "dev", *args],
        env=sanitized.environment(library),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert got.returncode == 0, f"exit code {got.returncode}\n{got.stdout}\n{got.stderr[-6000:]}"


def test_frames(library: Path) -> None:
    frames = sanitized.ROOT / "abi" / "testdata" / "frames"
    under_sanitizers(library, str(CODEC / "frames.py"), str(frames), "2000")


# Fault: hostile frame -> goes on: what the fuzzer of the reader in C has found is tried
#   again, and Go's reader takes what C's takes
def test_what_was_found(library: Path) -> None:
    under_sanitizers(library, str(CODEC / "fuzz.py"), "--replay")
