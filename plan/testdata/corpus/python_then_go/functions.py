"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def is_reading(msg: Message[Reading]) -> bool:
    return msg.payload["kind"] != "test"


def half(msg: Message[Reading]) -> Reading:
    return {**msg.payload, "value": msg.payload["value"] / 2}
