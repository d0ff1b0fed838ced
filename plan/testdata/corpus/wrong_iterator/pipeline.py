"""A map by a function that returns an iterator."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Map("letters", function=steps.Letters()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
