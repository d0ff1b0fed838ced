"""The backend behind pip, and the source distribution."""

from __future__ import annotations

import hashlib
import sys
import tarfile
from pathlib import Path

from .conftest import build, copy_of_steps, run


def test_pip_builds_with_isolation(wheels: Path, tmp_path: Path) -> None:
    """As on a machine of a user: pip makes an environment with levada in it alone."""
    project = copy_of_steps(tmp_path)
    command = (sys.executable, "-m", "pip", "wheel", "--no-index", "--find-links", wheels)
    got = run(*command, "-w", tmp_path / "out", project)
    assert got.code == 0, got.err
    names = sorted(p.name.partition("-")[0] for p in (tmp_path / "out").iterdir())
    assert names == ["levada", "metric_steps"]


def test_pip_shows_what_go_says(wheels: Path, tmp_path: Path) -> None:
    project = copy_of_steps(tmp_path)
    steps = project / "steps.go"
    steps.write_text(steps.read_text().replace("m.Payload().Type, nil", "m.Payload().Typ, nil"))
    command = (sys.executable, "-m", "pip", "wheel", "--no-index", "--find-links", wheels)
    got = run(*command, "-w", tmp_path / "out", project)
    assert got.code != 0
    assert "m.Payload().Typ undefined" in got.err
    assert "Traceback" not in got.err


def test_source_distribution(tmp_path: Path) -> None:
    project = copy_of_steps(tmp_path)
    mod = project / "go.mod"
    mod.write_text("".join(x for x in mod.read_text().splitlines(True) if "=>" not in x))
    (project / "build").mkdir()
    (project / "build" / "left.over").write_text("")
    digests: set[str] = set()
    for place in ("a", "b"):
        got = build("sdist", project, tmp_path / place)
        assert got.code == 0, got.err
        archive = tmp_path / place / "metric_steps-1.0.0.tar.gz"
        digests.add(hashlib.sha256(archive.read_bytes()).hexdigest())
    assert len(digests) == 1
    with tarfile.open(archive) as tar:
        names = {n.removeprefix("metric_steps-1.0.0/") for n in tar.getnames()}
    assert names >= {"PKG-INFO", "go.mod", "pyproject.toml", "sort.go", "steps.go"}
    assert not [n for n in names if n.startswith(("build", "/", ".."))]
