from typing import Any

from levada import Parser, Serializer, StreamSink, branch, streaming_source


def arm(name, parser):
    return (
        branch(name)
        .apply(parser)
        .apply(Serializer(f"s_{name}"))
        .sink(StreamSink(f"o_{name}", name))
    )


pipeline = streaming_source("in", "in").broadcast(
    "all",
    [
        arm("int", Parser[int]("int")),
        arm("text", Parser[str | None]("text")),
        arm("list", Parser[list[dict[str, int]]]("list")),
        arm("any", Parser[Any]("any")),
        arm("none", Parser("none")),
        arm("raw", Parser[bytes]("raw", codec="raw")),
    ],
)
