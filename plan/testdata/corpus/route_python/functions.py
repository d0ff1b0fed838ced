"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def size(msg: Message[Reading]) -> str:
    return "big" if msg.payload["value"] > 40 else "small"


def shrink(msg: Message[Reading]) -> Reading:
    return {**msg.payload, "value": 40.0}
