"""encoding/json/v2 is told to read for a step in Python, with no type in Go."""

from functions import same
from levada import Map, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser("parse", std=True))
    .apply(Map("same", function=same))
    .apply(Serializer("print", std=True))
    .sink(StreamSink("out", stream_name="out"))
)
