"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> str | None:
    return None


def second(message: Message[str]) -> Any:
    return message.payload
