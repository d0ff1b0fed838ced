"""The frame codec in C alone: golden and hostile frames under sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SOURCES = [
    ROOT / "internal" / "bridge" / "cpython" / f"{n}.c"
    for n in ("layout", "build", "encode", "clock", "symbols")
]


def compiler() -> str:
    return os.environ.get("CC", "cc")


def library(name: str) -> str:
    out = subprocess.run(
        [compiler(), f"-print-file-name={name}"], capture_output=True, text=True, check=True
    )
    path = out.stdout.strip()
    assert os.path.isabs(path), f"{name} is not installed; it comes with the C compiler"
    return path


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("codec") / "codec.so"
    subprocess.run(
        [
            compiler(),
            "-std=gnu11",
            "-g",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fPIC",
            "-shared",
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=undefined",
            "-fno-omit-frame-pointer",
            f"-I{ROOT / 'abi'}",
            f"-I{SOURCES[0].parent}",
            "-o",
            str(out),
            str(HERE / "codec" / "codec.c"),
            *map(str, SOURCES),
        ],
        check=True,
    )
    return out


def test_frames(sanitized: Path) -> None:
    got = subprocess.run(
        [
            sys.executable,
            "-X",
            "dev",
            str(HERE / "codec" / "frames.py"),
            str(ROOT / "abi" / "testdata" / "frames"),
            "2000",
        ],
        env={
            **os.environ,
            "LEVADA_CODEC": str(sanitized),
            "LD_PRELOAD": library("libasan.so"),
            # Python keeps memory until the end; what Python allocates is watched as well.
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "PYTHONMALLOC": "malloc",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert got.returncode == 0, f"exit code {got.returncode}\n{got.stdout}\n{got.stderr[-6000:]}"
