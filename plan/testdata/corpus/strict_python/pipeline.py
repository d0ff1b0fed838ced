"""A strict parse before a step in Python, with no type in Go."""

from functions import same
from levada import Map, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="strict_python")
    .apply(Parser("parse", strict=True))
    .apply(Map("same", function=same))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
