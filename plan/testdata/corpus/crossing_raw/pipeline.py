"""Bytes between Go and Python, and a step that says so."""

import steps
from functions import quoted
from levada import Filter, Map, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="crossing_raw")
    .apply(Filter("braces", function=steps.IsBrace()))
    .apply(Map("quoted", function=quoted, crossing="raw"))
    .apply(Map("upper", function=steps.Upper()))
    .apply(Map("quoted_again", function=quoted, crossing="raw"))
    .apply(Serializer("as_it_was", "raw"))
    .sink(StreamSink("out", stream_name="out"))
)
