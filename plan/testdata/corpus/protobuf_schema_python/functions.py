"""What the pipeline calls."""

from typing import Any, NotRequired, TypedDict

from levada import Message


class Unit(TypedDict):
    name: str
    factors: NotRequired[list[float]]


class At(TypedDict):
    seconds: int
    nanos: int


class Found(TypedDict):
    id: str
    over: float
    level: int
    tags: list[str]
    unit: NotRequired[Unit]
    counts: NotRequired[dict[str, int]]
    raw: NotRequired[bytes]
    note: NotRequired[str]
    at: NotRequired[At]
    rule: NotRequired[str]
    before: NotRequired["Found"]


def found(msg: Message[dict[str, Any]]) -> Found:
    reading = msg.payload
    out: Found = {
        "id": reading["id"],
        "over": reading["value"] - 30,
        "level": reading["level"],
        "tags": reading.get("tags", []),
        "raw": reading["id"].encode(),
    }
    if reading["level"] == 1:
        out["unit"] = {"name": reading.get("unit", ""), "factors": [1.5, 2]}
        out["counts"] = {tag: len(tag) for tag in out["tags"]}
        out["rule"] = ""
    if reading["level"] < 0:
        out["before"] = {"id": "", "over": 0, "level": 0, "tags": []}
        out["note"] = ""
        out["at"] = {"seconds": 1_700_000_000, "nanos": 5}
    return out


def same(msg: Message[Found]) -> Found:
    return msg.payload


def whatever(msg: Message[Any]) -> dict[str, Any]:
    return {"got": msg.payload | {"raw": msg.payload["raw"].decode()}}
