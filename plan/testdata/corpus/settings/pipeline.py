"""Steps that are structs: one of them twice, with other settings, and one with none."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="settings")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("some", function=steps.Above()))
    .apply(Filter("high", function=steps.Above(limit=50.5, kinds=["temperature", "pressure"])))
    .apply(Map("tag", function=steps.Tagged(Times=2, Tag="high")))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
