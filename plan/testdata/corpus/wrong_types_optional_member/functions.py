"""What the pipeline calls."""

from typing import Any, NotRequired, TypedDict

from levada import Message


class Loose(TypedDict):
    id: str
    value: NotRequired[float]


class Reading(TypedDict):
    id: str
    value: float


def first(message: Message[Any]) -> Loose:
    return {"id": ""}


def second(message: Message[Reading]) -> Any:
    return message.payload
