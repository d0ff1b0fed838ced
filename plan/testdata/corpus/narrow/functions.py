"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def louder(msg: Message[Reading]) -> Reading:
    return {**msg.payload, "value": msg.payload["value"] + 1}
