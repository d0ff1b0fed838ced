"""A Python function that does not say what it returns, before a step that takes a type."""

import steps
from functions import says_nothing
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Map("python", function=says_nothing))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
