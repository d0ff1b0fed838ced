"""What the pipeline calls."""

from typing import Any, TypedDict

from levada import Message


class Reading(TypedDict):
    id: str
    value: float


def first(message: Message[Any]) -> Reading:
    return {"id": "", "value": 0.0}


def second(message: Message[dict[str, str]]) -> Any:
    return message.payload
