"""A setting that there is not."""

import steps
from levada import Filter, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("above", function=steps.Above(limt=3.5)))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
