"""What the pipeline calls."""

from levada import Message
from steps.types import Visit


def slow(msg: Message[Visit]) -> bool:
    return msg.payload["ms"] > 100


def anonymous(msg: Message[Visit]) -> Visit:
    return {**msg.payload, "user": ""}
