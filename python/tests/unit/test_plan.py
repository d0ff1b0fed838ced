"""Plans: golden ones, and that Go writes the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levada import _json
from levada._run import main

HERE = Path(__file__).parent
PLANS = HERE / "testdata" / "plans"
ROOT = HERE.parent.parent.parent
NAMES = sorted(p.stem for p in PLANS.glob("*.py") if p.stem != "helpers")


def plan(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    sys.path.insert(0, str(PLANS))  # for the stand-in of a built package
    assert main(["plan", str(PLANS / f"{name}.py")]) == 0
    return capsys.readouterr().out


def by_go(kind: str, docs: Iterable[str]) -> list[str]:
    """The documents as Go reads and writes them."""
    done = subprocess.run(
        ["go", "run", "./python/tests/unit/testdata/reencode", kind],
        cwd=ROOT,
        env={"GOTOOLCHAIN": "go1.27.3"} | os.environ,
        input="\n".join(json.dumps(d) for d in docs),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n") if line]


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    got = plan(name, capsys)
    golden = PLANS / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(got)
    assert got == golden.read_text()


def test_go_writes_the_same_plans() -> None:
    docs = [(PLANS / f"{name}.json").read_text() for name in NAMES]
    assert by_go("plan", docs) == docs


def test_go_writes_the_same_manifests() -> None:
    sys.path.insert(0, str(PLANS))
    from levada._run import _plan_of_file

    docs = [_plan_of_file(str(PLANS / f"{name}.py")).manifest for name in NAMES]
    assert by_go("manifest", docs) == docs


def test_golden_manifest() -> None:
    from levada._run import _plan_of_file

    got = _plan_of_file(str(PLANS / "python_types.py")).manifest
    golden = PLANS / "python_types.manifest"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(got)
    assert got == golden.read_text()


def test_a_plan_does_not_depend_on_the_working_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert plan("names", capsys) == (PLANS / "names.json").read_text()


FLOATS = [0.0, -0.0, 1.0, -1.5, 3.5, 1e-6, 1e-7, 1.5e-7, 123456789012345680000.0, 1e21, 1.5e300,
          5e-324, 0.1, 100.0, 1e16, 12345678901234567.0, 0.000123, 2.0**53]  # fmt: skip


def test_numbers_are_those_of_go() -> None:
    texts = [_json.encode(f) for f in FLOATS]
    assert by_go("value", texts) == texts


def test_many_numbers_are_those_of_go() -> None:
    seen: list[float] = []

    @settings(max_examples=500, database=None)
    @given(st.floats(allow_nan=False, allow_infinity=False))
    def collect(f: float) -> None:
        text = _json.encode(f)
        assert float(text) == f
        seen.append(f)

    collect()
    texts = [_json.encode(f) for f in seen]
    assert by_go("value", texts) == texts


@settings(max_examples=200, database=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_is_json(value: object) -> None:
    assert json.loads(_json.encode(value)) == value
    assert json.loads(_json.encode(value, indent=2)) == value
    assert _json.encode(value, indent=2) == json.dumps(value, indent=2, ensure_ascii=False)


def test_text_is_that_of_go() -> None:
    texts = [
        _json.encode(s)
        for s in ("", "é", "\x00\x1f\x7f\u2028\u2029", '"\\/<>&', "\b\f\n\r\t", "😀")
    ]
    assert by_go("value", texts) == texts
