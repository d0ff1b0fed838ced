"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> float:
    return 1.5


def second(message: Message[int]) -> Any:
    return message.payload
