"""What the pipeline calls."""

from levada import Message
from steps.types import Box, Disc, Figure


def plain(msg: Message[Figure]) -> Figure:
    return msg.payload


def boxed(msg: Message[Figure]) -> Disc | Box | str:
    if isinstance(msg.payload, str):
        return Box(inner=[msg.payload, msg.payload.upper(), Disc(kind="disc", radius=1.0)], kind="box")
    return msg.payload
