"""What the pipeline calls."""

from datetime import UTC, datetime
from typing import Any

from levada import Message


def first(message: Message[Any]) -> datetime:
    return datetime.now(UTC)


def second(message: Message[str]) -> Any:
    return message.payload
