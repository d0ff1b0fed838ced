"""What the pipeline calls."""

from typing import Any

from levada import Message


def same(message: Message[Any]) -> Any:
    return message.payload
