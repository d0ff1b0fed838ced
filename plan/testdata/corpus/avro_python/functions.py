"""What the pipeline calls."""

from typing import Any

from levada import Message
from steps.types import Hot, Reading


def to_hot(msg: Message[Reading]) -> Hot:
    return {"id": msg.payload["id"], "over": msg.payload["value"] - 30}


def same(msg: Message[Hot]) -> Hot:
    return msg.payload


def whatever(msg: Message[Any]) -> dict[str, Any]:
    return {"got": msg.payload}
