"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> bool:
    return True


def second(message: Message[int]) -> Any:
    return message.payload
