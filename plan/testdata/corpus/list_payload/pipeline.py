"""A record that is a list."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="list_payload")
    .apply(Parser[list[Reading]]("parse"))
    .apply(Map("sum", function=steps.SumAll()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
