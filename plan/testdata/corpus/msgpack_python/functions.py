"""What the pipeline calls."""

from typing import Any

from levada import Message
from steps.types import Hot, Reading


def unhex(msg: Message[bytes]) -> bytes:
    return bytes.fromhex(msg.payload.decode())


def to_hex(msg: Message[bytes]) -> bytes:
    return msg.payload.hex().encode()


def is_hot(msg: Message[Reading]) -> bool:
    return msg.payload["value"] > 30


def to_hot(msg: Message[Reading]) -> Hot:
    return {"id": msg.payload["id"], "over": msg.payload["value"] - 30}


def blobs(msg: Message[Any]) -> dict[str, Any]:
    return {**msg.payload, "blob": msg.payload["id"].encode(), "more": [None, True, 2**64 - 1, -1.5]}
