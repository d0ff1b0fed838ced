"""What the pipeline calls."""

from levada import Message
from steps.types import Contact


def same(msg: Message[Contact]) -> Contact:
    return msg.payload
