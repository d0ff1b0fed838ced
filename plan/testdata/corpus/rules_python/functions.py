"""What the pipeline calls."""

from levada import Message
from steps.types import Line, Order


def add(msg: Message[Order]) -> Order:
    line: Line = {"article": "box", "qty": 3 - msg.payload["lines"][0]["qty"]}
    return {**msg.payload, "lines": [*msg.payload["lines"], line]}


def discount(msg: Message[Order]) -> Order:
    return {**msg.payload, "rate": msg.payload.get("rate", 0.5) * 2}
