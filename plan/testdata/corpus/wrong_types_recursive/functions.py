"""What the pipeline calls."""

from __future__ import annotations

from typing import Any, TypedDict

from levada import Message


class Tree(TypedDict):
    value: str
    down: list[Tree]


class Numbers(TypedDict):
    value: int
    down: list[Numbers]


def first(message: Message[Any]) -> Tree:
    return {"value": "", "down": []}


def second(message: Message[Numbers]) -> Any:
    return message.payload
