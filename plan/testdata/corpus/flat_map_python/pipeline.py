"""A Python generator, and a map in Go that yields a list as one message."""

import steps
from functions import twice
from levada import FlatMap, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="flat_map_python")
    .apply(Parser[Reading]("parse"))
    .apply(FlatMap("twice", function=twice))
    .apply(Map("tags", function=steps.Tags()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
