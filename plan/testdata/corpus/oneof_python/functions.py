"""What the pipeline calls."""

from levada import Message
from steps.types import Bill


def paid(msg: Message[Bill]) -> bool:
    return any(way in msg.payload for way in ("card", "cash", "goods", "free"))


def give(msg: Message[Bill]) -> Bill:
    bill = msg.payload
    lines = {**bill.get("lines", {}), "word" if bill["user"] == "word" else "99": "given"}
    if "card" in bill and bill["user"] != "both":
        bill = {**bill, "card": None}  # null says that it is another one
    return {**bill, "lines": lines, "goods": {"sku": "gift", "qty": 1}} if "cash" not in bill else {**bill, "lines": lines}
