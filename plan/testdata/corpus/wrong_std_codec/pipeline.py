"""A codec that is no JSON is told to leave it to encoding/json/v2."""

from levada import Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser("parse", codec="msgpack", std=True))
    .apply(Serializer("print", codec="raw", std=True))
    .sink(StreamSink("out", stream_name="out"))
)
