"""Each message into both branches, one of which changes it."""

import steps
from levada import Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="broadcast")
    .apply(Parser[Reading]("parse"))
    .broadcast(
        "fan",
        [
            branch[Reading]("doubled")
            .apply(Map("double", function=steps.Double()))
            .apply(Serializer("print_doubled"))
            .sink(StreamSink("doubled", stream_name="doubled")),
            branch[Reading]("as_it_was")
            .apply(Serializer("print"))
            .sink(StreamSink("copies", stream_name="copies")),
        ],
    )
)
