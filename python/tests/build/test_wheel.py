"""The wheel of a user's steps: what is in it, and that it works where it says."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from levada import _elf

from .conftest import INTERPRETERS, STEPS, build, copy_of_steps, run

NAME = "metric_steps-1.0.0-cp311-abi3-manylinux_2_17_x86_64.whl"


@pytest.fixture(scope="module")
def wheel(wheels: Path) -> Path:
    return wheels / NAME


def test_the_project_file_is_short() -> None:
    assert len((STEPS / "pyproject.toml").read_text().splitlines()) <= 12


def test_tag_and_size(wheels: Path) -> None:
    names = sorted(w.name for w in wheels.glob("*.whl"))
    assert names == ["levada-0.1.0-cp311-abi3-manylinux_2_17_x86_64.whl", NAME]
    for w in wheels.glob("*.whl"):
        assert w.stat().st_size <= 8 << 20


def test_content(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert names == [
            "metric_steps/__init__.py",
            "metric_steps/__init__.pyi",
            "metric_steps/__main__.py",
            "metric_steps/_native.abi3.so",
            "metric_steps/levada.json",
            "metric_steps/py.typed",
            "metric_steps/types.py",
            "metric_steps-1.0.0.dist-info/METADATA",
            "metric_steps-1.0.0.dist-info/RECORD",
            "metric_steps-1.0.0.dist-info/WHEEL",
            "metric_steps-1.0.0.dist-info/licenses/linked-modules.txt",
            "metric_steps-1.0.0.dist-info/sboms/levada.cdx.json",
        ]
        metadata = archive.read("metric_steps-1.0.0.dist-info/METADATA").decode()
        assert "Name: metric-steps\n" in metadata
        assert "Requires-Dist: levada\n" in metadata
        assert "Requires-Python: >=3.11\n" in metadata
        assert archive.getinfo("metric_steps/_native.abi3.so").external_attr >> 16 == 0o100755


def test_what_it_was_linked_from(wheels: Path) -> None:
    for name, main in (
        (NAME, "example.com/metric_steps"),
        ("levada-0.1.0-cp311-abi3-manylinux_2_17_x86_64.whl", "github.com/levada-io/levada"),
    ):
        info = "-".join(name.split("-")[:2]) + ".dist-info"
        with zipfile.ZipFile(wheels / name) as archive:
            bom = json.loads(archive.read(f"{info}/sboms/levada.cdx.json"))
            text = archive.read(f"{info}/licenses/linked-modules.txt").decode()
            assert "License-File: linked-modules.txt\n" in archive.read(f"{info}/METADATA").decode()
        assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
        assert bom["metadata"]["component"]["name"] == main
        modules = {c["name"]: c for c in bom["components"]}
        assert {"std", "github.com/twmb/franz-go"} <= set(modules)
        assert modules["github.com/twmb/franz-go"]["licenses"] == [{"expression": "BSD-3-Clause"}]
        for module in {*modules, "github.com/levada-io/levada"}:
            _, _, licence = text.partition(f"=== {module} (")
            assert len(licence.partition("\n=== ")[0]) > 500, module
        assert "github.com/twmb/franz-go/pkg/kfake" not in modules
        assert str(STEPS.parent) not in json.dumps(bom)


def test_record(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        record = archive.read("metric_steps-1.0.0.dist-info/RECORD").decode()
        rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(record))}
        assert set(rows) == set(archive.namelist())
        for name, (digest, size) in rows.items():
            if name.endswith("/RECORD"):
                assert (digest, size) == ("", "")
                continue
            content = archive.read(name)
            want = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert (digest, size) == (f"sha256={want}", str(len(content)))


def test_needs_nothing_but_an_old_glibc(site: Path) -> None:
    needs = _elf.needs(site / "metric_steps" / "_native.abi3.so")
    assert needs.machine == "x86_64"
    assert needs.glibc <= (2, 17)
    assert not [lib for lib in needs.libraries if "python" in lib]


def test_no_broker_is_linked(site: Path) -> None:
    """The embedded Kafka lives in the levada command; a wheel carries it for nobody."""
    assert b"kfake.(*Cluster)" not in (site / "metric_steps" / "_native.abi3.so").read_bytes()


def test_same_bytes_from_two_folders(tmp_path: Path) -> None:
    digests: set[str] = set()
    for place in ("one", "another/deeper"):
        project = copy_of_steps(tmp_path / place)
        got = build("wheel", project, tmp_path / place / "dist")
        assert got.code == 0, got.err
        digests.add(hashlib.sha256((tmp_path / place / "dist" / NAME).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_source_date_epoch(tmp_path: Path) -> None:
    got = build("wheel", STEPS, tmp_path, SOURCE_DATE_EPOCH="1700000000")
    assert got.code == 0, got.err
    with zipfile.ZipFile(tmp_path / NAME) as archive:
        assert {i.date_time for i in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}
    got = build("wheel", STEPS, tmp_path, SOURCE_DATE_EPOCH="yesterday")
    assert got.code == 78
    assert "SOURCE_DATE_EPOCH: expected seconds since 1970" in got.err


USE = """
import json, sys
import metric_steps
assert "metric_steps._native" not in sys.modules, "an import must not load the module"
from levada import Message
m = Message({"org_id": 2**63 + 1, "project_id": 2, "name": "n", "tags": {"b": "1", "a": "2"},
             "timestamp": 3, "retention_days": 90, "type": "c", "value": 2.5})
out = metric_steps.Transform()(m)
assert out == {**m.payload, "transformed": True}, out
assert metric_steps.IsCounter().call_batch([m, m]) == [True, True]
assert metric_steps.Threshold(limit=2.0)(m) is True
assert metric_steps.Threshold(limit=3)(m) is False
assert [s["tag"] for s in metric_steps.SplitTags()(m)] == ["a", "b"]
assert metric_steps.KeyByOrg()(m).key == str(2**63 + 1).encode()
native = sys.modules["metric_steps._native"]
manifest = json.loads(native.manifest())
assert manifest["module"] == "metric_steps" and len(manifest["functions"]) == 6, manifest
assert native.layout_fingerprint == metric_steps.types.__levada_fingerprint__
print("used")
"""


def test_three_pythons_are_here() -> None:
    """Else the next test would say nothing of the versions that are missing."""
    assert set(INTERPRETERS) >= {"3.11", "3.12", "3.13"}, INTERPRETERS


def test_works_in_every_python(interpreter: str, site: Path) -> None:
    got = run(interpreter, "-X", "dev", "-c", USE, PYTHONPATH=str(site))
    assert (got.code, got.out) == (0, "used\n"), got.err


def test_bad_settings(site: Path) -> None:
    code = (
        "import metric_steps\n"
        "for settings in ({'limit': 'x'}, {'limt': 1}):\n"
        "    try: metric_steps.Threshold(**settings)\n"
        "    except (TypeError, ValueError) as e: print(e)\n"
    )
    got = run(sys_python(), "-c", code, PYTHONPATH=str(site))
    assert "limit" in got.out and "limt" in got.out, got


def test_a_stale_stub_does_not_load(site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "site")
    types = tmp_path / "site" / "metric_steps" / "types.py"
    text = types.read_text()
    line = next(x for x in text.splitlines() if x.startswith("__levada_fingerprint__"))
    types.write_text(text.replace(line, '__levada_fingerprint__ = "0000000000000000"'))
    code = "import metric_steps\nmetric_steps.IsCounter().call_batch([])"
    got = run(sys_python(), "-c", code, PYTHONPATH=str(tmp_path / "site"))
    assert got.code == 1
    assert "0000000000000000" in got.err and line.split('"')[1] in got.err


def test_runs_as_a_module(site: Path) -> None:
    got = run(sys_python(), "-m", "metric_steps", "check", PYTHONPATH=str(site))
    assert got.code == 64
    assert "expected a pipeline file" in got.err


def sys_python() -> str:
    return INTERPRETERS["3.11"]


def test_the_users_own_tests_pass(site: Path) -> None:
    tests = STEPS / "tests"
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
    got = run(*command, cwd=STEPS, PYTHONPATH=str(site))
    assert got.code == 0, got.out


def test_the_users_own_tests_are_typed(site: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, STEPS / "tests")
    got = run(*command, cwd=STEPS, MYPYPATH=str(site))
    assert got.code == 0, got.out
