"""A record that is several types at once."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Contact

pipeline = (
    streaming_source("in", stream_name="in", pipeline="union_several")
    .apply(Parser[Contact]("parse"))
    .apply(Map("prefer", function=steps.Prefer()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
