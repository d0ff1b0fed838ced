"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def kind(message: Message[Reading]) -> str:
    return message.payload["kind"]
