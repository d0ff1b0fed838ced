"""What the pipeline calls."""

from typing import Any, Literal, TypedDict

from levada import Message


class Circle(TypedDict):
    kind: Literal["circle"]


class Square(TypedDict):
    kind: Literal["square"]


def first(message: Message[Any]) -> Circle:
    return {"kind": "circle"}


def second(message: Message[Square]) -> Any:
    return message.payload
