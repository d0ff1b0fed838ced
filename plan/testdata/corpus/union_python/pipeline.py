"""A record that is one of several types, through steps in both languages."""

import steps
from functions import boxed, first, is_small
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Figure

pipeline = (
    streaming_source("in", stream_name="in", pipeline="union_python")
    .apply(Parser[Figure]("parse"))
    .apply(Filter("small", function=is_small))
    .apply(Map("boxed", function=boxed))
    .apply(Map("grow", function=steps.Grow()))
    .apply(Map("first", function=first))
    .apply(Map("grow_again", function=steps.Grow()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
