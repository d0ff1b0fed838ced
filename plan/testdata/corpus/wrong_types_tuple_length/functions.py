"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> tuple[float, float]:
    return (0.0, 0.0)


def second(message: Message[tuple[float, float, float]]) -> Any:
    return message.payload
