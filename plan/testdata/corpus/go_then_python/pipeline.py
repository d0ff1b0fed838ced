"""A Python step behind two in Go."""

import steps
from functions import shout
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="go_then_python")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=steps.IsHot))
    .apply(Map("to_hot", function=steps.ToHot))
    .apply(Map("shout", function=shout))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
