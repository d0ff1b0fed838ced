"""Every type through Python steps as MessagePack."""

import steps
from functions import has_values, same
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Everything

pipeline = (
    streaming_source("in", stream_name="in", pipeline="crossing_msgpack")
    .apply(Parser[Everything]("parse"))
    .apply(Map("same", function=same, crossing="msgpack"))
    .apply(Map("touch", function=steps.Touch()))
    .apply(Filter("values", function=has_values, crossing="msgpack"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
