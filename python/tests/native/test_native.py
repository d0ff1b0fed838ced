"""The bridge in real processes: every case under every CPython that is on PATH.

The cases are scripts, see cases/kit.py. They run against testext, a module with the
real bridge whose main runs chunks instead of pipelines.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
C_SOURCES = ROOT / "internal" / "bridge" / "cpython"
CASES = sorted(p.stem for p in (HERE / "cases").glob("*.py") if p.stem != "kit")

# What needs packages of the development environment runs there only.
ONLY_HERE = {"neighbours", "differential"}


def said(*command: str) -> str:
    """What a command prints; nothing where it fails."""
    got = subprocess.run(command, capture_output=True, text=True, check=False)
    return got.stdout.strip() if got.returncode == 0 else ""


def interpreters() -> dict[str, str]:
    """By version: this Python, and those of PATH and pyenv that start."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    candidates = [shutil.which(f"python3.{n}") for n in (11, 12, 13)]
    if pyenv := shutil.which("pyenv"):
        # Its python3.x on PATH start only where that version is chosen.
        candidates += [
            f"{said(pyenv, 'prefix', v)}/bin/python"
            for v in said(pyenv, "versions", "--bare").split()
            if re.match(r"3\.1[123]\.\d+$", v)
        ]
    for path in filter(None, candidates):
        if version := said(path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"):
            found.setdefault(version, path)
    return found


INTERPRETERS = interpreters()


def go_build(output: Path, *flags: str, env: dict[str, str] | None = None) -> Path:
    command = ["go", "build", "-buildmode=c-shared", *flags, "-o", str(output)]
    subprocess.run(
        [*command, "./internal/bridge/testext"],
        cwd=ROOT,
        check=True,
        env={**os.environ, "CGO_ENABLED": "1", **(env or {})},
    )
    return output


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_build(tmp_path_factory.mktemp("native") / "_native.abi3.so")


def run_case(python: str, case: str, module: Path, env: dict[str, str] | None = None) -> None:
    got = subprocess.run(
        [python, "-X", "dev", str(HERE / "cases" / f"{case}.py")],
        env={**os.environ, "LEVADA_NATIVE_TEST": str(module), **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert got.returncode == 0, f"exit code {got.returncode}\n{got.stdout}\n{got.stderr[-8000:]}"
    print(got.stdout)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", INTERPRETERS)
def test_case(version: str, case: str, module: Path) -> None:
    python = INTERPRETERS[version]
    if case in ONLY_HERE and python != sys.executable:
        pytest.skip("runs in the development environment only")
    run_case(python, case, module)


def test_an_old_interpreter_is_told_what_it_lacks(module: Path) -> None:
    """What is missing is found before anything is called; 3.10 stands for all of them."""
    pyenv = shutil.which("pyenv")
    old = [shutil.which("python3.10")]
    if pyenv:
        old += [
            f"{said(pyenv, 'prefix', v)}/bin/python"
            for v in said(pyenv, "versions", "--bare").split()
            if v.startswith("3.10.")
        ]
    found = [p for p in filter(None, old) if said(p, "-c", "print(1)")]
    if not found:
        pytest.skip("no CPython 3.10 on PATH")
    got = subprocess.run(
        [found[0], "-c", "import kit"],
        env={**os.environ, "PYTHONPATH": str(HERE / "cases"), "LEVADA_NATIVE_TEST": str(module)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ImportError: levada: this interpreter lacks Py" in got.stderr, got.stderr
    assert "levada needs CPython 3.11 or later" in got.stderr


def debug_interpreter() -> str:
    """A debug build of CPython on PATH; a distribution's package python3.11-dbg has one."""
    for name in ("python3.11-dbg", "python3.12-dbg", "python3.13-dbg", "python3-dbg"):
        path = shutil.which(name)
        if path and said(path, "-c", "import sys; sys.gettotalrefcount(); print(1)"):
            return path
    pytest.skip("no debug build of CPython on PATH")


@pytest.mark.parametrize("case", [c for c in CASES if c not in ONLY_HERE])
def test_case_under_a_debug_build(case: str, module: Path) -> None:
    run_case(debug_interpreter(), case, module)


def test_no_reference_is_lost(module: Path) -> None:
    run_case(debug_interpreter(), "../refs", module)


WATCHED = ["callin", "escape", "lanes", "steps", "values"]


@pytest.fixture(scope="session")
def asan_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_build(tmp_path_factory.mktemp("asan") / "_native.abi3.so", "-asan")


@pytest.mark.parametrize("case", WATCHED)
def test_case_under_address_sanitizer(case: str, asan_module: Path) -> None:
    cc = os.environ.get("CC", "cc")
    library = said(cc, "-print-file-name=libasan.so")
    assert os.path.isabs(library), "libasan is not installed; it comes with the C compiler"
    # What Python allocates is watched as well; it keeps memory until the end.
    env = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
    run_case(sys.executable, case, asan_module, env)


@pytest.fixture(scope="session")
def cgocheck_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("cgocheck") / "_native.abi3.so"
    return go_build(output, env={"GOEXPERIMENT": "cgocheck2"})


@pytest.mark.parametrize("case", WATCHED)
def test_case_under_cgocheck(case: str, cgocheck_module: Path) -> None:
    run_case(sys.executable, case, cgocheck_module)


# --- the rules for a stable ABI by hand ------------------------------------------------

FORBIDDEN = {
    r"Py_INCREF|Py_DECREF|Py_XINCREF|Py_XDECREF|Py_REFCNT|Py_CLEAR": "reference counts of immortal objects",  # noqa: E501
    r"ob_refcnt\s*(\+\+|--|[=!<>+-]=|[<>])|->ob_refcnt": "a test or change of a count",
    r"Py_BuildValue|PyArg_\w+|PyErr_Format|PyUnicode_FromFormat|PyTuple_Pack|PyObject_CallFunction\b"
    r"|PyObject_CallMethod\b|Py_VaBuildValue": "a call with a format",
    r"PyGILState_Release": "it wipes threading.local",
    r"PyVarObject_HEAD_INIT|static PyTypeObject\b[^*]*=": "a static type",
    r"#\s*include\s*[<\"]Python\.h": "Python.h",
    r"Py_tp_finalize|tp_finalize": "resurrection would break the escape rule",
}


def stripped(path: Path) -> str:
    """The code without comments and strings."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def c_files() -> list[Path]:
    files = [p for p in sorted(C_SOURCES.parent.rglob("*")) if p.suffix in (".c", ".h")]
    assert len(files) > 10, files
    return files


@pytest.mark.parametrize("path", c_files(), ids=lambda p: p.name)
def test_forbidden_calls(path: Path) -> None:
    code = stripped(path)
    for pattern, why in FORBIDDEN.items():
        found = re.search(pattern, code)
        assert found is None, f"{path.name}: {found and found[0]}: {why}"


def test_ob_type_is_read_in_one_place() -> None:
    places = [p.name for p in c_files() for _ in re.finditer(r"->ob_type|\.ob_type", stripped(p))]
    assert places == ["capi.h"], places


def test_every_symbol_is_weak_and_checked(module: Path) -> None:
    """What the module wants of Python is in the checked list, and weak."""
    out = subprocess.run(
        ["nm", "-D", "--undefined-only", str(module)], capture_output=True, text=True, check=True
    )
    wanted = dict(reversed(line.split()) for line in out.stdout.splitlines())
    python = {n: kind for n, kind in wanted.items() if re.match(r"_?Py[A-Z_]", n)}
    assert len(python) > 60, python
    strong = [n for n, kind in python.items() if kind not in "wv"]
    assert not strong, strong
    header = stripped(C_SOURCES / "capi.h")
    listed = set(re.findall(r"X\([^,()]+(?:\([^()]*\))?,\s*(\w+)", header))
    # The process rules have a header of their own and use what every version has.
    process = stripped(C_SOURCES.parent / "process" / "cpython.h")
    unknown = [n for n in python if n not in listed and not re.search(rf"\b{n}\b", process)]
    assert not unknown, unknown


def test_nothing_links_python(module: Path) -> None:
    out = subprocess.run(["readelf", "-d", str(module)], capture_output=True, text=True, check=True)
    needed = re.findall(r"NEEDED.*\[(.*)\]", out.stdout)
    assert all(
        n.startswith(("libc.", "ld-linux", "libpthread", "libdl", "libresolv")) for n in needed
    ), needed
