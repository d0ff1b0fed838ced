from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Required, TypedDict

from levada import FlatMap, Map, Message, Parser, Serializer, StreamSink, streaming_source

OrgId = NewType("OrgId", int)


@dataclass
class Place:
    name: str
    height: float = 0.0
    near: list[Place] = field(default_factory=list)


class Base(TypedDict, total=False):
    seen: bool
    surely: Required[bool]


class Event(Base):
    org: OrgId
    kind: Literal["a", "b"]
    source: Literal["a \"shop\" <ü>"]
    version: NotRequired[Annotated[Literal[2], "of the form"]]
    test: Literal[True] | None
    note: str | None
    old: Optional[str]
    raw: bytes
    at: datetime
    score: Annotated[float, "points"]
    place: Place
    places: Sequence[Place]
    tags: Mapping[str, str]
    bag: dict[str, Any]
    any_list: list
    any_dict: dict
    took: timedelta
    corner: tuple[Place, float]
    row: tuple[int, ...]
    parent: NotRequired[Event | None]


def places(msg: Message[Event]) -> Iterator[Place]:
    yield from msg.payload["places"]


def named(msg: Message[Place]) -> Message[str]:
    return msg.with_payload(msg.payload.name)


def more_than_a_layout(msg: Message[complex]) -> set[int]:
    return {int(msg.payload.real)}


pipeline = (
    streaming_source("events", "events")
    .apply(Parser[Event]("parse"))
    .apply(FlatMap("places", places))
    .apply(Map("named", named))
    .apply(Map("odd", more_than_a_layout))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", "names"))
)
