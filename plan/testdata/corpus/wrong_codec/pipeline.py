"""A codec that there is not."""

from levada import Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong_codec")
    .apply(Parser("parse", codec="msgpak"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
