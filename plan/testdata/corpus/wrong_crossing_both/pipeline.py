"""Two words for one border, and one where nothing crosses."""

import steps
from functions import takes_reading
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Map("double", function=steps.Double(), crossing="json"))
    .apply(Map("reading", function=takes_reading, crossing="custom"))
    .apply(Map("between", function=takes_reading, crossing="json"))
    .apply(Map("again", function=takes_reading))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
