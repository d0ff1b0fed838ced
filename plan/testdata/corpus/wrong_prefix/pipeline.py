"""A codec whose messages have no such prefix."""

from levada import Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser("parse"))
    .apply(Serializer("print", prefix="single_object"))
    .sink(StreamSink("out", stream_name="out"))
)
