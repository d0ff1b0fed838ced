"""Builds the frame codec in C alone, under sanitizers: ``sanitized.py OUT [--coverage]``.

With coverage the library tells a fuzzer which edges an input reached for the first time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
SOURCES = [
    ROOT / "internal" / "bridge" / "cpython" / f"{n}.c"
    for n in ("layout", "build", "encode", "clock", "symbols")
]


def compiler() -> str:
    return os.environ.get("CC", "cc")


def build(out: Path, coverage: bool = False) -> None:
    common = [
        *(compiler(), "-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC"),
        *("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
        *("-fno-omit-frame-pointer", f"-I{ROOT / 'abi'}", f"-I{SOURCES[0].parent}"),
    ]
    objects = []
    for source in (HERE / "codec.c", *SOURCES):
        object_ = out.with_name(f"{out.stem}-{source.stem}.o")
        # What counts edges must not be counted.
        counted = coverage and source.parent != HERE
        extra = ["-fsanitize-coverage=trace-pc"] if counted else []
        subprocess.run([*common, *extra, "-c", "-o", object_, source], check=True)
        objects.append(object_)
    subprocess.run([*common, "-shared", "-o", out, *objects], check=True)


def environment(library: Path) -> dict[str, str]:
    """What a Python needs in order to load it."""
    found = subprocess.run(
        [compiler(), "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert os.path.isabs(found), "libasan.so is not installed; it comes with the C compiler"
    return {
        **os.environ,
        "LEVADA_CODEC": str(library),
        "LD_PRELOAD": found,
        # Python keeps memory until the end; what Python allocates is watched as well.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "PYTHONMALLOC": "malloc",
    }


if __name__ == "__main__":
    build(Path(sys.argv[1]), "--coverage" in sys.argv)
