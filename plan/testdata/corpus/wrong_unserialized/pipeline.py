"""Values go into a sink."""

import steps
from levada import Map, Parser, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Map("double", function=steps.Double()))
    .sink(StreamSink("out", stream_name="out"))
)
