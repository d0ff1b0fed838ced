"""The word for what counts without one, where nothing crosses."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="crossing_frame")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=steps.IsHot(), crossing="frame"))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
