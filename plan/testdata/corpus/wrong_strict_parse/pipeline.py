"""A parse that says nothing, before a step that takes a type."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser("parse"))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
