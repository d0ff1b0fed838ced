"""What the pipeline calls."""

from typing import Any

from levada import Message


def first(message: Message[Any]) -> str:
    return ""


def second(message: Message[bytes]) -> Any:
    return message.payload
