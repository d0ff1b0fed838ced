"""The golden packages of the generator under the checkers and in every Python."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, SOURCE, run

GOLDENS = ROOT / "internal" / "gen" / "testdata"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    for want in GOLDENS.glob("*/want"):
        for package in (p for p in want.iterdir() if p.is_dir()):
            shutil.copytree(package, folder / package.name)
    assert sorted(p.name for p in folder.iterdir()) == ["all_types", "metric_steps", "union_steps"]
    return folder


USER = """
from typing import assert_type
from levada import Filter, FlatMap, Map, Message, Parser
import metric_steps
import union_steps
from metric_steps.types import IngestMetric, Transformed
from union_steps.types import Circle, Drawing, Group, Scalar, Shape, Square

def area(shape: Shape) -> float:
    if shape["kind"] == "circle":
        assert_type(shape, Circle)
        return 3 * shape["radius"] ** 2
    if shape["kind"] == "square":
        return shape["side"] ** 2
    assert_type(shape, Group)
    return sum(area(s) for s in shape["parts"])

def double(m: Message[Shape]) -> Square | Circle:
    shape = m.payload
    if shape["kind"] == "circle":
        return Circle(kind="circle", radius=2 * shape["radius"])
    return Square(kind="square", side=area(shape))

def draw(m: Message[Drawing]) -> None:
    assert_type(union_steps.Draw()(m)["shape"], Shape)
    assert_type(union_steps.Draw()(m)["maybe"], Shape | None)
    assert_type(union_steps.Scale()(m.with_payload(m.payload["shape"])), Shape)
    for scalar in m.payload["list"]:
        assert_type(scalar, Scalar)
        if isinstance(scalar, list):
            assert_type(scalar, list[int])

Map("e", double)
Map("f", union_steps.Scale)
Parser[Shape]("g")

def check(m: Message[IngestMetric]) -> None:
    assert_type(metric_steps.Transform()(m), Transformed)
    assert_type(metric_steps.Threshold(limit=2)(m), bool)
    assert_type(metric_steps.Split().call_batch([m]), list[list[IngestMetric]])
    assert_type(metric_steps.Each()(m), list[str])
    assert_type(metric_steps.ByOrg()(m), Message[IngestMetric])

Map("a", function=metric_steps.Transform)
Filter("b", function=metric_steps.Threshold(limit=1, names=["x"], Max=None))
FlatMap("c", function=metric_steps.Split())
Parser[IngestMetric]("d")
"""

WRONG = """
import metric_steps, union_steps
from levada import Message
metric_steps.Threshold(limit="x")
metric_steps.Threshold(3.5)
metric_steps.Transform(limit=1)
metric_steps.Transform()(Message(1))
metric_steps.Missing()
union_steps.Scale()(Message({"kind": "star", "side": 1.0}))
"""


def test_mypy(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "wrong.py").write_text(WRONG)
    command = (
        sys.executable, "-m", "mypy", "--strict", "--no-error-summary",
        "--cache-dir", tmp_path / "cache",
    )  # fmt: skip
    env = {"MYPYPATH": f"{packages}:{SOURCE}"}
    got = run(
        *command, "-p", "all_types", "-p", "metric_steps", "-p", "union_steps", cwd=tmp_path, **env
    )
    assert (got.code, got.out) == (0, ""), got
    got = run(*command, "user.py", cwd=tmp_path, **env)
    assert (got.code, got.out) == (0, ""), got
    got = run(*command, "wrong.py", cwd=tmp_path, **env)
    assert sorted({line.split(":")[1] for line in got.out.splitlines()}) == list("456789"), got


def test_pyright(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps(
            {
                "include": ["packages", "user.py"],
                "extraPaths": ["packages", str(SOURCE)],
                "typeCheckingMode": "strict",
                "pythonVersion": "3.11",
            }
        )
    )
    got = run(sys.executable, "-m", "pyright", "-p", tmp_path, cwd=tmp_path)
    assert "0 errors, 0 warnings" in got.out, got.out


IMPORT = """
import typing
import all_types.types as t, metric_steps, union_steps.types as u
assert typing.get_args(u.Shape) == (u.Square, u.Circle, u.Group)
assert typing.get_type_hints(u.Group)["parts"] == list[u.Shape]
fields = t.__levada_types__["Everything"]["fields"]
optional = {f["name"] for f in fields if f.get("optional")}
assert t.Everything.__optional_keys__ == optional > {"empty", "zero", "both", "zero_time", "code"}
assert typing.get_type_hints(t.Node)["children"] == list[t.Node]
assert typing.get_type_hints(t.Left)["right"] == typing.Optional[t.Right]
assert typing.get_type_hints(t.Document)["self"] == typing.Optional[t.Document]
glimpse = typing.get_type_hints(t.Glimpse)
assert glimpse["next"] == typing.Optional[t.Glimpse]
assert glimpse["parts"].__args__ == (t.GlimpsePart,)
assert t.Glimpse.__optional_keys__ == {"labels"}
assert t.Borrowed is u.Point
assert "keeps what it does not name" in t.Document.__doc__
assert metric_steps.Threshold.__doc__ == "Threshold keeps metrics above a limit."
assert metric_steps.Threshold(limit=1) == metric_steps.Threshold(limit=1)
"""


def test_import(interpreter: str, packages: Path) -> None:
    got = run(interpreter, "-W", "error", "-c", IMPORT, PYTHONPATH=f"{packages}:{SOURCE}")
    assert got.code == 0, got.err
