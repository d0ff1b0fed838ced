"""A member of every type that crosses the border."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Everything

pipeline = (
    streaming_source("in", stream_name="in", pipeline="every_type")
    .apply(Parser[Everything]("parse"))
    .apply(Map("touch", function=steps.Touch()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
