"""Serialized messages between Go and Python, as bytes and as objects of a class."""

import steps
from functions import of_ada, of_eve
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Visit

pipeline = (
    streaming_source("in", stream_name="in", pipeline="crossing_protobuf")
    .apply(Parser[Visit]("parse"))
    .apply(Serializer("pack", codec="protobuf"))
    .apply(Parser[Visit]("unpack", codec="protobuf"))
    .apply(Filter("of_ada", function=of_ada, crossing="protobuf"))
    .apply(Map("of_eve", function=of_eve, crossing="protobuf"))
    .apply(Filter("slow", function=steps.Slow()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
