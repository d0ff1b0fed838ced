"""A Go function that returns a slice, one message per element."""

import steps
from levada import FlatMap, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="flat_map_slice")
    .apply(Parser[Reading]("parse"))
    .apply(FlatMap("tags", function=steps.Tags()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
