"""A Go function that returns an iterator."""

import steps
from levada import FlatMap, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="flat_map_iterator")
    .apply(Parser[Reading]("parse"))
    .apply(FlatMap("tags", function=steps.Letters()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
