"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> dict[str, int]:
    return {}


def second(message: Message[dict[str, str]]) -> Any:
    return message.payload
