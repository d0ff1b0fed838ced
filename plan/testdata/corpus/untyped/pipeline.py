"""A parse that declares nothing, into a function that takes any object."""

from typing import Any

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="untyped")
    .apply(Parser[dict[str, Any]]("parse"))
    .apply(Map("names", function=steps.Names()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
