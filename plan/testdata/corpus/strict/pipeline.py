"""What is only just right fails at the parse, and goes to the dead letters."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="strict")
    .apply(Parser[Reading]("parse", strict=True))
    .apply(Map("double", function=steps.Double()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
