"""What is only just right passes: a byte that is no UTF-8, and one name twice."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="strict_not")
    .apply(Parser[Reading]("parse"))
    .apply(Map("double", function=steps.Double()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
