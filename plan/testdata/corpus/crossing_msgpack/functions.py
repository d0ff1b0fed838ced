"""What the pipeline calls."""

from datetime import datetime, timedelta

from levada import Message
from steps.types import Everything


def same(msg: Message[Everything]) -> Everything:
    return {**msg.payload}


def has_values(msg: Message[Everything]) -> bool:
    """Whether the payload has values, not their text."""
    p = msg.payload
    kinds = [
        (p["bytes"], bytes),
        (p["time"], datetime),
        (p["wait"], timedelta),
        (p["pair"], tuple),
        (p["f64"], float),
        (p["u64"], int),
    ]
    return all(type(value) is kind for value, kind in kinds)
