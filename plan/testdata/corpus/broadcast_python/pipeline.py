"""One branch in Python, one in Go, one of raw bytes from before the parse."""

import steps
from functions import spoil
from levada import Filter, Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = streaming_source("in", stream_name="in", pipeline="broadcast_python").broadcast(
    "early",
    [
        branch[bytes]("raw").sink(StreamSink("raw", stream_name="raw")),
        branch[bytes]("parsed")
        .apply(Parser[Reading]("parse"))
        .broadcast(
            "late",
            [
                branch[Reading]("python")
                .apply(Map("spoil", function=spoil))
                .apply(Serializer("print_spoilt"))
                .sink(StreamSink("spoilt", stream_name="spoilt")),
                branch[Reading]("go")
                .apply(Filter("hot", function=steps.IsHot()))
                .apply(Serializer("print_hot"))
                .sink(StreamSink("hot_out", stream_name="hot")),
            ],
        ),
    ],
)
