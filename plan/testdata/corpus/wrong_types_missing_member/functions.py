"""What the pipeline calls."""

from dataclasses import dataclass
from typing import Any, TypedDict

from levada import Message


@dataclass
class Short:
    id: str


class Reading(TypedDict):
    id: str
    value: float


def first(message: Message[Any]) -> Short:
    return Short("")


def second(message: Message[Reading]) -> Any:
    return message.payload
