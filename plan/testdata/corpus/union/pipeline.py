"""A record that is one of several types."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Figure

pipeline = (
    streaming_source("in", stream_name="in", pipeline="union")
    .apply(Parser[Figure]("parse"))
    .apply(Map("grow", function=steps.Grow()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
