"""Types as the plan and the manifest of one pipeline name them."""

from __future__ import annotations

import json
from typing import Any, TypedDict

from levada import Map, Message, Parser, StreamSink, streaming_source
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
