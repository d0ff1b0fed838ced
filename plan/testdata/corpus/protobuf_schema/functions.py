"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def named(msg: Message[Reading]) -> bool:
    return bool(msg.payload["id"])
