"""What the pipeline calls."""

from levada import Message
from steps.types import Hot


def shout(msg: Message[Hot]) -> Hot:
    return {**msg.payload, "id": msg.payload["id"].upper()}
