"""JSON that goes through protobuf, and Python steps over generated messages."""

import functions
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Visit

pipeline = (
    streaming_source("in", stream_name="in", pipeline="protobuf_python")
    .apply(Parser[Visit]("parse"))
    .apply(Serializer("pack", codec="protobuf"))
    .apply(Parser[Visit]("unpack", codec="protobuf"))
    .apply(Filter("slow", function=functions.slow))
    .apply(Map("anonymous", function=functions.anonymous))
    .apply(Serializer("pack_again", codec="protobuf"))
    .apply(Parser[Visit]("unpack_again", codec="protobuf"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
