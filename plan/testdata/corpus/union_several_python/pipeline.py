"""A record that is several types at once, through a step in Python."""

import steps
from functions import same
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Contact

pipeline = (
    streaming_source("in", stream_name="in", pipeline="union_several_python")
    .apply(Parser[Contact]("parse"))
    .apply(Map("same", function=same))
    .apply(Map("prefer", function=steps.Prefer()))
    .apply(Map("again", function=same))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
