"""A codec that has no settings is told to be strict."""

from levada import Parser, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser("parse", codec="raw", strict=True))
    .sink(StreamSink("out", stream_name="out"))
)
