"""An editable install: an edit in Go counts at the next import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import SOURCE, build, copy_of_steps, run

USE = (
    "import metric_steps; from levada import Message\n"
    "m = Message({'org_id': 1, 'project_id': 2, 'name': 'n', 'tags': {}, 'timestamp': 3,\n"
    "             'retention_days': 90, 'type': 'd', 'value': 1})\n"
    "print(metric_steps.IsCounter()(m), hasattr(metric_steps, 'Fresh'))\n"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = copy_of_steps(tmp_path)
    toml = project / "pyproject.toml"
    toml.write_text(toml.read_text() + '\n[tool.levada]\npython-source = "python"\n')
    own = project / "python" / "metric_steps"
    own.mkdir(parents=True)
    (own / "helpers.py").write_text("ANSWER = 42\n")
    return project


@pytest.fixture
def python(project: Path, tmp_path: Path) -> Path:
    """A virtual environment with the project in it, installed by pip."""
    venv = tmp_path / "venv"
    assert run(sys.executable, "-m", "venv", venv).code == 0
    python = venv / "bin" / "python"
    [site] = venv.glob("lib/python*/site-packages")
    (site / "levada.pth").write_text(f"{SOURCE}\n")
    got = run(
        python, "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation",
        "-e", project,
    )  # fmt: skip
    assert got.code == 0, got.err
    return python


def test_an_edit_counts_at_the_next_import(project: Path, python: Path) -> None:
    got = run(python, "-c", USE)
    assert (got.code, got.out) == (0, "False False\n"), got.err
    library = project / "build/levada/editable/metric_steps/_native.abi3.so"
    before = library.stat().st_mtime_ns
    assert run(python, "-c", USE).out == "False False\n"
    assert library.stat().st_mtime_ns == before, "nothing has changed, nothing is built"

    steps = project / "steps.go"
    right = steps.read_text()
    steps.write_text(
        right.replace('m.Payload().Type == "c"', 'm.Payload().Type == "d"')
        + "\n// Fresh is new.\nfunc Fresh(m levada.Message[string]) (string, error)"
        " { return m.Payload(), nil }\n"
    )
    got = run(python, "-c", USE)
    assert (got.code, got.out) == (0, "True True\n"), got.err

    steps.write_text(right.replace('== "c"', "== 1.5"))
    got = run(python, "-c", "try:\n    import metric_steps\nexcept ImportError as e:\n    print(e)")
    assert got.code == 0, got.err
    assert got.out.startswith("# example.com/metric_steps\n./steps.go:"), got

    steps.write_text(right)
    got = run(python, "-c", USE)
    assert (got.code, got.out) == (0, "False False\n"), got.err


def test_own_python_files_are_in_the_package(project: Path, python: Path) -> None:
    code = "from metric_steps import helpers; print(helpers.ANSWER)"
    assert run(python, "-c", code).out == "42\n"
    (project / "python/metric_steps/helpers.py").write_text("ANSWER = 43\n")
    assert run(python, "-c", code).out == "43\n"


def test_own_files_may_not_hide_generated_ones(project: Path, tmp_path: Path) -> None:
    (project / "python/metric_steps/types.py").write_text("")
    got = build("wheel", project, tmp_path)
    assert got.code == 78
    assert "python/metric_steps/types.py: expected another name, the generator writes" in got.err


def test_two_processes_build_once(project: Path, python: Path) -> None:
    """The second one waits and finds the work done."""
    pipe = subprocess.PIPE
    steps = project / "steps.go"
    steps.write_text(steps.read_text().replace('Type == "c"', 'Type == "d"'))
    both = [
        subprocess.Popen([python, "-c", USE], stdout=pipe, stderr=pipe, text=True) for _ in range(2)
    ]
    for p in both:
        out, err = p.communicate(timeout=120)
        assert (p.returncode, out) == (0, "True False\n"), err
