"""A bool where an integer is taken: Python has one for the other, a message has not."""

from functions import first, second
from levada import Map, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser("parse"))
    .apply(Map("first", function=first))
    .apply(Map("second", function=second))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
