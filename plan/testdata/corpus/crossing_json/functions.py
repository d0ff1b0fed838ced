"""What the pipeline calls."""

from collections.abc import Iterator
from typing import Any

from levada import Message
from steps.types import Reading


def is_known(msg: Message[Reading]) -> bool:
    return msg.payload["kind"] in ("temperature", "humidity")


def one_more(msg: Message[Any]) -> Message[dict[str, Any]]:
    payload = {**msg.payload, "level": msg.payload["level"] + 1}
    return msg.with_payload(payload).with_key(payload["id"].encode())


def doubled(msg: Message[Reading]) -> Iterator[Reading]:
    yield msg.payload
    yield {**msg.payload, "id": msg.payload["id"] + "'"}


def kind(msg: Message[Reading]) -> str:
    return msg.payload["kind"]
