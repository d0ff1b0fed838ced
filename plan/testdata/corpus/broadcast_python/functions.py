"""What the pipeline calls."""

from typing import Any

from levada import Message


def spoil(msg: Message[Any]) -> Any:
    msg.payload["tags"] = ["spoilt"]
    return msg.payload
