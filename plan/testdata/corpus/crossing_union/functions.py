"""What the pipeline calls."""

from typing import Any

from levada import Message
from steps.types import Box, Disc, Figure


def size(figure: Figure) -> float:
    if isinstance(figure, str):
        return len(figure)
    if figure["kind"] == "disc":
        return figure["radius"]
    return sum(map(size, figure["inner"]))


def is_small(msg: Message[Figure]) -> bool:
    return size(msg.payload) < 100


def boxed(msg: Message[Figure]) -> Disc | Box:
    if isinstance(msg.payload, str):
        return Box(inner=[msg.payload, msg.payload.upper()], kind="box")
    return msg.payload


def first(msg: Message[Figure]) -> Any:
    figure = msg.payload
    return figure["inner"][0] if isinstance(figure, dict) and figure["kind"] == "box" else figure
