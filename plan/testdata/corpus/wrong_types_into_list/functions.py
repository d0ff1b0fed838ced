"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> list[str]:
    return [""]


def second(message: Message[str]) -> Any:
    return message.payload
