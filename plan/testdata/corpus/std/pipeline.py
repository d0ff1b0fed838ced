"""encoding/json/v2 reads and writes whole values: a member that is missing is zero."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="std")
    .apply(Parser[Reading]("parse", std=True))
    .apply(Map("double", function=steps.Double()))
    .apply(Serializer("print", std=True))
    .sink(StreamSink("out", stream_name="out"))
)
