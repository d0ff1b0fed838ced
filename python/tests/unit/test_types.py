"""Types as the plan and the manifest of one pipeline name them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NotRequired, Optional, TypedDict, Union

import pytest

from levada import Map, Message, Parser, ReadOnly, StreamSink, streaming_source
from levada._types import Table, UnsupportedType, text
from levada.plan import build


def test_two_classes_that_are_called_alike_have_a_name_each_in_both_tables() -> None:
    def one() -> Any:
        class Reading(TypedDict):
            id: str

        return Reading

    def two() -> Any:
        class Reading(TypedDict):
            value: float

        return Reading

    first, second = one(), two()
    first.__qualname__ = second.__qualname__ = "Reading"

    def takes(_: Message[Any]) -> Any: ...

    takes.__annotations__ = {"_": Message[second], "return": first}
    pipeline = (
        streaming_source("in", "in")
        .apply(Parser[first]("p"))
        .apply(Map("m", takes))
        .sink(StreamSink("out", "out"))
    )
    built = build(pipeline)
    plan, manifest = json.loads(built.text)["types"], json.loads(built.manifest)["types"]
    assert len(plan) == 1
    assert len(manifest) == 2
    for name, definition in plan.items():
        assert manifest[name] == definition


class Tree(TypedDict):
    leaf: Tree | list[Tree] | str | None


REF = {"kind": "ref", "name": f"py:{__name__}:Tree"}
STRING = {"kind": "string"}


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (Tree | str, f"union[{REF['name']}, string]"),
        (bool | int | bytes, "union[bool, int64, bytes]"),
        (datetime | timedelta, "union[time, duration]"),
        (Optional[list[int] | dict[str, int]], "union[list[int64], map[string, int64]] or null"),  # noqa: UP045
        (Union[int, Union[str, None], tuple[int, int]], None),  # noqa: UP007
        (Literal["a"] | Literal["b"], "string"),
        (Literal["a", None] | int, "union[string, int64] or null"),
        (Literal["a"] | str | None, "string or null"),
        (int | Any, "any"),
    ],
)
def test_unions(annotation: object, shown: str | None) -> None:
    shown = shown or "union[int64, string, tuple[int64, int64]] or null"
    assert text(Table(strict=True).convert(annotation, "here")) == shown


def test_a_union_may_lead_to_itself_by_a_class() -> None:
    table = Table(strict=True)
    assert table.convert(Tree, "here") == REF
    leaf = table.types[str(REF["name"])]["fields"][0]["type"]
    assert leaf["elems"] == [REF, {"kind": "list", "elem": REF}, STRING]


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (int | float, "int64 and float64 are both a JSON number"),
        (str | bytes, "string and bytes are both a JSON string"),
        (datetime | str, "time and string are both a JSON string"),
        (Tree | dict[str, int], f"{REF['name']} and map[string, int64] are both a JSON object"),
        (list[int] | tuple[int, int], "are both a JSON array"),
    ],
)
def test_variants_that_can_not_be_told_apart(annotation: object, shown: str) -> None:
    with pytest.raises(UnsupportedType) as e:
        Table(strict=True).convert(annotation, "here")
    assert str(e.value).startswith("here: expected variants that can be told apart, ")
    assert str(e.value).endswith(shown)
    assert Table(strict=False).convert(annotation, "here") == {"kind": "any"}


class Written(TypedDict):
    names: list[str]
    counts: NotRequired[dict[str, int]]
    next: Written | None


class Read(TypedDict):
    names: ReadOnly[Sequence[str]]
    counts: NotRequired[ReadOnly[Mapping[str, int]]]
    next: ReadOnly[Read | None]


def test_what_is_only_read_has_the_same_layout() -> None:
    table = Table(strict=True)
    for annotation in (Written, Read):
        table.convert(annotation, "here")
    written, read = (json.dumps(table.types[f"py:{__name__}:{n}"]) for n in ("Written", "Read"))
    assert read.replace("Read", "Written") == written
