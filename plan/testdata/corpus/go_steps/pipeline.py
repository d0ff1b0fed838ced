"""A filter and a map in Go."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="go_steps")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=steps.IsHot()))
    .apply(Map("to_hot", function="steps.ToHot"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
