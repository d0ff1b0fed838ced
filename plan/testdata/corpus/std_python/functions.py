"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def one_more(msg: Message[Reading]) -> Reading:
    return {**msg.payload, "level": msg.payload["level"] + 1}
