"""Policies that contradict each other."""

import steps
from levada import Filter, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

policy = {"on_error": "skip"}
pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=steps.IsHot(), on_error="fail", **policy))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
