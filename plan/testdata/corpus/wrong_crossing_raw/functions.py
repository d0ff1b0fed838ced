"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def takes_bytes(msg: Message[bytes]) -> bytes:
    return msg.payload


def takes_reading(msg: Message[Reading]) -> Reading:
    return msg.payload
