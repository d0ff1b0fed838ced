"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def value(message: Message[Reading]) -> float:
    return message.payload["value"]
