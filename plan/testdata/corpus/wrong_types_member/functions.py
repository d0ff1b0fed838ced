"""What the pipeline calls."""

from typing import Any, TypedDict

from levada import Message


class Words(TypedDict):
    value: str


class Reading(TypedDict):
    value: float


def first(message: Message[Any]) -> Words:
    return {"value": ""}


def second(message: Message[Reading]) -> Any:
    return message.payload
