"""What the pipeline calls."""

from typing import Any

from levada import Message


def is_known(msg: Message[Any]) -> bool:
    return msg.payload["kind"] in ("temperature", "humidity")


def one_more(msg: Message[Any]) -> dict[str, Any]:
    return {**msg.payload, "level": msg.payload["level"] + 1}
