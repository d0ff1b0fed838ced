"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> str | bool:
    return True


def second(message: Message[str | int]) -> Any:
    return message.payload
