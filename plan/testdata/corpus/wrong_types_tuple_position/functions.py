"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> tuple[str, int]:
    return ("", 1)


def second(message: Message[tuple[str, str]]) -> Any:
    return message.payload
