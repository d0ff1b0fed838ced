"""What the pipeline calls."""

from collections.abc import Iterator

from levada import Message, RetryableError
from steps.types import Reading

asked: dict[str, int] = {}


def positive(msg: Message[Reading]) -> Reading:
    if msg.payload["value"] < 0:
        raise ValueError(f"expected a value of at least 0, got {msg.payload['value']}")
    return msg.payload


def patient(msg: Message[Reading]) -> bool:
    """True at the third call for a reading."""
    id = msg.payload["id"]
    asked[id] = asked.get(id, 0) + 1
    if asked[id] < 3:
        raise ConnectionError(f"asked {asked[id]} times")
    return True


def busy(msg: Message[Reading]) -> Iterator[Reading]:
    """Answers at the second call for a reading, once for each of its tags."""
    key = "busy " + msg.payload["id"]
    asked[key] = asked.get(key, 0) + 1
    if asked[key] < 2:
        raise RetryableError("no answer")
    for tag in msg.payload["tags"]:
        yield {**msg.payload, "tags": [tag]}


def kind(msg: Message[Reading]) -> str:
    return {"temperature": "t", "humidity": "h"}[msg.payload["kind"]]
