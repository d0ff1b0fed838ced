"""A Go step sets key and header, another one reads them."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="message")
    .apply(Parser[Reading]("parse"))
    .apply(Map("key", function=steps.KeyByKind()))
    .apply(Map("describe", function=steps.Describe()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
