"""A record that is one of several types, between Go and Python as text and as MessagePack."""

import steps
from functions import boxed, first, is_small
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Figure

pipeline = (
    streaming_source("in", stream_name="in", pipeline="crossing_union")
    .apply(Parser[Figure]("parse"))
    .apply(Filter("small", function=is_small, crossing="json"))
    .apply(Map("boxed", function=boxed, crossing="json"))
    .apply(Map("grow", function=steps.Grow()))
    .apply(Map("first", function=first, crossing="msgpack"))
    .apply(Map("grow_again", function=steps.Grow()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
