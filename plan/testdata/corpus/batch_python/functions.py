"""What the pipeline calls."""

from typing import Any

from levada import Message
from steps.types import Reading


def rounded(msg: Message[Reading]) -> Reading:
    return {**msg.payload, "value": float(round(msg.payload["value"]))}


def count(msg: Message[list[Reading]]) -> dict[str, Any]:
    return {"first": msg.payload[0]["id"], "count": len(msg.payload)}
