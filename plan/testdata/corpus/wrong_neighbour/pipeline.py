"""What one Go step yields the next one does not take."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Map("double", function=steps.Double()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
