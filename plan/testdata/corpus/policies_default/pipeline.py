"""Nothing is said about failing messages, and the deployment has a stream for dead
letters."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="policies_default")
    .apply(Parser[Reading]("parse"))
    .apply(Map("positive", steps.Positive))
    .apply(Filter("hot", steps.IsHot))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
