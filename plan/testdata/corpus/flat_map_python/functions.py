"""What the pipeline calls."""

from collections.abc import Iterator

from levada import Message
from steps.types import Reading


def twice(msg: Message[Reading]) -> Iterator[Reading]:
    yield msg.payload
    yield {**msg.payload, "id": msg.payload["id"] + "'"}
