"""What the pipeline calls."""

from datetime import datetime, timedelta
from typing import Any

from levada import Message


def first(message: Message[Any]) -> datetime:
    return datetime.min


def second(message: Message[timedelta]) -> Any:
    return message.payload
