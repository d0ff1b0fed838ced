"""What the pipeline calls."""

from levada import Message
from steps.types import Line, Order


def add(msg: Message[Order]) -> Order:
    line: Line = {"article": "box", "qty": 3 - msg.payload["lines"][0]["qty"]}
    return {**msg.payload, "lines": [*msg.payload["lines"], line]}


def discount(msg: Message[Order]) -> Order:
    rate = 1.5 if msg.payload["id"] == "d1" else msg.payload.get("rate", 0.5) * 2
    return {**msg.payload, "rate": rate}
