"""Two steps of one name."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=steps.IsHot()))
    .apply(Map("hot", function=steps.Double()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
