"""Python decides, and each branch is in another language."""

import steps
from functions import shrink, size
from levada import Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="route_python")
    .apply(Parser[Reading]("parse"))
    .route(
        "by_size",
        size,
        {
            "big": branch[Reading]("big")
            .apply(Map("shrink", function=shrink))
            .apply(Serializer("print_big"))
            .sink(StreamSink("big", stream_name="big")),
            "small": branch[Reading]("small")
            .apply(Map("double", function=steps.Double()))
            .apply(Serializer("print_small"))
            .sink(StreamSink("small", stream_name="small")),
        },
    )
)
