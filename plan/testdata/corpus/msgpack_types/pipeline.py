"""JSON that goes through MessagePack and is what it was, whatever its type."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Everything

pipeline = (
    streaming_source("in", stream_name="in", pipeline="msgpack_types")
    .apply(Parser[Everything]("parse"))
    .apply(Serializer("pack", codec="msgpack"))
    .apply(Parser[Everything]("unpack", codec="msgpack"))
    .apply(Map("touch", function=steps.Touch()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
