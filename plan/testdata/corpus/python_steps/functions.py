"""What the pipeline calls."""

from typing import TypedDict

from levada import Message
from steps.types import Reading


class Hot(TypedDict):
    id: str
    over: float


def is_hot(msg: Message[Reading]) -> bool:
    return msg.payload["value"] > 30


def to_hot(msg: Message[Reading]) -> Hot:
    return {"id": msg.payload["id"], "over": msg.payload["value"] - 30}
