"""What the pipeline calls."""

from levada import Message
from steps.types import Line, Order


def add(msg: Message[Order]) -> Order:
    line: Line = {"article": "box", "qty": 3 - msg.payload["lines"][0]["qty"]}
    return {**msg.payload, "lines": [*msg.payload["lines"], line]}


def count(msg: Message[Order]) -> int:
    return sum(line["qty"] for line in msg.payload["lines"])
