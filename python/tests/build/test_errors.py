"""What a build says when it can not be done."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

from levada import _elf, _go
from levada._go import BuildError

from .conftest import STEPS, build, copy_of_steps, run


def fake_path(folder: Path, **commands: str) -> str:
    """A PATH with these scripts alone."""
    for name, script in commands.items():
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return str(folder)


def real(command: str) -> str:
    found = shutil.which(command)
    assert found, f"{command} must be on PATH"
    return found


def error(folder: Path, tmp_path: Path, **env: str) -> str:
    got = build("wheel", folder, tmp_path / "dist", **env)
    assert got.code == 78, got
    assert "Traceback" not in got.err
    return got.err


def test_no_go(tmp_path: Path) -> None:
    text = error(STEPS, tmp_path, PATH=fake_path(tmp_path))
    assert text == (
        "levada: expected Go 1.27 or newer, found no go on PATH\n"
        "hint: install Go; an older one fetches what it needs by itself\n"
    )


@pytest.mark.parametrize(
    ("version", "switch", "want"),
    [
        ("go1.26.8", "local", "got go1.26.8, and GOTOOLCHAIN=local keeps it from fetching one\n"
         "hint: export GOTOOLCHAIN=go1.27.3\n"),
        ("go1.20.1", "", "got go1.20.1\nhint: install Go 1.27\n"),
    ],
)  # fmt: skip
def test_old_go(version: str, switch: str, want: str, tmp_path: Path) -> None:
    path = fake_path(tmp_path, go=f"echo {version}; echo {switch}")
    text = error(STEPS, tmp_path, PATH=path)
    assert text == f"levada: expected Go 1.27 or newer, {want}"


def test_no_compiler(tmp_path: Path) -> None:
    path = fake_path(tmp_path, go=f'exec "{real("go")}" "$@"')
    text = error(STEPS, tmp_path, PATH=path, CC="gcc")
    assert "expected a C compiler, found no gcc on PATH" in text
    assert "hint: install gcc or clang" in text


def test_compile_error_is_gos_own_text(tmp_path: Path) -> None:
    project = copy_of_steps(tmp_path)
    steps = project / "steps.go"
    steps.write_text(steps.read_text().replace("Transformed: true", "Tranformed: true"))
    text = error(project, tmp_path)
    line = next(i for i, x in enumerate(steps.read_text().splitlines(), 1) if "Tranformed:" in x)
    assert text.startswith("# example.com/metric_steps\n./steps.go:"), text
    assert f"./steps.go:{line}:" in text
    assert "unknown field Tranformed in struct literal of type Transformed" in text


def test_mistakes_in_steps_are_told_by_name(tmp_path: Path) -> None:
    project = copy_of_steps(tmp_path)
    steps = project / "steps.go"
    steps.write_text(steps.read_text() + "\nfunc Bad(m levada.Message[chan int]) {}\n")
    text = error(project, tmp_path)
    assert text.startswith("levada: steps.go:"), text
    assert "func Bad: expected func(levada.Message[In]) (Out, error)" in text


def test_no_go_mod(tmp_path: Path) -> None:
    project = copy_of_steps(tmp_path)
    (project / "go.mod").unlink()
    assert "expected a Go module, found no go.mod here or above" in error(project, tmp_path)


def test_package_that_python_can_not_import(tmp_path: Path) -> None:
    project = copy_of_steps(tmp_path)
    toml = project / "pyproject.toml"
    toml.write_text(toml.read_text() + '\n[tool.levada]\npackage = "metric-steps"\n')
    assert 'expected a package name that Python can import, got "metric-steps"' in error(
        project, tmp_path
    )


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ('[tool.levada]\ngo_package = "."', "tool.levada.go_package: there is no such key\n"
         "hint: did you mean go-package?"),
        ("[tool.levada]\npackage = 1", "tool.levada.package: expected text, got 1"),
        ('[tool.levada]\ngo-package = "nowhere"', "expected the folder of a Go package"),
        ('[tool.levada]\npython-source = "nowhere"', "tool.levada.python-source: nowhere"),
    ],
)  # fmt: skip
def test_wrong_options(more: str, want: str, tmp_path: Path) -> None:
    project = copy_of_steps(tmp_path)
    toml = project / "pyproject.toml"
    toml.write_text(f"{toml.read_text()}\n{more}\n")
    assert want in error(project, tmp_path)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", "expected a [project] table, found none"),
        ("[project", "pyproject.toml: "),
        ("[project]\nname = 'x'", "project.version: expected text, got None"),
        ("[project]\nname = 'x y'\nversion = '1'", "project.name: expected a name, got 'x y'"),
        ("[project]\nname = 'x'\nversion = 'one'", "project.version: expected a version"),
        ("[project]\nname = 'x'\nversion = '1'\ndynamic = ['readme']", "project.dynamic"),
        ("[project]\nname = 'x'\nversion = '1'\ncolour = 'red'", "project.colour: there is no"),
        ("[project]\nname = 'x'\nversion = '1'\nreadme = 'NONE.md'\n", "project.readme: NONE.md"),
    ],
)
def test_wrong_project(text: str, want: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    got = build("sdist", tmp_path, tmp_path / "dist")
    assert got.code == 78
    assert got.err.startswith("levada: ") and want in got.err, got.err


def test_source_distribution_refuses_what_is_outside(tmp_path: Path) -> None:
    got = build("sdist", STEPS, tmp_path)
    assert got.code == 78
    assert "a source distribution can not hold ../../.., which a replace names" in got.err


@pytest.mark.parametrize(
    ("variable", "value", "want"),
    [
        ("HOST_GNU_TYPE", "x86_64-pc-linux-musl", "this Python runs on musl"),
        ("Py_GIL_DISABLED", 1, "this Python is a free-threaded build"),
    ],
)
def test_pythons_that_can_not(
    variable: str, value: object, want: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = sysconfig.get_config_var
    monkeypatch.setattr(sysconfig, "get_config_var", lambda n: value if n == variable else ask(n))
    with pytest.raises(BuildError, match=want):
        _go.check_python()


def test_a_library_that_needs_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("#include <math.h>\ndouble f(double x) { return tgamma(x); }\n")
    library = tmp_path / "x.so"
    got = run(real("gcc"), "-shared", "-fPIC", "-o", library, tmp_path / "x.c", "-lm")
    assert got.code == 0, got.err
    with pytest.raises(BuildError, match=r"expected to need glibc alone, it needs libm\.so\.6"):
        _go.platform_tag(library)


def test_a_library_that_needs_a_newer_glibc_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(
        "#include <pthread.h>\nint f(pthread_t *t, void *(*g)(void *))"
        " { return pthread_create(t, 0, g, 0); }\n"
    )
    library = tmp_path / "x.so"
    got = run(real("gcc"), "-shared", "-fPIC", "-o", library, tmp_path / "x.c")
    assert got.code == 0, got.err
    newest = _elf.needs(library).glibc
    assert _go.platform_tag(library) == f"manylinux_{newest[0]}_{newest[1]}_x86_64"


def test_elf_of_an_extension(site: Path) -> None:
    got = _elf.needs(site / "metric_steps" / "_native.abi3.so")
    assert "libc.so.6" in got.libraries
    assert "GLIBC_2.2.5" in got.symbols


@pytest.mark.parametrize("cut", [0, 3, 40, 200])
def test_damaged_elf(cut: int, site: Path, tmp_path: Path) -> None:
    whole = (site / "metric_steps" / "_native.abi3.so").read_bytes()
    file = tmp_path / "x.so"
    file.write_bytes(whole[:cut])
    with pytest.raises(_elf.NotElfError, match=r"x\.so: expected"):
        _elf.needs(file)
