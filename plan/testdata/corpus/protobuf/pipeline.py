"""JSON that goes through protobuf, and Go steps over generated messages."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Visit

pipeline = (
    streaming_source("in", stream_name="in", pipeline="protobuf")
    .apply(Parser[Visit]("parse"))
    .apply(Serializer("pack", codec="protobuf"))
    .apply(Parser[Visit]("unpack", codec="protobuf"))
    .apply(Filter("slow", function=steps.Slow()))
    .apply(Map("anonymous", function=steps.Anonymous()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
