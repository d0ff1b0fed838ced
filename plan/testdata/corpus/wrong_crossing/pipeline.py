"""A word where nothing crosses."""

import steps
from levada import Filter, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=steps.IsHot(), crossing="json"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
