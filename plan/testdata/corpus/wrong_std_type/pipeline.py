"""encoding/json/v2 is told to read and write a type that says more than it knows."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Everything

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Everything]("parse", std=True))
    .apply(Map("touch", function=steps.Touch()))
    .apply(Serializer("print", std=True))
    .sink(StreamSink("out", stream_name="out"))
)
