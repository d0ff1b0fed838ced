"""Bytes are asked for, and a struct comes; a struct is asked for, and bytes come."""

import steps
from functions import takes_bytes, takes_reading
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Map("bytes", function=takes_bytes, crossing="raw"))
    .apply(Map("double", function=steps.Double()))
    .apply(Map("reading", function=takes_reading, crossing="raw"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
