"""What a function says of the keys that it routes by."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated, Any, Literal, Optional, Union

import pytest

from levada import Map, Message, StreamSink, streaming_source
from levada._types import literals
from levada.plan import build


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("annotation", "keys"),
    [
        (Literal["a", "b"], ["a", "b"]),
        (Literal[1, True], [1, True]),
        (Literal["a", None], ["a"]),
        (Optional[Literal["a"]], ["a"]),  # noqa: UP045
        (Literal["a"] | None, ["a"]),
        (Annotated[Literal["a"], "of which"], ["a"]),
        (Union[Literal["a"], int], []),  # noqa: UP007
        (Literal[b"a"], []),
        (Literal[Colour.RED], []),
        (str, []),
        (Any, []),
    ],
)
def test_literals(annotation: object, keys: list[object]) -> None:
    assert literals(annotation) == keys


def of(_: Message[Any]) -> Literal["a", "b"]:
    return "a"


def plain(_: Message[Any]) -> str:
    return "a"


@pytest.mark.parametrize(("function", "keys"), [(of, ["a", "b"]), (plain, None)])
def test_they_are_in_the_manifest(function: Any, keys: list[str] | None) -> None:
    pipeline = streaming_source("in", "in").apply(Map("m", function)).sink(StreamSink("out", "out"))
    (signature,) = json.loads(build(pipeline).manifest)["functions"]
    assert signature["out"] == {"kind": "string"}
    assert signature.get("keys") == keys
