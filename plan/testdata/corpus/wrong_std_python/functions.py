"""What the pipeline calls."""

from typing import Any

from levada import Message


def same(msg: Message[Any]) -> Any:
    return msg.payload
