"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> int:
    return 1


def second(message: Message[str]) -> Any:
    return message.payload
