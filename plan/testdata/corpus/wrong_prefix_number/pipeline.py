"""A number before what is written, and nobody says which."""

from levada import Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser("parse"))
    .apply(Serializer("print", prefix="confluent"))
    .sink(StreamSink("out", stream_name="out"))
)
