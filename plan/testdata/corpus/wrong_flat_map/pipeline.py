"""A flat map by a function that returns one value."""

import steps
from levada import FlatMap, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(FlatMap("each", function=steps.ToHot()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
